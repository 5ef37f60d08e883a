#include <doctest/doctest.h>

#include <set>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "tests/key-user-api/token/lab.h"

/// Tokens, PINs and logins. Spec: spec/sksd.md 5.
namespace sks::test {
namespace {

constexpr std::uint8_t kSo = 0;
constexpr std::uint8_t kUser = 1;
constexpr std::uint8_t kTrustedGui = 2;

struct PinLab : Lab {
  PinLab() {
    key = provision({{"ec"}, {"second"}}, WantedPin{kPin, kPuk}).front();
    open = provision({{"open"}}).front();
    open_service();
    slot = slot_of(key);
  }
  KeyHandle key;
  KeyHandle open;
  std::uint32_t slot = 0;
};

bool sees_private_key(Client& client, std::uint32_t slot, KeyHandle key) {
  return client.call(request(171).u32(slot).u64(object_of(key, 1)).u16(0).view()).ok();
}

}  // namespace

TEST_CASE("tokens: a PIN group is a token, and one more has the keys without PIN") {
  Lab lab;
  const KeyHandle one = lab.provision({{"a"}, {"b"}}, WantedPin{Lab::kPin, Lab::kPuk}).front();
  const KeyHandle two = lab.provision({{"c"}}, WantedPin{"567890"}, "https://main.example.com/sks").front();
  const KeyHandle odd =
      lab.provision({{"d"}}, WantedPin{"567890"}, "https://a-very-long-host-name.of-an-issuer.example.com/").front();
  lab.provision({{"open"}});
  lab.open_service();
  Client client(*lab.service);
  const std::vector<TokenInfo> tokens = list_tokens(client);
  REQUIRE(tokens.size() == 4);
  CHECK(tokens[0].slot == 0);
  CHECK(!tokens[0].has_pin);
  CHECK(!tokens[0].has_puk);
  CHECK(tokens[0].label == "OpenSKS keys without PIN");

  const TokenInfo first = token_of(client, lab.slot_of(one));
  CHECK(first.has_pin);
  CHECK(first.has_puk);
  CHECK(first.issuer == "main.example.com");
  CHECK(first.min_length == 4);
  CHECK(first.max_length == 8);
  CHECK(first.format == 0);
  CHECK(first.is_modifiable);
  CHECK(!first.is_protected);
  CHECK(first.pin_state == 0);
  CHECK(first.puk_state == 0);
  CHECK(!token_of(client, lab.slot_of(two)).has_puk);
  CHECK(token_of(client, lab.slot_of(odd)).issuer == "a-very-long-host-name.of-an-issuer.example.com");

  // The device is that of the certificate; the rest of the serial is the slot.
  const Bytes device = crypto::digest(HashId::sha256, lab.device.identity.certificate_path().front());
  std::set<std::string> labels;
  for (const TokenInfo& token : tokens) {
    CHECK(token.label.size() <= 32);
    CHECK(labels.insert(token.label).second);
    const Bytes slot{static_cast<std::uint8_t>(token.slot >> 24), static_cast<std::uint8_t>(token.slot >> 16),
                     static_cast<std::uint8_t>(token.slot >> 8), static_cast<std::uint8_t>(token.slot)};
    CHECK(token.serial == to_hex(ByteView(device).first(4)) + to_hex(slot));
  }
}

TEST_CASE("tokens: an empty store has the slot without PIN") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  CHECK(list_tokens(client).size() == 1);
}

TEST_CASE("tokens: mechanisms are those of the operations, and a slot that is none has none") {
  PinLab lab;
  Client client(*lab.service);
  const Answer answer = client.call(request(162).u32(lab.slot).view());
  REQUIRE(answer.ok());
  ByteReader in(answer.body);
  CHECK(in.u16() == 2);
  CHECK(in.u64() == CKM_ECDSA);
  CHECK(in.u64() == 256);
  CHECK(in.u64() == 521);
  CHECK(in.u64() == CKF_SIGN);
  CHECK(client.call(request(162).u32(lab.slot + 100).view()).rv == CKR_SLOT_ID_INVALID);
}

