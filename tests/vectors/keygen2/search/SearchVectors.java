import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import javax.security.auth.x500.X500Principal;

/** Prints what Java makes of names, bytes, regular expressions and certificates: names | utf8 | expressions | certificates FILE... */
public class SearchVectors {
  static final int UTF8 = 12, PRINTABLE = 19, T61 = 20, IA5 = 22, UNIVERSAL = 28;
  static final String CN = "550403", SERIAL = "550405", C = "550406", L = "550407", ST = "550408", STREET = "550409",
      O = "55040a", OU = "55040b", TITLE = "55040c", DC = "0992268993f22c640119", UID = "0992268993f22c640101",
      EMAIL = "2a864886f70d010901", LONG = "2a8fffffffffffffffffffffffff7f";

  static byte[] hex(String text) {
    byte[] bytes = new byte[text.length() / 2];
    for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) Integer.parseInt(text.substring(2 * i, 2 * i + 2), 16);
    return bytes;
  }

  static String hex(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    for (byte b : bytes) text.append(String.format("%02x", b));
    return text.toString();
  }

  static byte[] tlv(int tag, byte[]... parts) {
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    for (byte[] part : parts) content.writeBytes(part);
    ByteArrayOutputStream result = new ByteArrayOutputStream();
    result.write(tag);
    if (content.size() > 127) result.write(0x82);
    if (content.size() > 127) result.write(content.size() >> 8);
    result.write(content.size() & 0xFF);
    result.writeBytes(content.toByteArray());
    return result.toByteArray();
  }

  static byte[] attribute(String type, int tag, byte[] value) {
    return tlv(0x30, tlv(6, hex(type)), tlv(tag, value));
  }

  static byte[] attribute(String type, int tag, String value) {
    return attribute(type, tag, value.getBytes(StandardCharsets.UTF_8));
  }

  static byte[] rdn(byte[]... attributes) {
    return tlv(0x31, attributes);
  }

  static byte[] cn(String value) {
    return rdn(attribute(CN, UTF8, value));
  }

  static void line(String name, String value) {
    boolean printable = value.codePoints().allMatch(c -> c >= ' ' && c != 0x7F && !(c >= 0x80 && c < 0xA0)
        && c != 0x2028 && c != 0x2029) && !value.isBlank();
    System.out.println(printable ? name + " = " + value
        : name + "Hex = " + hex(value.getBytes(StandardCharsets.UTF_8)));
  }

  static void name(byte[]... rdns) {
    byte[] der = tlv(0x30, rdns);
    System.out.println("Name = " + hex(der));
    line("Text", new X500Principal(der).getName());
    System.out.println();
  }

  static void names() {
    name();
    for (String type : new String[] {CN, SERIAL, C, L, ST, STREET, O, OU, TITLE, DC, UID, EMAIL, LONG})
      name(rdn(attribute(type, PRINTABLE, "123")));
    for (int tag : new int[] {UTF8, PRINTABLE, T61, IA5}) name(rdn(attribute(O, tag, "Jo, Ltd")));
    name(rdn(attribute(O, UNIVERSAL, new byte[] {0, 0, 0, 'A'})));
    name(rdn(attribute(O, 18, "5 5")));  // NumericString
    name(rdn(attribute(O, 3, new byte[] {0, 1})));  // BIT STRING
    name(rdn(attribute(O, 0x30, new byte[] {2, 1, 5})));  // SEQUENCE
    name(rdn(attribute(C, PRINTABLE, "SE")), rdn(attribute(O, UTF8, "Åre & Söner")), cn("Jo"));
    name(rdn(attribute(OU, UTF8, "B"), attribute(CN, UTF8, "A"), attribute(UID, UTF8, "c")), cn("last"));
    name(rdn(attribute(DC, IA5, "org")), rdn(attribute(DC, IA5, "example")), rdn(attribute(UID, UTF8, "jo")),
        rdn(attribute(SERIAL, PRINTABLE, "42"), attribute(CN, UTF8, "J")), rdn(attribute(EMAIL, IA5, "jo@example.org")));
    for (String value : new String[] {"", " ", "   ", " a", "a ", "  a  b  ", "#a", "a#b", "a,b=c+d<e>f#g;h\"i\\j",
        " ,", "\\", "\\ ", "\r", "\ra\r", " \r a\r ", "\na\n", "\ta\t", "a\u0000b", "\u0000", " \u0000 ", "a/b(c)*:'?@!",
        "\u00a0a\u00a0", "\u007f", "€ 𝄞 日本", "e\u0301", "[.*]\\Q\\E", "a\u2028"}) name(cn(value));
  }

  static void utf8() {
    // Cut, overlong, surrogates, too large, stray bytes.
    for (String bytes : new String[] {"80", "c3", "c341", "c080", "e080", "e08080", "eda080", "eda0", "edb080", "e228a1",
        "e282", "e28241", "f0808080", "f09f98", "f09f41", "f09f9841", "f4908080", "f48fbf41", "f8808080", "ff", "c3c3a9",
        "e2e282ac", "f0f09f9880", "eda080edb080", "f0908d", "f4", "ed", "eda041", "e09f80", "f58080", "e18041", "41ff41",
        "c3a9", "e282ac", "ed9fbf", "ee8080", "f09d849e", "f48fbfbf"}) {
      System.out.println("Bytes = " + bytes);
      System.out.println("Text = " + new String(hex(bytes), StandardCharsets.UTF_8) + "\n");
    }
  }

  static void expression(String pattern, String... texts) {
    Pattern compiled = null;
    try {
      compiled = Pattern.compile(pattern);
    } catch (PatternSyntaxException e) {
      line("Pattern", pattern);
      System.out.println("Result = error\n");
      return;
    }
    for (String text : texts) {
      line("Pattern", pattern);
      line("Text", text);
      System.out.println("Result = " + (compiled.matcher(text).matches() ? "match" : "no match") + "\n");
    }
  }

  static void expressions() {
    expression("", "", "a");
    expression("CN=old[0-9]", "CN=old7", "CN=old", "CN=old77", "xCN=old7", "cn=old7");
    expression("\\QCN=Jo\\, Ltd,O=Åre & Söner\\E", "CN=Jo\\, Ltd,O=Åre & Söner", "CN=Jo, Ltd,O=Åre & Söner");
    expression("\\Qa\\E\\\\E\\Qb\\E", "a\\Eb", "aEb", "ab");
    expression("\\Q", "", "Q");
    expression("\\Qa.b", "a.b", "axb");
    expression("\\Qa\\Qb\\E", "a\\Qb", "ab");
    expression("\\Qab\\E+", "abb", "abab");
    expression("\\Q𝄞\\E+", "𝄞𝄞", "𝄞");
    expression("\\Q\\E", "", "a");
    expression("a\\Q\\E+", "aaa", "a+");
    expression("a{1\\Q\\E}(\\Q\\E?:b)[\\Q\\E^c]", "abd", "abc");
    expression("\\\\Qa", "\\Qa", "a");
    expression("\\Q1\\E2", "12", "1");
    expression("\\Q\\d\\E", "\\d", "1");
    expression("\\Q*\\E*", "", "***", "a");
    expression("\\Q#x y\n\\E", "#x y\n", "#xy");
    String[] any = {"a", "", "\n", "\r", "\r\n", "\u000b", "\f", "\u0085", "\u2028", "\u2029", "\u0000", "é", "𝄞", "ab"};
    expression(".", any);
    expression("..", "\r\n", "ab", "𝄞");
    expression(".*", any);
    expression("[^a]", any);
    expression("[^\\d]", "\n", "1", "a");
    String[] digits = {"0", "9", "a", "²", "٣", "०", "_", "é", "A", "z", " ", "\t", "\u000b", "\f", "\r", "\n", "\u0085",
        "\u00a0", "\u2028", "ª", "ſ", "K"};
    for (String escape : new String[] {"\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "[\\d\\s]", "[^\\w]", "[^\\W]"})
      expression(escape, digits);
    expression("\\.", ".", "a");
    expression("\\_\\-\\ \\é\\#\\/", "_- é#/", "_-é#/");
    expression("a b", "a b", "ab");
    expression("a#b", "a#b", "a");
    expression("K", "K", "k", "\u212a");
    expression("a}b]c", "a}b]c", "abc");
    expression("-&~!@%':;<>=\"`,/", "-&~!@%':;<>=\"`,/", "-");
    String[] ends = {"a", "a\n", "a\r\n", "a\r", "a\u0085", "a\u2028", "a\u2029", "a\n\n", "a\n\r", "a\u000b", "a\f", "a\u2027",
        "", "\n", "a\r\n\n", "ab"};
    expression("a$", ends);
    expression("a$[\\s\\W]*", ends);
    expression("a$\\n".replace("\\n", "\n"), ends);
    expression("a\r$\n", ends);
    expression("a$\r\n", ends);
    expression("[a\r\n]*$", ends);
    expression("$", ends);
    expression("^a", "a", "\na", "ba");
    expression("b?^a", "a", "ba");
    expression("a|^b|c$", "a", "b", "c", "ab");
    expression("a|ab", "a", "ab", "b", "aab");
    expression("a*?", "", "aaa", "b");
    expression("a+?b??", "a", "aab", "b");
    expression("a*+a", "aaa", "a");
    expression("a++b", "aab", "aa");
    expression("a?+a", "a", "aa");
    expression("(?:a|ab)+c", "abac", "aabc", "ab");
    expression("(a|b)*+b", "ab", "a");
    expression("(|a)+b", "b", "aab", "a");
    expression("()*a", "a", "");
    expression("(a*)*b", "b", "aab", "aa");
    expression("(a|)", "", "a", "aa");
    expression("a||b", "", "a", "b", "ab");
    expression("|", "", "|");
    expression("((a)(?:b)(c|(d)))", "abc", "abd", "ab");
    expression("a{2}", "a", "aa", "aaa", "a{2}");
    expression("a{2,}", "a", "aa", "aaa");
    expression("a{1,2}?", "", "a", "aa", "aaa");
    expression("a{1,2}+a", "aa", "aaa");
    expression("a{0}b{0,0}c{00}", "", "a");
    expression("(?:a|ab){2}+", "aba", "aa", "aab");
    expression("(a|ab){2,3}+c?", "abac", "aac", "aaac");
    expression("(?:(a|ab)c){2}+", "acabc", "abcabc");
    expression("(?:a|ab)*+c", "abc", "aac");
    expression("[ab]{2}c", "abc", "ac");
    expression("[]a]+", "]a", "b", "");
    expression("[^]a]+", "bc", "]", "a");
    expression("[a^]", "a", "^", "b");
    expression("[^^]", "^", "a");
    expression("[-a]", "-", "a", "b");
    expression("[a-]", "-", "a", "b");
    expression("[a-c-e]", "b", "-", "d", "e");
    expression("[\\d-z]", "5", "-", "z", "x");
    expression("[--/]", "-", ".", "/", "a");
    expression("[+--]", "+", ",", "-", "a");
    expression("[a-\\Qc\\E]", "b", "-", "d");
    expression("[\\Q^a-c]\\E]", "^", "-", "]", "b", "\\", "c");
    expression("[\\Q^\\Ea]", "^", "a", "b");
    expression("[a\\]b]", "]", "\\", "a");
    expression("[\\[\\]]", "[", "]", "\\");
    expression("[!-\\]]", "A", "]", "^");
    expression("[a&b]", "a", "&", "b", "c");
    expression("[.*+?(){}|$^]", ".", "$", "^", "a");
    expression("[:alpha:]", "a", ":", "b", "alpha");
    expression("[é-ñ𝄞]", "ê", "𝄞", "e");
    expression("[#\n ]", "#", "\n", " ", "a");
    expression("[\u0000-\u001f]", "\u0000", "\n", " ");
    expression("\u0000", "\u0000", "0");
    for (String malformed : new String[] {"a**", "a*{", "*", "+a", "?", "(*a)", "a|*", "{", "a{", "a{}", "a{,3}", "a{1", "a{1,",
        "a{1,2", "a{2,1}", "a{x}", "a{1x}", "(", "(a", "a)", ")", "(?", "(?a)", "[", "[]", "[^", "[^]", "[a", "[a-", "[z-a]",
        "[a--]", "[a-\\d]", "\\", "a\\", "\\E", "\\Qa\\E\\E", "\\y", "\\C", "\\L", "\\K", "\\g", "\\N", "\\o", "[\\b", "(?R)",
        "(?1)", "(?C)", "(?C1)", "(?P<n>a)", "(?P=n)", "(?&n)", "(?|a)", "(?#a)", "(*FAIL)", "(*ACCEPT)", "(*UTF)",
        "(*LIMIT_MATCH=1)", "(*COMMIT)", "(?(1)a|b)", "(?'n'a)", "(?+1)", "(?-1)", "\\k<n>", "\\k{n}"})
      expression(malformed);
  }

  static void certificates(String[] files) throws Exception {
    String[] bits = {"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
        "cRLSign", "encipherOnly", "decipherOnly"};
    for (String file : files) {
      X509Certificate certificate = (X509Certificate) CertificateFactory.getInstance("X.509")
          .generateCertificate(new FileInputStream(file + ".pem"));
      System.out.println("Certificate = " + file);
      System.out.println("Subject = " + certificate.getSubjectX500Principal().getName());
      System.out.println("Issuer = " + certificate.getIssuerX500Principal().getName());
      System.out.println("SerialNumber = " + certificate.getSerialNumber());
      System.out.println("NotBefore = " + certificate.getNotBefore().getTime() / 1000);
      List<String> usage = new ArrayList<>();
      boolean[] set = certificate.getKeyUsage();
      for (int i = 0; set != null && i < bits.length; i++) if (i < set.length && set[i]) usage.add(bits[i]);
      System.out.println("KeyUsage = " + (set == null ? "absent" : String.join(" ", usage)));
      List<String> purposes = certificate.getExtendedKeyUsage();
      System.out.println("ExtendedKeyUsage = " + (purposes == null ? "absent" : String.join(" ", purposes)));
      List<String> emails = new ArrayList<>();
      if (certificate.getSubjectAlternativeNames() != null)
        for (List<?> name : certificate.getSubjectAlternativeNames()) if (name.get(0).equals(1)) emails.add((String) name.get(1));
      System.out.println("AlternativeEmails = " + String.join(" ", emails) + "\n");
    }
  }

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "names" -> names();
      case "utf8" -> utf8();
      case "expressions" -> expressions();
      default -> certificates(Arrays.copyOfRange(arguments, 1, arguments.length));
    }
  }
}
