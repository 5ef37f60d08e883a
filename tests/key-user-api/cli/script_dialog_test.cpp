#include "key-user-api/dialog/script_dialog.h"

#include <doctest/doctest.h>

#include <sstream>

#include "key-user-api/dialog/pin_text.h"
#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::dialog;
using Consent = ScriptDialog::Consent;

namespace {

std::vector<SecureBytes> pins(std::initializer_list<std::string_view> texts) {
  std::vector<SecureBytes> out;
  for (const std::string_view text : texts) out.push_back(SecureBytes::copy_of(as_bytes(text)));
  return out;
}

keygen2::PinRequest request(std::uint8_t format = 0) { return {"signature PIN", {"My key"}, format, 4, 8, 3, 0, 0}; }

/// A user who answers as told and counts the questions.
struct AttendedUser final : AttendedDialog {
  bool consent(const keygen2::ConsentRequest& /*request*/) override { return ++questions, answer; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& /*request*/,
                                        const std::string& /*problem*/) override {
    ++questions;
    if (!pin) return std::nullopt;
    return SecureBytes::copy_of(as_bytes(*pin));
  }
  bool accept_many_keys(std::size_t /*count*/) override { return ++questions, answer; }
  bool disclose(const std::vector<std::string>& /*attributes*/) override { return ++questions, answer; }
  void alert(const std::string& sentence) override { told = sentence; }
  std::string failure() const override { return broken; }

  bool answer = true;
  std::string broken;
  std::string told;
  std::optional<std::string> pin = "9876";
  int questions = 0;
};

}  // namespace

TEST_CASE("ScriptDialog: PINs are handed out in order, one per request") {
  std::ostringstream progress;
  ScriptDialog dialog(Consent::given, pins({"1234", "567890"}), nullptr, progress);
  CHECK(dialog.unused_pins() == 2);
  CHECK(to_string(dialog.choose_pin(request(), "")->view()) == "1234");
  CHECK(dialog.unused_pins() == 1);
  CHECK(to_string(dialog.choose_pin(request(), "")->view()) == "567890");
  CHECK(dialog.failure().empty());
  CHECK(progress.str().find("1234") == std::string::npos);
}

TEST_CASE("ScriptDialog: a PIN that the policy refuses ends the session with the policy's sentence") {
  std::ostringstream progress;
  ScriptDialog dialog(Consent::given, pins({"1111", "2468"}), nullptr, progress);
  REQUIRE(dialog.choose_pin(request(), ""));
  CHECK_FALSE(dialog.choose_pin(request(), "two equal digits stand side by side"));
  CHECK(dialog.failure().find("two equal digits stand side by side") != std::string::npos);
  CHECK(dialog.failure().find("4 to 8 digits") != std::string::npos);
  CHECK(dialog.failure().find("1111") == std::string::npos);
}

TEST_CASE("ScriptDialog: running out of PINs cancels and says for which keys one is missing") {
  std::ostringstream progress;
  ScriptDialog none(Consent::given, {}, nullptr, progress);
  CHECK_FALSE(none.choose_pin(request(), ""));
  CHECK(none.failure() == "a signature PIN for My key is needed; --pin or --pin-file gives it");

  ScriptDialog one(Consent::given, pins({"1234"}), nullptr, progress);
  REQUIRE(one.choose_pin(request(), ""));
  CHECK_FALSE(one.choose_pin(request(), ""));
  CHECK(one.failure() == "one more PIN is needed than the 1 given: the signature PIN for My key");
}

TEST_CASE("ScriptDialog: consent needs --yes or a user who says so") {
  std::ostringstream progress;
  const keygen2::ConsentRequest who{"issuer.example", "manage", true};
  CHECK(ScriptDialog(Consent::given, {}, nullptr, progress).consent(who));
  CHECK(progress.str() == "Consent given: issuer.example may manage keys; this device is identified to it.\n");

  ScriptDialog nobody(Consent::ask, {}, nullptr, progress);
  CHECK_FALSE(nobody.consent(who));
  CHECK(nobody.failure().find("--yes") != std::string::npos);

  AttendedUser user;
  CHECK(ScriptDialog(Consent::ask, {}, &user, progress).consent(who));
  user.answer = false;
  ScriptDialog refused(Consent::ask, {}, &user, progress);
  CHECK_FALSE(refused.consent(who));
  CHECK(refused.failure() == "consent was refused");
  CHECK(user.questions == 2);
}

TEST_CASE("ScriptDialog: more keys than the limit are refused under --yes, and asked about otherwise") {
  std::ostringstream progress;
  AttendedUser user;
  ScriptDialog unattended(Consent::given, {}, &user, progress);
  CHECK_FALSE(unattended.accept_many_keys(21));
  CHECK(unattended.failure().find("21 keys") != std::string::npos);
  CHECK(user.questions == 0);
  CHECK(ScriptDialog(Consent::ask, {}, &user, progress).accept_many_keys(21));
  CHECK(user.questions == 1);
}