TEST_CASE("login: who has shown the PIN sees the private keys until logout, and nobody else does") {
  PinLab lab;
  Client client(*lab.service);
  Client other(*lab.service);
  CHECK(!sees_private_key(client, lab.slot, lab.key));
  CHECK(client.login(lab.slot, Lab::kPin) == CKR_OK);
  CHECK(token_of(client, lab.slot).logged_in == 1);
  CHECK(token_of(other, lab.slot).logged_in == 0);
  CHECK(sees_private_key(client, lab.slot, lab.key));
  CHECK(!sees_private_key(other, lab.slot, lab.key));
  CHECK(client.login(lab.slot, Lab::kPin) == CKR_USER_ALREADY_LOGGED_IN);
  CHECK(client.login(lab.slot, Lab::kPuk, kSo) == CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
  CHECK(client.logout(lab.slot) == CKR_OK);
  CHECK(client.logout(lab.slot) == CKR_USER_NOT_LOGGED_IN);
  CHECK(!sees_private_key(client, lab.slot, lab.key));
}

TEST_CASE("login: refusals") {
  PinLab lab;
  Client client(*lab.service);
  CHECK(client.login(lab.slot + 100, Lab::kPin) == CKR_SLOT_ID_INVALID);
  CHECK(client.logout(lab.slot + 100) == CKR_SLOT_ID_INVALID);
  CHECK(client.login(0, Lab::kPin) == CKR_USER_PIN_NOT_INITIALIZED);
  CHECK(client.login(lab.slot, Lab::kPin, 2) == CKR_USER_TYPE_INVALID);
  CHECK(client.login(lab.slot, Lab::kPin, kUser, true) == CKR_ARGUMENTS_BAD);
  CHECK(lab.dialog.questions.empty());
  // None of these lengths is possible, so they cost no attempt.
  CHECK(client.login(lab.slot, "") == CKR_PIN_LEN_RANGE);
  CHECK(client.login(lab.slot, "123") == CKR_PIN_LEN_RANGE);
  CHECK(client.login(lab.slot, "123456789") == CKR_PIN_LEN_RANGE);
  CHECK(pin_errors(*lab.device.engine, lab.key) == 0);
  CHECK(client.login(lab.slot, "4321") == CKR_PIN_INCORRECT);
  CHECK(pin_errors(*lab.device.engine, lab.key) == 1);
}

TEST_CASE("login: wrong attempts show in the state of the PIN, and three of them lock it") {
  PinLab lab;
  Client client(*lab.service);
  CHECK(client.login(lab.slot, "0000") == CKR_PIN_INCORRECT);
  CHECK(token_of(client, lab.slot).pin_state == 1);
  CHECK(client.login(lab.slot, "0000") == CKR_PIN_INCORRECT);
  CHECK(token_of(client, lab.slot).pin_state == 3);
  CHECK(client.login(lab.slot, "0000") == CKR_PIN_LOCKED);
  CHECK(token_of(client, lab.slot).pin_state == 5);
  CHECK(client.login(lab.slot, Lab::kPin) == CKR_PIN_LOCKED);
  CHECK(token_of(client, lab.slot).puk_state == 0);
}

TEST_CASE("login as SO: the PUK unlocks the PIN, and lets a new one be set") {
  PinLab lab;
  Client client(*lab.service);
  for (int i = 0; i < 3; ++i) client.login(lab.slot, "0000");
  CHECK(client.init_pin(lab.slot, "7777") == CKR_USER_NOT_LOGGED_IN);
  CHECK(client.login(lab.slot, "00000", kSo) == CKR_PIN_INCORRECT);
  CHECK(token_of(client, lab.slot).puk_state == 1);
  CHECK(client.login(lab.slot, Lab::kPuk, kSo) == CKR_OK);
  CHECK(token_of(client, lab.slot).logged_in == 2);
  CHECK(token_of(client, lab.slot).pin_state == 0);
  CHECK(token_of(client, lab.slot).puk_state == 0);
  CHECK(!sees_private_key(client, lab.slot, lab.key));
  CHECK(client.login(lab.slot, Lab::kPin) == CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
  CHECK(client.login(lab.slot, Lab::kPuk, kSo) == CKR_USER_ALREADY_LOGGED_IN);
  CHECK(client.change_pin(lab.slot, Lab::kPuk, "11111") == CKR_FUNCTION_REJECTED);

  CHECK(client.init_pin(lab.slot, "777") == CKR_PIN_LEN_RANGE);
  CHECK(client.init_pin(lab.slot, "777777777") == CKR_PIN_LEN_RANGE);
  CHECK(client.init_pin(lab.slot, "77ab") == CKR_PIN_INVALID);
  CHECK(client.init_pin(lab.slot, "7777") == CKR_OK);
  CHECK(client.logout(lab.slot) == CKR_OK);
  CHECK(client.login(lab.slot, Lab::kPin) == CKR_PIN_INCORRECT);
  CHECK(client.login(lab.slot, "7777") == CKR_OK);
}

TEST_CASE("login as SO: a token without PUK has none, and a locked PUK stays locked") {
  Lab lab;
  const KeyHandle without = lab.provision({{"ec"}}, WantedPin{Lab::kPin}).front();
  const KeyHandle with = lab.provision({{"ec"}}, WantedPin{Lab::kPin, Lab::kPuk}).front();
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.login(lab.slot_of(without), Lab::kPuk, kSo) == CKR_USER_TYPE_INVALID);
  for (int i = 0; i < 2; ++i) CHECK(client.login(lab.slot_of(with), "00000", kSo) == CKR_PIN_INCORRECT);
  CHECK(token_of(client, lab.slot_of(with)).puk_state == 3);
  CHECK(client.login(lab.slot_of(with), "00000", kSo) == CKR_PIN_LOCKED);
  CHECK(token_of(client, lab.slot_of(with)).puk_state == 5);
  CHECK(client.login(lab.slot_of(with), Lab::kPuk, kSo) == CKR_PIN_LOCKED);
}

TEST_CASE("changePin: the new PIN holds, for this application without another login") {
  PinLab lab;
  Client client(*lab.service);
  Client other(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  REQUIRE(other.login(lab.slot, Lab::kPin) == CKR_OK);
  CHECK(client.change_pin(lab.slot, "0000", "7777") == CKR_PIN_INCORRECT);
  CHECK(client.change_pin(lab.slot, "00000000000", "7777") == CKR_PIN_LEN_RANGE);
  CHECK(client.change_pin(lab.slot, Lab::kPin, "77") == CKR_PIN_LEN_RANGE);
  CHECK(client.change_pin(lab.slot, Lab::kPin, "abcd") == CKR_PIN_INVALID);
  CHECK(client.change_pin(0, Lab::kPin, "7777") == CKR_USER_PIN_NOT_INITIALIZED);
  CHECK(client.change_pin(lab.slot + 100, Lab::kPin, "7777") == CKR_SLOT_ID_INVALID);
  CHECK(client.change_pin(lab.slot, Lab::kPin, "7777", true) == CKR_ARGUMENTS_BAD);
  CHECK(client.change_pin(lab.slot, Lab::kPin, "7777") == CKR_OK);
  CHECK(lab.device.engine->verify_pin(lab.key, secret("7777")));
  CHECK(equal(client.application().pin_of(lab.slot, token::LoggedIn::user).value().view(), as_bytes("7777")));
  // The old PIN of the others would only use up attempts.
  CHECK(token_of(other, lab.slot).logged_in == 0);
  CHECK(!sees_private_key(other, lab.slot, lab.key));
}

TEST_CASE("pinChanged: a PIN that others have changed ends the logins with it, and costs no attempt") {
  PinLab lab;
  Client client(*lab.service);
  Client other(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  REQUIRE(other.login(lab.slot, Lab::kPuk, kSo) == CKR_OK);
  REQUIRE(lab.device.engine->change_pin(lab.key, secret(Lab::kPin), secret("7777")));
  lab.service->pin_changed(lab.key);
  CHECK(token_of(client, lab.slot).logged_in == 0);
  CHECK(token_of(other, lab.slot).logged_in == 2);
  CHECK(!sees_private_key(client, lab.slot, lab.key));
  CHECK(pin_errors(*lab.device.engine, lab.key) == 0);
  lab.service->pin_changed(KeyHandle{4711});
  CHECK(client.login(lab.slot, "7777") == CKR_OK);
}

TEST_CASE("changePin: needs no login, and nobody can change a PIN that the issuer has fixed") {
  Lab lab;
  const KeyHandle fixed = lab.provision({{"ec"}}, WantedPin{Lab::kPin, Lab::kPuk, 3, false}).front();
  const KeyHandle free = lab.provision({{"ec"}}, WantedPin{Lab::kPin}).front();
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.change_pin(lab.slot_of(free), Lab::kPin, "7777") == CKR_OK);
  CHECK(client.change_pin(lab.slot_of(fixed), Lab::kPin, "7777") == CKR_FUNCTION_REJECTED);
  CHECK(!token_of(client, lab.slot_of(fixed)).is_modifiable);
  REQUIRE(client.login(lab.slot_of(fixed), Lab::kPuk, kSo) == CKR_OK);
  CHECK(client.init_pin(lab.slot_of(fixed), "7777") == CKR_FUNCTION_REJECTED);
}

TEST_CASE("ask: a dialog asks until the PIN is right, and says which program wants it for which token") {
  PinLab lab;
  Client client(*lab.service);
  lab.dialog.answers = {"0000", "12", Lab::kPin};
  CHECK(client.login(lab.slot, "", kUser, true) == CKR_OK);
  REQUIRE(lab.dialog.questions.size() == 3);
  const auto& first = lab.dialog.questions.front();
  CHECK(first.what == "PIN");
  CHECK(first.problem.empty());
  CHECK(first.program.executable == "/usr/bin/test");
  CHECK(first.token_label == token_of(client, lab.slot).label);
  CHECK(lab.dialog.questions[1].problem == "wrong PIN, attempts left: 2");
  CHECK(!lab.dialog.questions[2].problem.empty());
}

TEST_CASE("ask: the user can have enough, and a locked PIN is not asked for") {
  PinLab lab;
  Client client(*lab.service);
  CHECK(client.login(lab.slot, "", kUser, true) == CKR_FUNCTION_CANCELED);
  lab.dialog.answers = {"0000", "0000", "0000", "0000"};
  CHECK(client.login(lab.slot, "", kUser, true) == CKR_PIN_LOCKED);
  CHECK(lab.dialog.answers.size() == 1);
  CHECK(client.login(lab.slot, "", kUser, true) == CKR_PIN_LOCKED);
  CHECK(lab.dialog.answers.size() == 1);
}

TEST_CASE("ask: a new PIN is asked for until the policy takes it") {
  PinLab lab;
  Client client(*lab.service);
  lab.dialog.answers = {Lab::kPin, "7", "77ab", "7777"};
  CHECK(client.change_pin(lab.slot, "", "", true) == CKR_OK);
  std::vector<std::string> asked;
  for (const auto& question : lab.dialog.questions) asked.push_back(question.what);
  CHECK(asked == std::vector<std::string>{"PIN", "new PIN", "new PIN", "new PIN"});
  CHECK(lab.dialog.questions[2].problem == "the PIN is too short");
  CHECK(lab.device.engine->verify_pin(lab.key, secret("7777")));

  lab.dialog.answers = {Lab::kPuk, "8888"};
  CHECK(client.login(lab.slot, "", kSo, true) == CKR_OK);
  CHECK(client.init_pin(lab.slot, "", true) == CKR_OK);
  CHECK(lab.device.engine->verify_pin(lab.key, secret("8888")));
}

TEST_CASE("protectedPath: a PIN for trusted dialogs does not go through an application, and costs no attempt") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"each time"}, {"cached", "ec.nist.p256", {}, 3, 0, true}},
                                                    WantedPin{Lab::kPin, Lab::kPuk, 3, true, kTrustedGui});
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(keys[0]);
  Client client(*lab.service);
  CHECK(token_of(client, slot).is_protected);
  CHECK(client.login(slot, Lab::kPin) == CKR_FUNCTION_REJECTED);
  CHECK(client.change_pin(slot, Lab::kPin, "7777") == CKR_FUNCTION_REJECTED);
  CHECK(pin_errors(*lab.device.engine, keys[0]) == 0);
  lab.dialog.answers = {Lab::kPin};
  CHECK(client.login(slot, "", kUser, true) == CKR_OK);
  CHECK(client.yes(slot, object_of(keys[0], 1), CKA_ALWAYS_AUTHENTICATE));
  CHECK(!client.yes(slot, object_of(keys[1], 1), CKA_ALWAYS_AUTHENTICATE));
}

