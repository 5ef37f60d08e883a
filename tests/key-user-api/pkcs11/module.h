#pragma once

#include <deque>
#include <string>
#include <vector>

#include "sks-core/crypto/ossl.h"
#include "tests/support/pkcs11/loaded_module.h"
#include "tests/support/temp_dir.h"

/// The module under test with sksd and a store behind it.
namespace sks::test {

/// A store folder that all test cases of the program share; they leave its PINs unlocked.
const std::string& shared_store();

/// The module between C_Initialize and C_Finalize, on a store folder.
class Initialized {
 public:
  explicit Initialized(const std::string& folder = shared_store());
  ~Initialized();
  Initialized(const Initialized&) = delete;
  Initialized& operator=(const Initialized&) = delete;
};

void use_store(const std::string& folder);
/// Ends the sksd of the store that is in use with SIGKILL, and waits until it is gone.
void kill_daemon();

std::vector<CK_SLOT_ID> slots();
/// The slot whose token label starts with `label`.
CK_SLOT_ID slot_labelled(std::string_view label);
inline constexpr std::string_view kMainToken = "main.example.com";
inline constexpr std::string_view kSecondToken = "second.example.com";
inline constexpr std::string_view kOpenToken = "OpenSKS keys without PIN";

CK_SESSION_HANDLE open_session(CK_SLOT_ID slot, CK_FLAGS flags = CKF_SERIAL_SESSION);

/// A template with the values that it points at.
class Template {
 public:
  Template& bytes(CK_ATTRIBUTE_TYPE type, ByteView value);
  Template& text(CK_ATTRIBUTE_TYPE type, std::string_view value) { return bytes(type, as_bytes(value)); }
  Template& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Template& yes(CK_ATTRIBUTE_TYPE type) { return bytes(type, Bytes{CK_TRUE}); }
  Template& no(CK_ATTRIBUTE_TYPE type) { return bytes(type, Bytes{CK_FALSE}); }

  CK_ATTRIBUTE* data() { return attributes_.data(); }
  CK_ULONG size() const { return attributes_.size(); }

 private:
  std::deque<Bytes> values_;
  std::vector<CK_ATTRIBUTE> attributes_;
};

/// One attribute of a template.
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, std::string_view value);
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const CK_ULONG& value);
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const CK_BBOOL& value);

std::vector<CK_OBJECT_HANDLE> find(CK_SESSION_HANDLE session, std::vector<CK_ATTRIBUTE> wanted);
/// The only object of this class and label.
CK_OBJECT_HANDLE find_one(CK_SESSION_HANDLE session, CK_OBJECT_CLASS object_class, std::string_view label);

/// The value by the two-call convention; requires that the object has it.
Bytes read(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
CK_ULONG read_number(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
/// C_SignInit and C_Sign with CKM_ECDSA_SHA256.
CK_RV try_to_sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, Bytes data, Bytes& signature);
/// That OpenSSL accepts such a signature, by the public key in the certificate or by `key`.
bool is_signature(CK_SESSION_HANDLE session, std::string_view certificate, ByteView data, ByteView signature);
bool is_signature(EVP_PKEY* key, ByteView data, ByteView signature);

CK_RV read_failure(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

}  // namespace sks::test