TEST_CASE("ScriptDialog: what consent given beforehand covers is told, and cannot control the terminal") {
  std::ostringstream progress;
  ScriptDialog dialog(Consent::given, {}, nullptr, progress);
  CHECK(dialog.consent({"issuer.example", "unlock", false, {"it unlocks key 7\n\x1b[2J"}}));
  CHECK(progress.str() ==
        "Consent given: issuer.example may unlock keys; this device is not identified to it.\n"
        "- it unlocks key 7??[2J\n");
}

TEST_CASE("ScriptDialog: what the user should know is told with the progress, and to whoever attends") {
  AttendedUser user;
  std::ostringstream progress;
  ScriptDialog(Consent::given, {}, &user, progress).alert("first\n");
  CHECK(user.told.empty());
  ScriptDialog(Consent::ask, {}, &user, progress).alert("second");
  CHECK(user.told == "second");
  CHECK(progress.str() == "Note: first?\nNote: second\n");
}

TEST_CASE("ScriptDialog: attributes are told with --disclose or by a user who says so, never by --yes alone") {
  const std::vector<std::string> attributes{"https://webpki.github.io/keygen2/clientattr#imei-number", "urn:x"};
  const auto told = [&](Consent consent, ScriptDialog::Disclosure disclosure, AttendedUser* user) {
    std::ostringstream progress;
    const bool agreed = ScriptDialog(consent, {}, user, progress, disclosure).disclose(attributes);
    return std::to_string(static_cast<int>(agreed)) + " " + progress.str();
  };
  using Disclosure = ScriptDialog::Disclosure;
  const std::string yes = "1 Told to the issuer: its IMEI number.\nTold to the issuer: urn:x.\n";
  const std::string no = "0 Not told to the issuer: its IMEI number.\nNot told to the issuer: urn:x.\n";
  AttendedUser user;
  CHECK(told(Consent::given, Disclosure::open, &user) == no + "--disclose tells it.\n");
  CHECK(told(Consent::ask, Disclosure::open, nullptr) == no + "--disclose tells it.\n");
  CHECK(told(Consent::given, Disclosure::agreed, &user) == yes);
  CHECK(told(Consent::ask, Disclosure::agreed, &user) == yes);
  CHECK(user.questions == 0);
  CHECK(told(Consent::ask, Disclosure::open, &user) == yes);
  user.answer = false;
  CHECK(told(Consent::ask, Disclosure::open, &user) == no);
  CHECK(user.questions == 2);
  user.broken = "the window is gone";
  CHECK(told(Consent::ask, Disclosure::open, &user) == "0 the window is gone\n" + no.substr(2));
}

TEST_CASE("ScriptDialog: a dialog that fails is the reason that is given") {
  std::ostringstream progress;
  AttendedUser user;
  user.answer = false;
  user.broken = "the window is gone";
  ScriptDialog asked(Consent::ask, {}, &user, progress);
  CHECK_FALSE(asked.consent({"issuer.example", "manage", true}));
  CHECK(asked.failure() == "the window is gone");
  ScriptDialog many(Consent::ask, {}, &user, progress);
  CHECK_FALSE(many.accept_many_keys(21));
  CHECK(many.failure() == "the window is gone");
  user.pin = std::nullopt;
  ScriptDialog pinless(Consent::ask, {}, &user, progress);
  CHECK_FALSE(pinless.choose_pin(request(), ""));
  CHECK(pinless.failure() == "the window is gone");
}

TEST_CASE("ScriptDialog: each key is named before it is made") {
  std::ostringstream progress;
  ScriptDialog(Consent::given, {}, nullptr, progress)
      .creating_key({2, 3, "My key\n", "https://webpki.github.io/sks/algorithm#rsa2048"});
  CHECK(progress.str() == "Creating key 2 of 3: My key? (rsa2048)\n");
}

TEST_CASE("ScriptDialog: without any PIN on the command line the user is asked") {
  std::ostringstream progress;
  AttendedUser user;
  ScriptDialog dialog(Consent::ask, {}, &user, progress);
  CHECK(to_string(dialog.choose_pin(request(), "")->view()) == "9876");
}

TEST_CASE("8.4 binary: an even number of hexadecimal digits of either case; capitals for alphanumeric, else as typed") {
  const auto converted = [](std::string_view text, std::uint8_t format) {
    const auto pin = pin_from_text(as_bytes(text), format);
    return pin ? to_hex(pin->view()) : std::string("refused");
  };
  CHECK(converted("1234", 0) == "31323334");
  CHECK(converted("aB3z", 1) == "4142335a");
  CHECK(converted("aB\xc3\xa4", 2) == "6142c3a4");
  CHECK(converted("00fF0102", 3) == "00ff0102");
  CHECK(converted("", 3).empty());
  CHECK(converted("00f", 3) == "refused");
  CHECK(converted("0g", 3) == "refused");
  CHECK(converted("0x00", 3) == "refused");
}

