#include "key-user-api/ssh_agent/agent.h"

#include <doctest/doctest.h>

#include "key-user-api/key_files/ssh_keys.h"
#include "tests/key-user-api/ssh_agent/host.h"
#include "tests/sks-core/engine/device.h"

/// Requests and answers as draft-ietf-sshm-ssh-agent has them.
namespace sks::test {
namespace {

const std::string kEd25519 = kSks + "ed25519";

/// Keys in memory, which count what is done with them.
class KeysInMemory final : public ssh::AgentKeys {
 public:
  Result<std::vector<ssh::Identity>> identities() override { return listed; }
  Result<ssh::Identity> find(ByteView key_blob) override {
    if (!equal(key_blob, blob)) return Error{Status::no_key, "no such key"};
    return ssh::Identity{blob, "my key", KeyHandle{5}};
  }
  Result<Bytes> sign(const ssh::Requester& requester, ByteView, const ssh::Scheme&, ByteView data) override {
    ++signatures;
    last = requester;
    if (failure) return *failure;
    return ssh_signature(key, data);
  }
  void forget_pins() override { ++forgotten; }

  crypto::PrivateKey key = generate_key(kEd25519);
  Bytes blob = ssh_blob(key);
  std::vector<ssh::Identity> listed{{blob, "my key", KeyHandle{5}}};
  std::optional<Error> failure;
  ssh::Requester last;
  int signatures = 0;
  int forgotten = 0;
};

class Consent final : public token::TrustedDialog {
 public:
  std::optional<SecureBytes> ask(const Question&) override { return std::nullopt; }
  bool confirm(const Question& question) override {
    ++asked;
    last = question;
    return agrees;
  }
  bool agrees = true;
  Question last;
  int asked = 0;
};

struct Lab {
  explicit Lab(ssh::Confirm confirm = ssh::Confirm::never)
      : agent({keys, consent, system_random(), [](std::chrono::milliseconds) {},
               [this](const ssh::AgentUse& use) { uses.push_back(use); }},
              {confirm}) {}

  ssh::AgentConnection connect() { return {agent, {"/usr/bin/ssh", 7}}; }
  bool verifies(ByteView reply, ByteView data) const {
    ByteReader in(reply);
    const bool is_answer = in.u8() == kSignResponse;
    const ByteView signature = in.blob();
    return is_answer && in.finish() && ssh::verify_host_signature(keys.blob, data, signature);
  }
  Bytes login(const Host& host) const { return login_data(host.session_id, "jo", "ssh-ed25519", keys.blob, &host); }

