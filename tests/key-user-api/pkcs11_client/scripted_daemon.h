#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "key-user-api/pkcs11/cryptoki.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"

/// A daemon that speaks spec/sksd.md as far as tests of the module need it, and lies where a test wants it to. It has
/// no keys: its "signatures" tell what it was asked.
namespace sks::test {

struct Reaction {
  enum class Kind { answer, hang_up } kind = Kind::answer;
  Bytes body;
};

/// A response with outputs; with a CK_RV.
Reaction outputs(ByteWriter out = {});
Reaction refusal(CK_RV code);
inline Reaction hang_up() { return {Reaction::Kind::hang_up, {}}; }

inline constexpr std::uint32_t kOpenSlot = 0;
inline constexpr std::uint32_t kPinSlot = 7;
inline constexpr std::string_view kPin = "1234";
inline constexpr std::string_view kPuk = "98765432";
/// Objects: n = 1 private, 2 public (spec/sksd.md 6).
inline constexpr CK_OBJECT_HANDLE kEcKey = 0x101;
inline constexpr CK_OBJECT_HANDLE kEcPublicKey = 0x102;
inline constexpr CK_OBJECT_HANDLE kRsaKey = 0x201;  // asks for its PIN each time
inline constexpr CK_OBJECT_HANDLE kCertificate = 0x103;
inline constexpr CK_OBJECT_HANDLE kOpenEcKey = 0x301;   // in the slot without PIN
inline constexpr CK_OBJECT_HANDLE kOpenAesKey = 0x401;  // so is this
inline constexpr std::size_t kManyObjects = 700;        // certificates in the slot without PIN

class ScriptedDaemon {
 public:
  struct Application {
    std::map<std::uint32_t, int> logged_in;  // 1 user, 2 SO
    std::uint64_t next_object = std::uint64_t{1} << 48;
    std::set<std::uint64_t> objects;
    std::map<std::uint32_t, Bytes> operations;
  };
  struct Call {
    std::uint8_t method;
    Application* application;
    ByteReader in;
    ByteView body;
  };
  using Handler = std::function<Reaction(Call&)>;

  /// Listens there from now on.
  explicit ScriptedDaemon(std::string socket);
  ~ScriptedDaemon();
  ScriptedDaemon(const ScriptedDaemon&) = delete;
  ScriptedDaemon& operator=(const ScriptedDaemon&) = delete;

  /// Answers a method in another way; null: as before.
  void on(std::uint8_t method, Handler handler);
  int calls(std::uint8_t method);
  /// Open ones now, and applications with connections.
  std::size_t connections();
  std::size_t applications();
  int wrong_pins = 0;

  /// Hangs up on everybody and forgets all applications, as kill -9 does.
  void kill();
  void listen_again();

 private:
  struct Peer {
    int socket = -1;
    std::thread thread;
    std::shared_ptr<Application> application;
    Bytes secret;
    bool ended = false;
  };

  void accept_all(int listener);
  void serve(Peer& peer);
  Reaction react(Peer& peer, ByteView body);
  Reaction open_application(Peer& peer, ByteReader& in);
  Reaction answer(Call& call);

  std::string path_;
  int listener_ = -1;
  std::thread acceptor_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::map<Bytes, std::weak_ptr<Application>> known_;
  std::map<std::uint8_t, Handler> handlers_;
  std::map<std::uint8_t, int> calls_;
  std::uint8_t next_secret_ = 1;
};

}  // namespace sks::test
