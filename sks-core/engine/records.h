#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/base/pin_value.h"
#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/engine/engine.h"

/// The objects of sks-api.md chapter 1.2 as the engine keeps them, and their stored form.
///
/// encode() gives the value of the object's record: version byte, fields in the serialised forms of chapter 2.1, the
/// secret last. decode() accepts nothing else and fails with internal.
namespace sks::engine {

/// A secret that copies of one object share, so that staging a change does not spread it through the memory.
using SharedSecret = std::shared_ptr<const SecureBytes>;
SharedSecret share(SecureBytes secret);

using pin::Format;
enum class Grouping : std::uint8_t { none, shared, signature_plus_standard, unique };
enum class AppUsage : std::uint8_t { signature, authentication, encryption, universal };
enum class Protection : std::uint8_t { none, pin, puk, forbidden };
enum class Biometrics : std::uint8_t { none, alternative, combined, exclusive };

inline constexpr std::uint8_t kInputMethodTrustedGui = 2;
inline constexpr std::size_t kMaxPinLength = pin::kMaxLength;
inline constexpr std::uint16_t kMaxRetryLimit = 10000;
/// The highest value of every enumeration above.
inline constexpr std::uint8_t kLastOfFour = 3;

/// Identifies one extension of one key.
using ExtensionHandle = Id<struct ExtensionTag>;

/// Next free handles. Handles are never handed out twice, not even after deletion, abort or a failed commit.
struct Counters {
  std::uint32_t session = 1;
  std::uint32_t key = 1;
  std::uint32_t pin_policy = 1;
  std::uint32_t puk_policy = 1;
  std::uint32_t pin_group = 1;
  std::uint32_t extension = 1;
  bool with_directory = true;  ///< false: read from a store that was written before there was a directory

  SecureBytes encode() const;
  static Result<Counters> decode(ByteView record);
};

/// What close does with a key, recorded until then. Spec: sks-api.md 7, sks-extensions.md. The numbers are stored.
enum class PostAction : std::uint8_t { delete_key, unlock, update, clone, activate, deactivate };

struct PostOperation {
  PostAction action = PostAction::delete_key;
  KeyHandle target;
  KeyHandle new_key;                       ///< update and clone
  crypto::Sha256Digest target_identity{};  ///< of the key that the issuer meant; handles can change their keys
};

struct Session {
  using Handle = ProvisioningHandle;
  static constexpr RecordKind kKind = RecordKind::session;

  // Out of line: these are long and needed in many places.
  Session();
  Session(const Session& other);
  Session(Session&& other) noexcept;
  Session& operator=(const Session& other);
  Session& operator=(Session&& other) noexcept;
  ~Session();

  Handle handle;
  SessionState state = SessionState::open;
  bool privacy_enabled = false;
  std::string server_session_id;
  std::string client_session_id;
  std::string issuer_uri;
  Bytes key_management_key;  ///< SPKI, or empty
  std::uint32_t client_time = 0;
  std::uint16_t session_life_time = 0;

  // Only while the session is open.
  std::uint16_t mac_sequence_counter = 0;
  std::uint16_t remaining_ops = 0;
  std::map<std::string, bool> name_space;      ///< id -> referenced
  std::vector<PostOperation> post_operations;  ///< in the order of recording
  SharedSecret session_key;

  bool is_open() const { return state == SessionState::open; }

  /// What the directory knows of an object without reading its record.
  struct Row {
    bool open = true;
    bool operator==(const Row&) const = default;
  };
  Row row() const { return {is_open()}; }
  SecureBytes encode() const;
  static Result<Session> decode(Handle handle, ByteView record);
};

/// An extension as its key lists it; the content is an object of its own.
struct ExtensionReference {
  std::string type;  ///< URI
  ExtensionHandle handle;
};

struct KeyEntry {
  using Handle = KeyHandle;
  static constexpr RecordKind kKind = RecordKind::key;