TEST_CASE("loginForOperation: a ticket is good for one operation with its key within a minute") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"one"}, {"two"}, {"cached", "ec.nist.p256", {}, 3, 0, true}},
                                                    WantedPin{Lab::kPin, "", 3, true, kTrustedGui});
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(keys[0]);
  Client client(*lab.service);
  const auto ask = [&](KeyHandle key, std::string_view pin, bool with_dialog) {
    return client.call(request(164).u32(slot).u64(object_of(key, 1)).boolean(with_dialog).text(pin).view());
  };
  lab.dialog.answers = {Lab::kPin};
  CHECK(ask(keys[0], "", true).rv == CKR_OBJECT_HANDLE_INVALID);  // nobody is logged in
  REQUIRE(client.login(slot, "", kUser, true) == CKR_OK);
  CHECK(ask(keys[0], Lab::kPin, false).rv == CKR_FUNCTION_REJECTED);
  CHECK(ask(keys[2], "", true).rv == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(ask(keys[0], "", true).rv == CKR_FUNCTION_CANCELED);

  const auto ticket_for = [&](KeyHandle key) {
    lab.dialog.answers = {Lab::kPin};
    const Answer answer = ask(key, "", true);
    REQUIRE(answer.ok());
    return ByteReader(answer.body).u32();
  };
  token::Application& application = client.application();
  const std::int64_t now = lab.device.clock.now();
  const std::uint32_t first = ticket_for(keys[0]);
  CHECK(first != 0);
  CHECK(!application.take_ticket(first, object_of(keys[1], 1), now));
  CHECK(!application.take_ticket(first, object_of(keys[0], 1), now));  // that has spent it
  const std::uint32_t second = ticket_for(keys[0]);
  CHECK(!application.take_ticket(second, object_of(keys[0], 1), now + 61));
  const std::uint32_t third = ticket_for(keys[0]);
  CHECK(application.take_ticket(third, object_of(keys[0], 1), now + 60));
  CHECK(!application.take_ticket(third, object_of(keys[0], 1), now + 60));
  const std::uint32_t fourth = ticket_for(keys[0]);
  REQUIRE(client.logout(slot) == CKR_OK);
  CHECK(!application.take_ticket(fourth, object_of(keys[0], 1), now));
  Client other(*lab.service);
  CHECK(!other.application().take_ticket(1, object_of(keys[0], 1), now));
}

