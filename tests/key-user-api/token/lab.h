#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "key-user-api/token/application.h"
#include "key-user-api/token/service.h"
#include "key-user-api/token/standard.h"
#include "key-user-api/token/template.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/x509.h"
#include "tests/sks-core/engine/device.h"

/// A token service over a real engine, and clients of it that speak in bytes. Spec: spec/sksd.md.
namespace sks::test {

/// Answers in their order, then cancels.
class ScriptedDialog final : public token::TrustedDialog {
 public:
  std::deque<std::string> answers;
  std::vector<Question> questions;
  std::optional<SecureBytes> ask(const Question& question) override;
};

/// Attributes of a template, in the form of chapter 2.
class Attributes {
 public:
  Attributes& bytes(CK_ATTRIBUTE_TYPE type, ByteView value);
  Attributes& text(CK_ATTRIBUTE_TYPE type, std::string_view value) { return bytes(type, as_bytes(value)); }
  Attributes& number(CK_ATTRIBUTE_TYPE type, std::uint64_t value);
  Attributes& boolean(CK_ATTRIBUTE_TYPE type, bool value);

  std::uint16_t count = 0;
  ByteWriter encoded;
};

/// The body of a response, read.
struct Answer {
  std::uint8_t status = 0xFF;
  std::uint64_t rv = CKR_OK;  ///< of status 0x80
  std::string sentence;
  Bytes body;  ///< behind the status of a success

  bool ok() const { return status == 0; }
};

/// One application.
class Client {
 public:
  explicit Client(token::Service& service) : service_(service), application_(service.new_application()) {}

  Answer call(ByteView request);
  Answer call_without_application(ByteView request);

  /// CK_RV of what these do.
  std::uint64_t login(std::uint32_t slot, std::string_view pin, std::uint8_t user = 1, bool ask = false);
  std::uint64_t logout(std::uint32_t slot);
  std::uint64_t change_pin(std::uint32_t slot, std::string_view old, std::string_view fresh, bool ask = false);
  std::uint64_t init_pin(std::uint32_t slot, std::string_view fresh, bool ask = false);

  /// All of them, however many answers they come in.
  std::vector<std::uint64_t> find(std::uint32_t slot, const Attributes& wanted = {}, std::uint16_t limit = 1000);
  /// The only one.
  std::uint64_t find_one(std::uint32_t slot, const Attributes& wanted);

  struct Value {
    std::uint8_t result;
    Bytes bytes;
  };
  Value get(std::uint32_t slot, std::uint64_t object, CK_ATTRIBUTE_TYPE type);
  /// The value of an attribute that the object must have.
  Bytes value(std::uint32_t slot, std::uint64_t object, CK_ATTRIBUTE_TYPE type);
  std::uint64_t number(std::uint32_t slot, std::uint64_t object, CK_ATTRIBUTE_TYPE type);
  bool yes(std::uint32_t slot, std::uint64_t object, CK_ATTRIBUTE_TYPE type);

  std::uint64_t set(std::uint32_t slot, std::uint64_t object, const Attributes& attributes);
  std::uint64_t destroy(std::uint32_t slot, std::uint64_t object);

  struct Made {
    std::uint64_t rv;
    std::uint64_t object = 0;
    std::uint64_t second = 0;  ///< the private key of a pair
  };
  Made create(std::uint32_t slot, const Attributes& attributes);
  Made copy(std::uint32_t slot, std::uint64_t object, const Attributes& attributes);
  Made generate(std::uint32_t slot, CK_MECHANISM_TYPE mechanism, const Attributes& attributes);
  Made generate_pair(std::uint32_t slot, CK_MECHANISM_TYPE mechanism, const Attributes& public_attributes,
                     const Attributes& private_attributes);

  token::Application& application() { return *application_; }
  token::UseRecord record;

 private:
  token::Service& service_;
  std::shared_ptr<token::Application> application_;
};

/// As openTokens of chapter 5 tells them.
struct TokenInfo {
  std::uint32_t slot;
  std::string label;
  std::string serial;
  std::string issuer;
  bool has_pin;
  bool has_puk;
  std::uint8_t format;
  std::uint16_t min_length;
  std::uint16_t max_length;
  std::uint8_t pin_state;
  std::uint8_t puk_state;
  bool is_protected;
  bool is_modifiable;
  std::uint8_t logged_in;
};
std::vector<TokenInfo> list_tokens(Client& client);
TokenInfo token_of(Client& client, std::uint32_t slot);

/// How a key is to be provisioned by an issuer.
struct WantedKey {
  std::string name;
  std::string algorithm = "ec.nist.p256";
  std::vector<std::string> endorsed = {};
  std::uint8_t export_protection = 3;
  std::uint8_t delete_protection = 0;
  bool enable_pin_caching = false;
  Bytes symmetric = {};
};
struct WantedPin {
  std::string value;
  std::string puk = "";
  std::uint16_t puk_retry_limit = 3;
  bool user_modifiable = true;
  std::uint8_t input_method = 0;
  std::uint8_t format = 0;
};

class Lab {
 public:
  static constexpr const char* kPin = "1234";
  static constexpr const char* kPuk = "98765";

  Lab();
  /// A store that brings its keys, for Service::open alone.
  void open_service() { open_service(*device.real_engine); }
  /// What the service sees instead of the engine of the device.
  void open_service(SecureKeyStore& store);

  /// One session with keys under one PIN, or without. Their handles.
  std::vector<KeyHandle> provision(const std::vector<WantedKey>& keys, const std::optional<WantedPin>& pin = {},
                                   const std::string& issuer = "https://main.example.com:8443/sks");
  std::uint32_t slot_of(KeyHandle key);
  /// End entity of a key.
  crypto::Certificate certificate_of(KeyHandle key);
  const crypto::Certificate& authority() const { return authority_; }

  Device device;
  ScriptedDialog dialog;
  std::unique_ptr<token::Service> service;

 private:
  crypto::PrivateKey authority_key_;
  crypto::Certificate authority_;
};

constexpr std::uint64_t object_of(KeyHandle key, unsigned part) { return std::uint64_t{key.value} * 256 + part; }

ByteWriter request(std::uint8_t method);

}  // namespace sks::test
