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
struct AttendedUser final : keygen2::UserDialog {
  bool consent(const keygen2::ConsentRequest& /*request*/) override { return ++questions, answer; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& /*request*/,
                                        const std::string& /*problem*/) override {
    ++questions;
    return SecureBytes::copy_of(as_bytes("9876"));
  }
  bool accept_many_keys(std::size_t /*count*/) override { return ++questions, answer; }

  bool answer = true;
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

TEST_CASE("ScriptDialog: without any PIN on the command line the user is asked") {
  std::ostringstream progress;
  AttendedUser user;
  ScriptDialog dialog(Consent::ask, {}, &user, progress);
  CHECK(to_string(dialog.choose_pin(request(), "")->view()) == "9876");
}

TEST_CASE("pin_from_text: hexadecimal for binary, upper case for alphanumeric, as it is otherwise") {
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

TEST_CASE("printable: no control character reaches a terminal") {
  CHECK(printable("Jo \xc3\xa4\xe2\x82\xac") == "Jo \xc3\xa4\xe2\x82\xac");
  CHECK(printable("a\x1b[2Jb\r\n\x7f") == "a?[2Jb???");
  CHECK(printable("a\xc2\x9b"
                  "2J") == "a?2J");
}
