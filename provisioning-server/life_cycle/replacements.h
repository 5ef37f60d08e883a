#pragma once

#include <optional>
#include <vector>

#include "keygen2/issuer_session.h"
#include "provisioning-server/key_manager.h"
#include "provisioning-server/policy.h"
#include "provisioning-server/repository.h"

/// New keys beside or in the place of keys that a device has. Spec: keygen2.md 4.12, sks-api.md 7.3
namespace sks::issuer {

/// What one session makes of them at most.
inline constexpr std::size_t kMaxReplacements = 100;

/// The key of the profile that a credential was issued for: with its usage and name, or else the first one of its
/// usage. Fails with not_available: the profile makes no such keys any more.
Result<const keygen2::KeySpec*> find_spec(const Profile& profile, const Credential& credential);

/// A key that updates or clones that of `target`. It takes its PIN from there, so what its profile says about a PIN is
/// left out, and a protection by PIN or PUK becomes the one that nothing opens. Fails as find_spec(); with not_allowed
/// when the profile protects the key in a way that cannot be taken over.
Result<keygen2::KeySpec> replacement_spec(const Profile& profile, const Credential& target, KeyOperation::Kind kind);

/// What a key of a session is for, when it is none that its profile asks for by itself.
struct Replacement {
  KeyOperation::Kind kind = KeyOperation::Kind::update;
  Credential target;
  keygen2::TargetKey key;
};

/// The replacements of one session, out of the operations that stand in the records since its discovery.
class Replacements {
 public:
  /// All must outlive it.
  Replacements(Repository& repository, const KeyManager& keys, const Session& session, const Profile& profile)
      : repository_(repository), keys_(keys), session_(session), profile_(profile) {}

  /// Of the key at that place of the messages; none: the profile's own. Fails with storage, or with internal.
  Result<std::optional<Replacement>> find(std::size_t index);

 private:
  Result<void> load();

  Repository& repository_;
  const KeyManager& keys_;
  const Session& session_;
  const Profile& profile_;
  std::optional<std::vector<KeyOperation>> operations_;
};

}  // namespace sks::issuer
