#pragma once

#include <memory>
#include <vector>

#include "tests/fuzz/checks.h"
#include "tests/fuzz/device.h"

namespace sks::fuzz {

/// A fuzz input read as a program: each step is a byte that chooses an operation, and what that operation takes.
///
/// Most operations make a call as an issuer or a user would, with a right MAC, so that inputs get deep into sessions;
/// others send raw frames, tamper with the next request, let the storage fail or restart the device.
class Program {
 public:
  explicit Program(ByteView input);
  void run();

 private:
  struct Session {
    Session(SecureKeyStore& store, crypto::PrivateKey ephemeral) : issuer(store, std::move(ephemeral)) {}
    test::TestIssuer issuer;
    std::vector<PukPolicyHandle> puk_policies;
    std::vector<PinPolicyHandle> pin_policies;
    std::vector<std::pair<CreatedKey, std::string>> keys;
  };
  using Step = void (Program::*)();
  static const Step kSteps[];

  // The issuer. Spec: sks-api.md 4.2 to 4.16.
  void open_session();
  void create_puk_policy();
  void create_pin_policy();
  void create_key();
  void set_certificate_path();
  void import_symmetric_key();
  void import_private_key();
  void add_extension();
  void close_session();
  void abort_session();
  void manage_key();
  void issuer_activation();
  void update_key_management_key();
  // The user. Spec: sks-api.md 4.17 to 4.32, sks-extensions.md.
  void ask();
  void sign();
  void decrypt();
  void agree();
  void compute_hmac();
  void encrypt();
  void manage_pin();
  void dispose_of_key();
  void set_property();
  void user_activation();
  // The world.
  void send_frame();
  void tamper();
  void fail_storage();
  void restart() { device_.restart(); }

  Session* session();
  std::pair<CreatedKey, std::string>* session_key(Session& session);
  KeyHandle any_key();
  std::string id();
  std::string operation_algorithm();
  /// For algorithms whose parameters have a form of their own; nothing for others.
  Bytes parameters_of(const std::string& algorithm);
  SecureBytes pin();
  Authorization authorization();

  Input in_;
  Device device_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<KeyHandle> keys_;
  unsigned steps_ = 0;
};

}  // namespace sks::fuzz
