#pragma once

#include <memory>
#include <string>

#include "attestation/device_identity.h"
#include "keygen2/client_session.h"
#include "provisioning-server/http_handler.h"
#include "provisioning-server/issuer.h"
#include "sks-core/engine/engine.h"
#include "tests/support/fakes.h"
#include "tests/support/storage_fakes.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

inline constexpr std::int64_t kStart = 1'790'000'000;

/// An issuer in a folder of its own, and requests to it without a socket.
class IssuerLab {
 public:
  explicit IssuerLab(issuer::DeviceTrustMode trust = issuer::DeviceTrustMode::open);

  /// As after a restart: everything is read again from the folder.
  void restart();
  /// As after SIGHUP: the folder is read again, the database stays open.
  void reload();
  /// The target of an init URL with a new ticket.
  std::string new_ticket(const std::string& profile = "default", const std::string& cookie = "");
  std::string target_of(const std::string& location) const;
  /// As the listener asks the handler: promptly where that is possible.
  issuer::Response respond(const issuer::Request& request);
  void edit_profile(const std::string& name, const std::string& from, const std::string& to) const;
  void edit_config(const std::string& from, const std::string& to) const;
  /// One number out of the database, past all interfaces.
  std::int64_t count(const std::string& sql) const;
  void execute(const std::string& sql) const;

  FakeClock clock{kStart};
  TempDir folder;
  std::string path = folder.file("issuer");
  std::unique_ptr<issuer::Issuer> issuer;
  std::vector<std::unique_ptr<issuer::Issuer>> earlier;  ///< before reload()
  std::unique_ptr<issuer::HttpHandler> handler;
  int prompt = 0;  ///< responses that came without waiting for anything in the thread that asked
};

/// A device and its KeyGen2 client, with a cookie jar.
class Device {
 public:
  explicit Device(IssuerLab& lab);

  issuer::Request get_request(const std::string& target) const;
  issuer::Request post_request(const std::string& body) const;
  /// Sends a request and keeps the cookie that comes back.
  issuer::Response send(const issuer::Request& request);
  issuer::Response get(const std::string& target) { return send(get_request(target)); }
  issuer::Response post(const std::string& body) { return send(post_request(body)); }

  /// The client's answer to a message, or a failed test.
  std::string answer(const issuer::Response& message);
  /// Runs a whole enrolment and returns the last response.
  issuer::Response enrol(const std::string& init_target);
  /// The client as it is started for another enrolment: the device keeps its keys, the client nothing.
  void begin_again();
  issuer::Response enrol_again(const std::string& init_target);
  /// Keys are counted in order of creation.
  std::size_t key_count();
  /// End entity certificate of a key.
  Bytes certificate(std::size_t index);
  KeyHandle key(std::size_t index);
  /// Bits of KeyProtectionInfo::protection_status.
  std::uint8_t protection(std::size_t index);
  std::vector<std::string> extension_types(std::size_t index);
  ExtensionContent extension(std::size_t index, std::string_view type);
  bool is_locked(std::size_t index);
  /// Gives wrong PINs until the key is locked.
  void lock(std::size_t index);

  std::string cookie;
  keygen2::ClientSession& client() { return *client_; }
  SecureKeyStore& store() { return *engine_; }
  const Bytes& device_certificate() const { return identity_.certificate_path().front(); }

 private:
  class Dialog final : public keygen2::UserDialog {
   public:
    bool consent(const keygen2::ConsentRequest&) override { return true; }
    std::optional<SecureBytes> choose_pin(const keygen2::PinRequest&, const std::string&) override {
      return SecureBytes::copy_of(as_bytes("482913"));
    }
    bool accept_many_keys(std::size_t) override { return true; }
  };

  IssuerLab& lab_;
  Dialog dialog_;
  InMemoryStorage storage_;
  attestation::SoftwareIdentity identity_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<keygen2::ClientSession> client_;
};

std::string header(const issuer::Response& response, const std::string& name);
/// The word after "reason=" of a refusal's Location; "complete" for success; empty when it is no termination.
std::string outcome(const issuer::Response& response);

}  // namespace sks::test