  KeysInMemory keys;
  Consent consent;
  std::vector<ssh::AgentUse> uses;
  ssh::Agent agent;
};

bool fails(ssh::AgentConnection& connection, const Bytes& message) {
  const ssh::Reply reply = connection.answer(message);
  return reply.message == Bytes{kAgentFailure} && !reply.close;
}
bool fails_and_closes(ssh::AgentConnection& connection, const Bytes& message) {
  const ssh::Reply reply = connection.answer(message);
  return reply.message == Bytes{kAgentFailure} && reply.close;
}
bool succeeds(ssh::AgentConnection& connection, const Bytes& message) {
  const ssh::Reply reply = connection.answer(message);
  return reply.message == Bytes{kAgentSuccess} && !reply.close;
}

TEST_CASE("agent: lists its keys") {
  Lab lab;
  ssh::AgentConnection connection = lab.connect();
  const auto list = [&] { return connection.answer(list_message()).message; };
  CHECK(list() == ByteWriter().u8(12).u32(1).blob(lab.keys.blob).blob(as_bytes("my key")).take());
  lab.keys.listed.clear();
  CHECK(list() == Bytes{12, 0, 0, 0, 0});
}

TEST_CASE("agent: lists what fits into an answer") {
  Lab lab;
  ssh::AgentConnection connection = lab.connect();
  lab.keys.listed.assign(5000, {Bytes(1), "", {}});
  CHECK(connection.answer(list_message()).message.size() == 1 + 4 + 2048 * 9);
  lab.keys.listed.assign(2048, {Bytes(279), std::string(100, 'x'), {}});
  const Bytes answer = connection.answer(list_message()).message;
  CHECK(answer.size() <= ssh::kMaxMessage);
  CHECK(answer.size() > ssh::kMaxMessage - (8 + 279 + 100));
  ByteReader in(answer);
  CHECK(in.u8() == kIdentitiesAnswer);
  const std::uint32_t count = in.u32();
  for (std::uint32_t i = 0; i < 2 * count; ++i) in.blob();
  CHECK(in.finish());
}

TEST_CASE("agent: signs with the flags of the key, and tells who asked") {
  Lab lab;
  ssh::AgentConnection connection = lab.connect();
  const Bytes data(300'000 / 2);
  CHECK(lab.verifies(connection.answer(sign_message(lab.keys.blob, data)).message, data));
  CHECK(lab.keys.last.program.executable == "/usr/bin/ssh");
  CHECK(lab.keys.last.program.pid == 7);
  CHECK(lab.keys.last.hosts.empty());
  CHECK_FALSE(lab.keys.last.forwarded);
  CHECK(lab.keys.signatures == 1);
  CHECK(fails(connection, sign_message(lab.keys.blob, data, 1)));
  CHECK(fails(connection, sign_message(ssh_blob(generate_key(kEd25519)), data)));
  CHECK(fails(connection, sign_message({}, data)));
  CHECK(fails(connection, sign_message({1}, data)));
  CHECK(lab.keys.signatures == 1);
  lab.keys.failure = Error{Status::authorization, "locked"};
  CHECK(fails(connection, sign_message(lab.keys.blob, data)));
  lab.keys.failure.reset();
  CHECK(lab.verifies(connection.answer(sign_message(lab.keys.blob, {})).message, {}));
}

TEST_CASE("agent: records uses and refusals, and no data") {
  Lab lab;
  ssh::AgentConnection connection = lab.connect();
  connection.answer(list_message());
  CHECK(lab.uses.empty());
  connection.answer(sign_message(lab.keys.blob, {}));
  connection.answer(sign_message(lab.keys.blob, {}, 2));
  connection.answer(lock_message("secret"));
  REQUIRE(lab.uses.size() == 3);
  CHECK(lab.uses[0].request == "sshSign");
  CHECK(lab.uses[0].handle == KeyHandle{5});
  CHECK(lab.uses[0].key == ssh::fingerprint(lab.keys.blob));
  CHECK(lab.uses[0].scheme == "ssh-ed25519");
  CHECK_FALSE(lab.uses[0].failure);
  CHECK(lab.uses[1].failure->status == Status::algorithm);
  CHECK(lab.uses[2].request == "sshLock");
  CHECK(lab.uses[2].program.pid == 7);
}

TEST_CASE("agent: is locked for all connections, and forgets PINs") {
  Lab lab;
  ssh::AgentConnection connection = lab.connect();
  ssh::AgentConnection other = lab.connect();
  CHECK(fails(other, unlock_message("right")));
  CHECK(succeeds(connection, lock_message("right")));
  CHECK(lab.keys.forgotten == 1);
  CHECK(fails(other, lock_message("other")));
  CHECK(other.answer(list_message()).message == Bytes{12, 0, 0, 0, 0});
  CHECK(fails(other, sign_message(lab.keys.blob, {})));
  CHECK(lab.keys.signatures == 0);
  CHECK(fails(connection, unlock_message("wrong")));
  CHECK(fails(connection, sign_message(lab.keys.blob, {})));
  CHECK(succeeds(other, unlock_message("right")));
  CHECK(lab.verifies(connection.answer(sign_message(lab.keys.blob, {})).message, {}));
}

TEST_CASE("agent: a connection is bound also while the agent is locked") {
  Lab lab;
  const Host host(kEd25519);
  ssh::AgentConnection connection = lab.connect();
  CHECK(succeeds(connection, lock_message("right")));
  CHECK(succeeds(connection, bind_message(host, false)));
  CHECK(succeeds(connection, unlock_message("right")));
  CHECK(fails(connection, sign_message(lab.keys.blob, {})));
  CHECK(lab.verifies(connection.answer(sign_message(lab.keys.blob, lab.login(host))).message, lab.login(host)));
}

TEST_CASE("agent: answers the query for its extensions, and refuses others") {
  Lab lab;
  ssh::AgentConnection connection = lab.connect();
  const auto extension = [](std::string_view name) { return ByteWriter().u8(27).blob(as_bytes(name)).take(); };
  CHECK(connection.answer(extension("query")).message ==
        ByteWriter().u8(kExtensionResponse).blob(as_bytes("query")).blob(as_bytes("session-bind@openssh.com")).take());
  CHECK(fails(connection, extension("restrict-destination-v00@openssh.com")));
  CHECK(fails(connection, extension("")));
  Bytes longer = extension("query");
  longer.push_back(0);
  CHECK(fails_and_closes(connection, longer));
}

TEST_CASE("agent: binds connections to sessions, each by itself") {
  Lab lab;
  const Host near(kSks + "ec.nist.p384", "near");
  const Host far(kEd25519, "far");
  ssh::AgentConnection connection = lab.connect();
  ssh::AgentConnection other = lab.connect();
  CHECK(succeeds(connection, bind_message(near, true)));
  CHECK(fails(connection, sign_message(lab.keys.blob, lab.login(near))));
  CHECK(succeeds(connection, bind_message(far, false)));
  CHECK(lab.verifies(connection.answer(sign_message(lab.keys.blob, lab.login(far))).message, lab.login(far)));
  CHECK(lab.keys.last.forwarded);
  CHECK(lab.keys.last.user == "jo");
  CHECK(lab.keys.last.hosts == std::vector{ssh::fingerprint(near.host_key), ssh::fingerprint(far.host_key)});
  CHECK(fails(connection, sign_message(lab.keys.blob, {})));
  CHECK(lab.verifies(other.answer(sign_message(lab.keys.blob, {})).message, {}));
}

TEST_CASE("agent: a bind that does not hold fails as an extension, and nothing is signed afterwards") {
  Lab lab;
  Host host(kEd25519);
  host.signature.back() ^= 1;
  ssh::AgentConnection connection = lab.connect();
  const ssh::Reply reply = connection.answer(bind_message(host, false));
  CHECK(reply.message == Bytes{kExtensionFailure});
  CHECK_FALSE(reply.close);
  REQUIRE(lab.uses.size() == 1);
  CHECK(lab.uses[0].request == "sshBind");
  CHECK(lab.uses[0].failure->status == Status::option);
  CHECK(fails(connection, sign_message(lab.keys.blob, {})));
  CHECK(fails(connection, sign_message(lab.keys.blob, lab.login(host))));
  CHECK(lab.keys.signatures == 0);
}

TEST_CASE("agent: asks for consent where it is told to") {
  const Host near(kEd25519, "near");
  const Host far(kEd25519, "far");
  for (const ssh::Confirm confirm : {ssh::Confirm::never, ssh::Confirm::forwarded, ssh::Confirm::always}) {
    Lab lab(confirm);
    ssh::AgentConnection local = lab.connect();
    CHECK(succeeds(local, bind_message(near, false)));
    CHECK(lab.verifies(local.answer(sign_message(lab.keys.blob, lab.login(near))).message, lab.login(near)));
    CHECK(lab.consent.asked == (confirm == ssh::Confirm::always ? 1 : 0));
    ssh::AgentConnection forwarded = lab.connect();
    CHECK(succeeds(forwarded, bind_message(near, true)));
    CHECK(succeeds(forwarded, bind_message(far, false)));
    lab.consent.asked = 0;
    CHECK(lab.verifies(forwarded.answer(sign_message(lab.keys.blob, lab.login(far))).message, lab.login(far)));
    CHECK(lab.consent.asked == (confirm == ssh::Confirm::never ? 0 : 1));
    if (confirm == ssh::Confirm::never) continue;
    CHECK(lab.consent.last.what == "signature");
    CHECK(lab.consent.last.token_label == "my key, to log in as jo at the host " + ssh::fingerprint(far.host_key) +
                                              ", asked for by the host " + ssh::fingerprint(near.host_key));
    CHECK(lab.consent.last.program.executable == "/usr/bin/ssh");
    lab.consent.agrees = false;
    const int before = lab.keys.signatures;
    CHECK(fails(forwarded, sign_message(lab.keys.blob, lab.login(far))));
    CHECK(lab.keys.signatures == before);
    CHECK(lab.uses.back().failure->status == Status::user_abort);
  }
}

TEST_CASE("agent: nobody is asked about keys that are not there, or about what is not permitted") {
  Lab lab(ssh::Confirm::always);
  ssh::AgentConnection connection = lab.connect();
  CHECK(fails(connection, sign_message(ssh_blob(generate_key(kEd25519)), {})));
  CHECK(succeeds(connection, bind_message(Host(kEd25519), false)));
  CHECK(fails(connection, sign_message(lab.keys.blob, {})));
  CHECK(lab.consent.asked == 0);
}

TEST_CASE("agent: neither adds nor removes keys, and knows no other request") {
  Lab lab;
  ssh::AgentConnection connection = lab.connect();
  for (unsigned id = 0; id < 256; ++id) {
    if (id == 11 || id == 13 || id == 22 || id == 23 || id == 27) continue;
    CHECK(fails(connection, {static_cast<std::uint8_t>(id)}));
    CHECK(fails(connection, {static_cast<std::uint8_t>(id), 0, 0, 0, 0}));
  }
  CHECK(lab.verifies(connection.answer(sign_message(lab.keys.blob, {})).message, {}));
}

TEST_CASE("agent: a malformed request ends the connection") {
  Lab lab;
  const Host host(kEd25519);
  for (const Bytes& right : {list_message(), sign_message(lab.keys.blob, {1, 2, 3}), lock_message("secret"),
                             unlock_message("secret"), bind_message(host, false)}) {
    CAPTURE(int{right.front()});
    for (std::size_t size = 1; size < right.size(); ++size) {
      ssh::AgentConnection connection = lab.connect();
      CHECK(fails_and_closes(connection, to_bytes(ByteView(right).first(size))));
    }
    Bytes longer = right;
    longer.push_back(0);
    ssh::AgentConnection connection = lab.connect();
    CHECK(fails_and_closes(connection, longer));
  }
  ssh::AgentConnection connection = lab.connect();
  CHECK(fails_and_closes(connection, {}));
  CHECK(fails_and_closes(connection, Bytes(ssh::kMaxMessage + 1, 1)));
  CHECK(fails(connection, Bytes(ssh::kMaxMessage, 1)));
  Bytes neither = bind_message(host, true);
  neither.back() = 2;
  CHECK(fails_and_closes(connection, neither));
  CHECK(fails_and_closes(connection, bind_message(Host(kEd25519, ""), false)));
  CHECK(lab.keys.signatures == 0);
  CHECK_FALSE(lab.agent.lock().locked());
}

}  // namespace
}  // namespace sks::test
