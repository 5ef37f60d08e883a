#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// Calls of the SKS API as data: made up at random, dropped while a failing sequence shrinks, and printed.
namespace sks::model {

enum class Method : std::uint8_t {
  create_session,
  close_session,
  abort_session,
  update_kmk,
  create_puk_policy,
  create_pin_policy,
  create_key,
  get_key_handle,
  set_certificate_path,
  import_symmetric_key,
  import_private_key,
  add_extension,
  post_delete,
  post_unlock,
  post_update,
  post_clone,
  activate,
  deactivate,
  set_property,
  delete_key,
  export_key,
  unlock_key,
  change_pin,
  set_pin,
  verify_pin,
  sign_data,
  sign_hashed_data,
  key_agreement,
  decrypt,
  hmac,
  cipher,
  restart,  ///< the engine goes in good order, and a new one opens the store
  kill,     ///< the engine vanishes, and a new one opens what was durable
};

std::string name_of(Method method);

/// What is wrong with the encrypted argument of a call.
enum class Damage : std::uint8_t { none, shorter_than_iv, odd_length };

/// What happens to the storage while the call runs.
enum class Fault : std::uint8_t {
  none,
  refuse,       ///< its operation number `fault_at` fails
  full,         ///< all operations from number `fault_at` on fail
  kill_before,  ///< the power goes before commit number `fault_at`
  kill_after,   ///< and after it
};

/// A key management key, as the issuer knows several. Zero is none.
using Kmk = int;

/// One call. Objects are named by the label of the call that made them, so that a sequence keeps its meaning when other
/// calls are dropped; zero stands for handle 0, the label of a dropped call for an unknown handle.
struct Call {
  Method method{};
  int label = 0;
  int session = 0;
  int key = 0;
  int target = 0;
  int pin_policy = 0;
  int puk_policy = 0;

  std::string id;
  std::string value;          ///< PIN, PUK or property that the call sets
  std::string authorization;  ///< PIN or PUK of the user
  std::string type;           ///< of an extension
  std::string name;           ///< of a property; qualifier of an extension

  bool privacy = false;
  Kmk kmk = 0;     ///< that the session gets
  Kmk signer = 0;  ///< that signs an authorization; zero: the signature is cut short
  std::uint16_t op_limit = 1000;

  std::uint8_t format = 0;
  std::uint16_t retry_limit = 3;
  std::uint8_t grouping = 0;
  std::uint8_t patterns = 0;
  std::uint16_t min_length = 4;
  std::uint16_t max_length = 8;
  std::uint8_t input_method = 0;
  bool user_defined = true;
  bool user_modifiable = true;

  int pair = 0;    ///< key pair that is generated, certified or imported
  int serial = 0;  ///< tells certificates of one key pair apart
  bool device_pin = false;
  bool caching = false;
  std::uint8_t biometric = 0;
  std::uint8_t export_protection = 0;
  std::uint8_t delete_protection = 0;
  std::uint8_t app_usage = 0;
  int endorsed = 0;  ///< row of kEndorsedLists

  std::uint8_t sub_type = 0;
  std::size_t length = 0;  ///< of what is imported, added, signed, or of a nonce
  int algorithm = 0;       ///< row of kUserAlgorithms
  bool biometric_auth = false;
  bool has_parameters = false;

  bool wrong_mac = false;
  Damage damage = Damage::none;
  Fault fault = Fault::none;
  int fault_at = 0;
};

/// The call in one line; arguments that say nothing new are left out.
std::string describe(const Call& call);

/// Algorithms by what the rules of sks-api.md chapter 6 ask about them.
enum class Kind : std::uint8_t { unknown, signature, agreement, decryption, hmac, cipher, key_generation, none_at_all };
struct UserAlgorithm {
  const char* uri;
  Kind kind;
  bool is_rsa = false;
  std::size_t key_length = 0;  ///< cipher: in bytes, zero is 16, 24 or 32
};
extern const std::vector<UserAlgorithm> kUserAlgorithms;
/// Rows of kUserAlgorithms that a key is endorsed for.
extern const std::vector<std::vector<int>> kEndorsedLists;

/// Key pairs in the hands of the test: the last is RSA, the one before on another curve.
inline constexpr int kPairs = 12;
inline constexpr int kRsaPair = kPairs - 1;
inline constexpr int kP384Pair = kPairs - 2;
inline constexpr int kKmks = 3;

}  // namespace sks::model