  Handle handle;
  ProvisioningHandle session;
  std::string id;
  KeyKind kind = KeyKind::ec;
  Bytes public_key;  ///< SPKI that belongs to the private key
  std::vector<Bytes> certificate_path;
  std::optional<KeyKind> certificate_kind;  ///< of the certificate's public key; none = a type this SKS does not know
  Bytes certificate_public_key;             ///< SPKI; empty for a type this SKS does not know
  std::optional<std::uint16_t> symmetric_key_length;
  AppUsage app_usage = AppUsage::signature;
  std::string friendly_name;
  std::vector<std::string> endorsed_algorithms;
  bool device_pin_protection = false;
  PinPolicyHandle pin_policy;
  PinGroupHandle pin_group;  ///< none without PIN policy
  bool enable_pin_caching = false;
  Biometrics biometric_protection = Biometrics::none;
  Protection export_protection = Protection::none;
  Protection delete_protection = Protection::none;
  std::uint8_t key_backup = 0;
  std::uint8_t activation_state = 0;           ///< bits kSuspendedByUser, kSuspendedByIssuer
  std::vector<ExtensionReference> extensions;  ///< in the order of adding

  struct Row {
    ProvisioningHandle session;
    PinPolicyHandle pin_policy;
    PinGroupHandle pin_group;
    std::uint64_t certificate = 0;  ///< the first 8 bytes of the fingerprint, 0 without certificate
    bool operator==(const Row&) const = default;
  };
  Row row() const;

  bool has_certificate() const { return !certificate_path.empty(); }
  /// SHA-256 of the end-entity certificate, the global identity of a key. Only with has_certificate().
  crypto::Sha256Digest fingerprint() const;
  SecureBytes encode() const;
  static Result<KeyEntry> decode(Handle handle, ByteView record);
};

struct PinPolicy {
  using Handle = PinPolicyHandle;
  static constexpr RecordKind kKind = RecordKind::pin_policy;

  Handle handle;
  ProvisioningHandle session;
  std::string id;
  PukPolicyHandle puk_policy;
  bool user_defined = false;
  bool user_modifiable = false;
  Format format = Format::numeric;
  std::uint16_t retry_limit = 0;
  Grouping grouping = Grouping::none;
  std::uint8_t pattern_restrictions = 0;
  std::uint16_t min_length = 0;
  std::uint16_t max_length = 0;
  std::uint8_t input_method = 0;

  struct Row {
    ProvisioningHandle session;
    PukPolicyHandle puk_policy;
    bool operator==(const Row&) const = default;
  };
  Row row() const { return {session, puk_policy}; }

  SecureBytes encode() const;
  static Result<PinPolicy> decode(Handle handle, ByteView record);
};

struct PukPolicy {
  using Handle = PukPolicyHandle;
  static constexpr RecordKind kKind = RecordKind::puk_policy;

  Handle handle;
  ProvisioningHandle session;
  std::string id;
  Format format = Format::numeric;
  std::uint16_t retry_limit = 0;
  std::uint16_t error_count = 0;
  SharedSecret value;

  struct Row {
    ProvisioningHandle session;
    bool operator==(const Row&) const = default;
  };
  Row row() const { return {session}; }

  SecureBytes encode() const;
  static Result<PukPolicy> decode(Handle handle, ByteView record);
};

/// PIN value and error count of the keys that share them. Spec: sks-api.md 5.6.
struct PinGroup {
  using Handle = PinGroupHandle;
  static constexpr RecordKind kKind = RecordKind::pin_group;

  Handle handle;
  PinPolicyHandle policy;
  /// What tells the groups of one policy apart: pin_rules.h group_class(). With grouping none every key has a group of
  /// its own.
  std::uint8_t group_class = 0;
  std::uint16_t error_count = 0;
  SharedSecret value;

  struct Row {
    PinPolicyHandle policy;
    std::uint8_t group_class = 0;
    bool operator==(const Row&) const = default;
  };
  Row row() const { return {policy, group_class}; }

  SecureBytes encode() const;
  static Result<PinGroup> decode(Handle handle, ByteView record);
};

/// The content of an extension, decrypted. Spec: sks-api.md 4.14.
struct Extension {
  using Handle = ExtensionHandle;
  static constexpr RecordKind kKind = RecordKind::extension;

  Handle handle;
  KeyHandle key;
  std::uint8_t sub_type = 0;
  std::string qualifier;
  SharedSecret data;  ///< never null

  struct Row {
    KeyHandle key;
    bool operator==(const Row&) const = default;
  };
  Row row() const { return {key}; }

  SecureBytes encode() const;
  static Result<Extension> decode(Handle handle, ByteView record);
};

}  // namespace sks::engine
