#pragma once

#include <memory>

#include "key-user-api/token/operations/collected.h"
#include "key-user-api/token/operations/key_use.h"

/// One function of one mechanism with one key, from its beginning to its end.
namespace sks::token {

/// After a failure only destruction is allowed. Fails as spec/sksd.md 7 says.
class Operation {
 public:
  virtual ~Operation() = default;
  /// Takes a part of the data, and gives what can be given already.
  virtual Outcome<SecureBytes> update(Call& call, ByteView part) = 0;
  /// The rest of the result. `last` is the last part.
  virtual Outcome<SecureBytes> finish(Call& call, ByteView last) = 0;
  /// Of verifications, instead. Fails with CKR_SIGNATURE_INVALID or CKR_SIGNATURE_LEN_RANGE.
  virtual Outcome<void> finish_verify(Call& call, ByteView last, ByteView signature);
  /// Bytes of the application that it keeps between calls.
  virtual std::size_t held() const { return 0; }
};

/// What an operation is started with.
struct Start {
  const Mechanism& mechanism;
  Parameter parameter;
  std::optional<KeyUse> key;  ///< none: digests
};

/// How a request names what it wants.
struct Wanted {
  Function function;
  std::uint32_t slot = 0;
  CK_OBJECT_HANDLE object = 0;
  CK_MECHANISM_TYPE mechanism = 0;
  ByteView parameter = {};
  std::uint32_t ticket = 0;
};

/// Fails in this order: CKR_MECHANISM_INVALID (unknown, or not for this function), CKR_MECHANISM_PARAM_INVALID, as
/// KeyUse::find() and as KeyUse::spend_ticket().
Outcome<std::unique_ptr<Operation>> start_operation(Call& call, const Wanted& wanted);

/// The mechanism of a request, if it has the function. Fails with CKR_MECHANISM_INVALID.
Outcome<const Mechanism*> mechanism_for(CK_MECHANISM_TYPE type, const FunctionRow& function);

/// Starts of the schemes.
Outcome<std::unique_ptr<Operation>> start_digest(Start&& start);
Outcome<std::unique_ptr<Operation>> start_signature(Start&& start);
Outcome<std::unique_ptr<Operation>> start_public_encryption(Start&& start);
Outcome<std::unique_ptr<Operation>> start_private_decryption(Start&& start);
Outcome<std::unique_ptr<Operation>> start_cipher(Start&& start);

/// Whether `more` bytes can be added to `size` that are collected. Fails with the wrong_length of the function.
Outcome<void> check_room(std::size_t size, std::size_t more, const FunctionRow& function);

}  // namespace sks::token
