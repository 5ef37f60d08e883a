import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;

/** A Java program that uses the keys of a token: java TokenUser.java tls|sign|decrypt CONFIGURATION PIN [...]. */
public class TokenUser {
    public static void main(String[] arguments) throws Exception {
        Provider provider = Security.getProvider("SunPKCS11").configure(arguments[1]);
        Security.addProvider(provider);
        char[] pin = arguments[2].toCharArray();
        KeyStore token = KeyStore.getInstance("PKCS11", provider);
        token.load(null, pin);
        switch (arguments[0]) {
            case "tls" -> connect(token, arguments[3], Integer.parseInt(arguments[4]), arguments[5], arguments[6]);
            case "sign" -> sign(token);
            case "decrypt" -> decrypt(token);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void connect(KeyStore token, String authority, int port, String alias, String version) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null);
        try (InputStream in = new FileInputStream(authority)) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(new KeyManager[] {new OneKey(token, alias)}, trust.getTrustManagers(), null);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket("localhost", port)) {
            socket.setEnabledProtocols(new String[] {version});
            socket.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            System.out.write(socket.getInputStream().readAllBytes());
            System.out.flush();
        }
    }

    private static void sign(KeyStore token) throws Exception {
        byte[] data = "to be signed".getBytes(StandardCharsets.US_ASCII);
        String[][] cases = {{"ecuser", "SHA256withECDSA"}, {"ecuser", "SHA384withECDSA"}, {"rsauser", "SHA256withRSA"}, {"rsauser", "SHA512withRSA"}};
        for (String[] one : cases) {
            Signature signer = Signature.getInstance(one[1]);
            signer.initSign((PrivateKey) token.getKey(one[0], null));
            signer.update(data);
            byte[] signature = signer.sign();
            // Not the provider of the token: another one must think so too.
            Signature verifier = Signature.getInstance(one[1], one[0].equals("ecuser") ? "SunEC" : "SunRsaSign");
            verifier.initVerify(token.getCertificate(one[0]));
            verifier.update(data);
            if (!verifier.verify(signature)) throw new IllegalStateException(one[1] + " does not verify");
        }
        System.out.println("all signatures verified");
    }

    private static void decrypt(KeyStore token) throws Exception {
        byte[] data = "a secret".getBytes(StandardCharsets.US_ASCII);
        Cipher encryption = Cipher.getInstance("RSA/ECB/PKCS1Padding", "SunJCE");
        encryption.init(Cipher.ENCRYPT_MODE, token.getCertificate("rsauser").getPublicKey());
        byte[] encrypted = encryption.doFinal(data);
        Cipher decryption = Cipher.getInstance("RSA/ECB/PKCS1Padding");
        decryption.init(Cipher.DECRYPT_MODE, (PrivateKey) token.getKey("rsauser", null));
        if (!Arrays.equals(decryption.doFinal(encrypted), data)) throw new IllegalStateException("another text");
        System.out.println("decrypted by " + decryption.getProvider().getName());
    }

    /** Presents the key with one alias, whatever else the token has. */
    private static final class OneKey extends X509ExtendedKeyManager {
        private final KeyStore token;
        private final String alias;

        OneKey(KeyStore token, String alias) {
            this.token = token;
            this.alias = alias;
        }

        @Override
        public String chooseClientAlias(String[] types, java.security.Principal[] issuers, java.net.Socket socket) {
            return alias;
        }

        @Override
        public String chooseServerAlias(String type, java.security.Principal[] issuers, java.net.Socket socket) {
            return null;
        }

        @Override
        public String[] getClientAliases(String type, java.security.Principal[] issuers) {
            return new String[] {alias};
        }

        @Override
        public String[] getServerAliases(String type, java.security.Principal[] issuers) {
            return null;
        }

        @Override
        public java.security.cert.X509Certificate[] getCertificateChain(String name) {
            try {
                return Arrays.stream(token.getCertificateChain(name))
                    .map(java.security.cert.X509Certificate.class::cast)
                    .toArray(java.security.cert.X509Certificate[]::new);
            } catch (java.security.KeyStoreException problem) {
                throw new IllegalStateException(problem);
            }
        }

        @Override
        public PrivateKey getPrivateKey(String name) {
            try {
                return (PrivateKey) token.getKey(name, null);
            } catch (java.security.GeneralSecurityException problem) {
                throw new IllegalStateException(problem);
            }
        }
    }
}
