#include <algorithm>
#include <array>

#include "key-user-api/key_files/ssh_keys.h"
#include "key-user-api/ssh_agent/agent.h"
#include "sks-core/crypto/private_key.h"
#include "tests/fuzz/checks.h"

namespace {

using namespace sks;

constexpr std::uint8_t kFailure = 5;
constexpr std::uint8_t kSignResponse = 14;
constexpr auto kReplies = std::to_array<std::uint8_t>({5, 6, 12, 14, 28, 29});
constexpr int kMaxLocks = 3;  ///< each takes its time

/// The signature of a key is what it was asked to sign.
class KeysInMemory final : public ssh::AgentKeys {
 public:
  Result<std::vector<ssh::Identity>> identities() override { return std::vector<ssh::Identity>{{blob, "key", {}}}; }
  Result<ssh::Identity> find(ByteView key_blob) override {
    if (!equal(key_blob, blob)) return Error{Status::no_key, "no such key"};
    return ssh::Identity{blob, "key", {}};
  }
  Result<Bytes> sign(const ssh::Requester&, ByteView key_blob, const ssh::Scheme& scheme, ByteView data) override {
    fuzz::require(equal(key_blob, blob) && scheme.key_type == "ssh-ed25519", "only the key that is there signs");
    return to_bytes(data);
  }
  void forget_pins() override {}

  Bytes blob = ByteWriter().blob(as_bytes("ssh-ed25519")).blob(Bytes(32, 7)).take();
};

class Consent final : public token::TrustedDialog {
 public:
  std::optional<SecureBytes> ask(const Question&) override { return std::nullopt; }
  bool confirm(const Question&) override { return true; }
};

/// A server, and one session with it. Made once: signatures take their time.
struct Host {
  explicit Host(std::uint8_t number) : session_id(20, number) {
    const crypto::PrivateKey key =
        crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#ed25519")).value();
    blob = *ssh::encode_public_key(key.public_key());
    signature = ssh::encode_signature(*ssh::find_scheme("ssh-ed25519", 0), key.sign_eddsa(session_id).value());
  }
  Bytes session_id;
  Bytes blob;
  Bytes signature;
};
const std::vector<Host>& hosts() {
  static const std::vector<Host> all{Host(1), Host(2), Host(3)};
  return all;
}

/// One connection, and what is known of it.
struct Client {
  Client(ssh::Agent& agent, KeysInMemory& all_keys) : keys(all_keys), connection(agent, {}) {}

  ssh::Reply send(const Bytes& message) {
    if (closed) return {{kFailure}, true};
    ssh::Reply reply = connection.answer(message);
    fuzz::require(!reply.message.empty() && reply.message.size() <= ssh::kMaxMessage, "an answer has its size");
    fuzz::require(std::ranges::find(kReplies, reply.message.front()) != kReplies.end(), "an answer is one");
    fuzz::require(!reply.close || reply.message == Bytes{kFailure}, "nothing but a failure ends a connection");
    if (reply.message.front() == kSignResponse) check_signature(reply.message);
    closed = reply.close;
    return reply;
  }

  void check_signature(ByteView reply) const {
    ByteReader in(reply.subspan(1));
    const ByteView data = in.blob();
    fuzz::require(static_cast<bool>(in.finish()), "a signature is whole");
    if (bound.empty()) return;
    const auto login = ssh::parse_login_request(data);
    fuzz::require(!bound.back().second && login && login->session_id == bound.back().first->session_id,
                  "a bound connection signs for its last host alone");
    fuzz::require(!login->host_key || login->host_key == bound.back().first->blob, "and by its host key");
    fuzz::require(login->key_blob == keys.blob, "and with the key that the login names");
  }

  void bind(const Host& host, bool forwarding) {
    ByteWriter out;
    out.u8(27).blob(as_bytes("session-bind@openssh.com")).blob(host.blob).blob(host.session_id);
    const ssh::Reply reply = send(out.blob(host.signature).boolean(forwarding).take());
    const bool again = std::ranges::any_of(bound, [&](const auto& hop) { return hop.first == &host; });
    if (reply.message.front() == 6 && !again) bound.emplace_back(&host, forwarding);
  }

  void log_in(const Host& host, bool host_bound, ByteView user) {
    ByteWriter data;
    data.blob(host.session_id).u8(50).blob(user).blob(as_bytes("ssh-connection"));
    data.blob(as_bytes(host_bound ? "publickey-hostbound-v00@openssh.com" : "publickey"));
    data.u8(1).blob(as_bytes("ssh-ed25519")).blob(keys.blob);
    if (host_bound) data.blob(host.blob);
    send(ByteWriter().u8(13).blob(keys.blob).blob(data.view()).u32(0).take());
  }

  KeysInMemory& keys;
  ssh::AgentConnection connection;
  std::vector<std::pair<const Host*, bool>> bound;
  bool closed = false;
};

}  // namespace

/// Messages of two clients of an SSH agent, as they come and such as get further.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in({data, size});
  KeysInMemory keys;
  Consent consent;
  ssh::Agent agent({keys, consent, system_random(), [](std::chrono::milliseconds) {}}, {ssh::Confirm::forwarded});
  std::array<Client, 2> clients{Client(agent, keys), Client(agent, keys)};
  int locks = 0;
  while (!in.at_end()) {
    const std::uint8_t step = in.u8();
    Client& client = clients[step & 1];
    const Host& host = hosts()[(step >> 4) % hosts().size()];
    switch ((step >> 1) & 3) {
      case 0: {
        const Bytes message = to_bytes(in.take(in.u16()));
        const bool is_lock = !message.empty() && (message.front() == 22 || message.front() == 23);
        if (!is_lock || ++locks <= kMaxLocks) client.send(message);
        break;
      }
      case 1:
        client.bind(host, (step & 8) != 0);
        break;
      case 2:
        client.log_in(host, (step & 8) != 0, in.take(in.u8()));
        break;
      default:
        client.send(ByteWriter().u8(13).blob(keys.blob).blob(in.take(in.u16())).u32((step & 8) != 0 ? 4 : 0).take());
    }
  }
  return 0;
}