TEST_CASE("login: PINs are what is typed, as the format says") {
  Lab lab;
  const KeyHandle letters = lab.provision({{"a"}}, WantedPin{"AB12CD", "", 3, true, 0, 1}).front();
  const KeyHandle binary =
      lab.provision({{"b"}}, WantedPin{std::string("\x00\xff\x10\xfe", 4), "", 3, true, 0, 3}).front();
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.login(lab.slot_of(letters), "ab12cd") == CKR_OK);
  CHECK(client.login(lab.slot_of(binary), "00ff10f") == CKR_PIN_INCORRECT);
  CHECK(pin_errors(*lab.device.engine, binary) == 0);
  CHECK(client.login(lab.slot_of(binary), "00FF10fe") == CKR_OK);
  CHECK(client.change_pin(lab.slot_of(binary), "00ff10fe", "0102030405") == CKR_OK);
  CHECK(lab.device.engine->verify_pin(binary, secret(std::string("\1\2\3\4\5", 5))));
}

TEST_CASE("login: a suspended key does not keep its siblings from being used") {
  PinLab lab;
  ActivationRequest suspension;
  suspension.target = lab.key;
  suspension.authorization = secret(Lab::kPin);
  REQUIRE(lab.device.engine->deactivate(suspension));
  Client client(*lab.service);
  CHECK(client.login(lab.slot, "0000") == CKR_PIN_INCORRECT);
  CHECK(client.login(lab.slot, Lab::kPin) == CKR_OK);
}

}  // namespace sks::test