TEST_CASE("8.4 string: a new PIN is UTF-8; one that exists is taken as it is") {
  const std::string latin1 = "caf\xe9";
  CHECK(new_pin_from_text(as_bytes("caf\xc3\xa9"), 2));
  const auto refused = new_pin_from_text(as_bytes(latin1), 2);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail == "the PIN is not text in UTF-8");
  CHECK(pin_from_text(as_bytes(latin1), 2));
  std::ostringstream progress;
  ScriptDialog dialog(Consent::given, pins({latin1}), nullptr, progress);
  CHECK_FALSE(dialog.choose_pin(request(2), ""));
  CHECK(dialog.failure() == "the signature PIN for My key is refused: the PIN is not text in UTF-8");
}

TEST_CASE("ScriptDialog: a binary PIN that is not hexadecimal is refused with that sentence") {
  std::ostringstream progress;
  ScriptDialog dialog(Consent::given, pins({"xyz"}), nullptr, progress);
  CHECK_FALSE(dialog.choose_pin(request(3), ""));
  CHECK(dialog.failure().find("hexadecimal") != std::string::npos);
}

TEST_CASE("describe_policy: says everything that the policy checks") {
  CHECK(describe_policy({"PIN", {}, 0, 6, 6, 5, 0, 0}) == "6 digits; it is blocked after 5 wrong tries");
  const std::string all = describe_policy({"PIN", {}, 2, 4, 16, 3, 0x1f, 3});
  for (const char* const part :
       {"4 to 16 bytes of text", "no two equal characters in a row", "no three equal", "no sequence",
        "no character twice", "characters of every kind", "different from the PINs"}) {
    CAPTURE(part);
    CHECK(all.find(part) != std::string::npos);
  }
}

TEST_CASE("read_pin_file: one PIN per line, in order") {
  const test::TempDir dir;
  test::write_file(dir.file("pins"), "1234\n 56\r\n78");
  const auto read = read_pin_file(dir.file("pins"));
  REQUIRE(read);
  REQUIRE(read->size() == 3);
  CHECK(to_string((*read)[0].view()) == "1234");
  CHECK(to_string((*read)[1].view()) == " 56");
  CHECK(to_string((*read)[2].view()) == "78");
}

TEST_CASE("read_pin_file: refuses a file that is not one PIN per line") {
  const test::TempDir dir;
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("1234\n\n5678\n"), std::string(20000, '1')}) {
    test::write_file(dir.file("pins"), content);
    const auto read = read_pin_file(dir.file("pins"));
    REQUIRE_FALSE(read);
    CHECK(read.error().status == Status::option);
  }
  CHECK_FALSE(read_pin_file(dir.file("absent")));
  CHECK_FALSE(read_pin_file(dir.path()));
}

TEST_CASE("printable: nothing changes the order or the place in which text is shown") {
  for (const char* const hidden : {"\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xa8", "\xe2\x80\xaa",
                                   "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9", "\xef\xbb\xbf"}) {
    CAPTURE(hidden);
    CHECK(printable("a" + std::string(hidden) + "b") == "a?b");
  }
  // Their neighbours: U+061B, U+200D as in emoji, U+202F, U+2065 is unassigned, U+206A, U+FEFE.
  for (const char* const shown : {"\xd8\x9b", "\xe2\x80\x8d", "\xe2\x80\xaf", "\xe2\x81\xaa", "\xef\xbb\xbe"})
    CHECK(printable(shown) == shown);
}

TEST_CASE("printable: bytes that are not UTF-8 are not passed on, what stands around them is") {
  for (const char* const broken : {"\x9b", "\xff", "\xc3", "\xc0\x80", "\xe2\x80", "\xed\xa0\x80"}) {
    CAPTURE(broken);
    const std::string shown = printable("a" + std::string(broken) + "b");
    CHECK(shown == "a" + std::string(std::string(broken).size(), '?') + "b");
  }
  CHECK(printable("\xf0\x9f\x94\x91") == "\xf0\x9f\x94\x91");
  CHECK(printable("\xf0\x9f\x94") == "???");
}

TEST_CASE("shorten: cuts between characters") {
  CHECK(shorten("12345", 5) == "12345");
  CHECK(shorten("123456", 5) == "12...");
  CHECK(shorten("1\xe2\x82\xac"
                "6",
                5) ==
        "1\xe2\x82\xac"
        "6");
  CHECK(shorten("1\xe2\x82\xac"
                "67",
                5) == "1...");
}

TEST_CASE("printable: no control character reaches a terminal") {
  CHECK(printable("Jo \xc3\xa4\xe2\x82\xac") == "Jo \xc3\xa4\xe2\x82\xac");
  CHECK(printable("a\x1b[2Jb\r\n\x7f") == "a?[2Jb???");
  CHECK(printable("a\xc2\x9b"
                  "2J") == "a?2J");
}
