#pragma once

#include <map>
#include <mutex>

#include "key-user-api/token/application.h"
#include "key-user-api/token/call.h"
#include "key-user-api/token/operations/operation_set.h"
#include "sks-core/base/byte_writer.h"
#include "tests/sks-core/engine/user_calls.h"

/// The operations over a real engine, with objects and logins that a test says.
namespace sks::token::test {

using sks::test::Device;

inline constexpr std::uint32_t kSlot = 3;
inline constexpr std::uint8_t kEncrypt = 1, kDecrypt = 2, kSign = 3, kVerify = 4, kDigest = 5;

/// What a request got.
struct Answer {
  CK_RV code = CKR_OK;
  bool decodable = true;
  Bytes out;  ///< behind the status
  UseRecord record;
};

/// All keys are in kSlot.
class TestKeys final : public KeyAccess {
 public:
  Outcome<std::shared_ptr<const KeyInUse>> find_key(Application& application, std::uint32_t slot,
                                                    CK_OBJECT_HANDLE object) override;
  Outcome<Authorization> authorize(Application& application, const KeyInUse& key, std::uint32_t ticket) override;
  void authorization_failed(const KeyInUse& key, const SecureBytes& pin) override;
  Outcome<CK_OBJECT_HANDLE> make_key(Application& application, std::uint32_t slot, SecureBytes value,
                                     Template attributes) override;

  CK_OBJECT_HANDLE add(KeyInUse key);

  struct Made {
    Bytes value;
    std::map<CK_ATTRIBUTE_TYPE, Bytes> attributes;
  };

  std::optional<std::string> login = "";  ///< the PIN; none: nobody is logged in
  std::map<std::uint32_t, std::string> tickets;
  int authorizations = 0;
  std::vector<std::string> refused_pins;
  CK_RV refuse_to_make = CKR_OK;
  std::vector<Made> made;
  std::map<CK_OBJECT_HANDLE, std::shared_ptr<KeyInUse>> keys;

 private:
  std::mutex mutex_;
};

class Bench {
 public:
  Bench();

  Device device;
  TestKeys keys;
  std::shared_ptr<Application> application;

  Answer send(std::uint8_t method, ByteView body) { return send(method, body, *application); }
  Answer send(std::uint8_t method, ByteView body, Application& from);

  /// Keys of the key store, for everything. `algorithm` is the part behind "#" of a key generation algorithm.
  CK_OBJECT_HANDLE stored(const std::string& algorithm, std::vector<std::string> endorsed = {});
  CK_OBJECT_HANDLE stored_known(ByteView pkcs8);
  CK_OBJECT_HANDLE stored_secret(ByteView value, CK_KEY_TYPE type = CKK_AES, std::vector<std::string> endorsed = {});
  /// Keys of a session.
  CK_OBJECT_HANDLE session_private(ByteView pkcs8);
  CK_OBJECT_HANDLE session_secret(ByteView value, CK_KEY_TYPE type = CKK_AES);
  CK_OBJECT_HANDLE public_of(CK_OBJECT_HANDLE private_key);
  CK_OBJECT_HANDLE public_key(const crypto::PublicKey& key);

  KeyInUse& key(CK_OBJECT_HANDLE object) { return *keys.keys.at(object); }
  const crypto::PublicKey& public_value(CK_OBJECT_HANDLE object) { return *key(object).public_key; }

  Answer operate(std::uint8_t kind, CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter,
                 ByteView data, std::uint32_t ticket = 0);
  Answer verify(CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter, ByteView data,
                ByteView signature);
  Answer begin(std::uint8_t kind, CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter = {},
               std::uint32_t ticket = 0);
  Answer update(std::uint32_t operation, ByteView part);
  Answer finish(std::uint32_t operation, ByteView last);
  Answer finish_verify(std::uint32_t operation, ByteView signature);
  Answer abandon(std::uint32_t operation);
  Answer derive(CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter, const Template& attributes,
                std::uint32_t ticket = 0);
  Answer wrap(CK_OBJECT_HANDLE with, CK_MECHANISM_TYPE mechanism, ByteView parameter, CK_OBJECT_HANDLE key,
              std::uint32_t ticket = 0);
  Answer unwrap(CK_OBJECT_HANDLE with, CK_MECHANISM_TYPE mechanism, ByteView parameter, ByteView wrapped,
                const Template& attributes, std::uint32_t ticket = 0);

  /// The same data in parts of these sizes, and the rest at the end: all results joined.
  Answer in_parts(std::uint8_t kind, CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter,
                  ByteView data, std::size_t part_size);
};

/// The content of the one blob that is the answer; it must be there.
Bytes blob_of(const Answer& answer);
std::uint32_t u32_of(const Answer& answer);
std::uint64_t u64_of(const Answer& answer);

Bytes ulongs(std::initializer_list<std::uint64_t> values);
Bytes pss(CK_MECHANISM_TYPE hash, CK_ULONG mgf, std::uint64_t salt);
Bytes oaep(CK_MECHANISM_TYPE hash, CK_ULONG mgf, ByteView label = {});
Bytes ecdh(CK_ULONG kdf, ByteView shared, ByteView point);
Bytes counter(std::uint64_t bits, ByteView block);
Bytes gcm(ByteView iv, ByteView aad, std::uint64_t tag_bits);

Attribute attribute(CK_ATTRIBUTE_TYPE type, std::uint64_t value);
Attribute attribute_of(CK_ATTRIBUTE_TYPE type, ByteView value);
template <class... A>
Template attributes(A... each) {
  Template all;
  (all.push_back(std::move(each)), ...);
  return all;
}

/// The object of `request`: its head up to the ticket, as most methods have it.
ByteWriter head(CK_OBJECT_HANDLE object, CK_MECHANISM_TYPE mechanism, ByteView parameter, std::uint32_t ticket);
void put(ByteWriter& out, const Template& attributes);

Bytes some_bytes(std::size_t size);

}  // namespace sks::token::test
