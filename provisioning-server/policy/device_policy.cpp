#include "provisioning-server/policy/device_policy.h"

#include <algorithm>
#include <array>

#include "attestation/verifier.h"
#include "provisioning-server/policy/extension_der.h"

namespace sks::issuer {
namespace {

using attestation::PathFault;

struct FaultRow {
  PathFault fault;
  Refusal refusal;
};
constexpr auto kFaults = std::to_array<FaultRow>({
    {PathFault::unknown_authority, Refusal::device_unknown_ca},
    {PathFault::period, Refusal::device_expired},
    {PathFault::rules, Refusal::device_rules},
    {PathFault::revoked, Refusal::device_revoked},
    {PathFault::revocation_unknown, Refusal::device_revocation_unknown},
});

Refusal refusal_of(PathFault fault) { return std::ranges::find(kFaults, fault, &FaultRow::fault)->refusal; }

/// How much is known about a device when it is refused with that word: the refusal that says most is told.
int weight(Refusal refusal) {
  switch (refusal) {
    case Refusal::device_unknown_ca:
      return 0;
    case Refusal::device_revoked:
      return 2;
    default:
      return 1;
  }
}

/// DER of the identifiers of the extensions of a certificate. RFC 5280, 4.1
bool has_extension(const crypto::Certificate& certificate, const std::string& oid) {
  constexpr std::uint8_t kExtensions = crypto::der::kContext | crypto::der::kConstructed | 3;
  const Bytes wanted = object_identifier(oid);
  const ByteView whole = crypto::der::first_piece(certificate.der()).content;
  ByteView fields = crypto::der::first_piece(whole).content;
  for (crypto::der::Piece piece = crypto::der::first_piece(fields); piece.tag != 0;
       piece = crypto::der::first_piece(piece.rest)) {
    if (piece.tag != kExtensions) continue;
    ByteView list = crypto::der::first_piece(piece.content).content;
    for (crypto::der::Piece one = crypto::der::first_piece(list); one.tag != 0;
         one = crypto::der::first_piece(one.rest))
      if (equal(crypto::der::first_piece(one.content).whole, wanted)) return true;
  }
  return false;
}

Result<bool> matches(const keygen2::SearchFilter& filter, const std::vector<Bytes>& der) {
  const auto matcher = keygen2::FilterMatcher::compile(filter);
  if (!matcher) return Error{Status::option, matcher.error().detail};
  keygen2::MatchBudget budget;
  const auto match = matcher->matches({der, std::nullopt, 0}, budget);
  if (!match) return Error{Status::not_allowed, match.error().detail};
  return *match;
}

}  // namespace

DevicePolicy DevicePolicy::accept_all() {
  DevicePolicy policy;
  policy.all_ = true;
  return policy;
}

DevicePolicy DevicePolicy::accept_registered(std::set<crypto::Sha256Digest> fingerprints) {
  DevicePolicy policy;
  policy.fingerprints_ = std::move(fingerprints);
  return policy;
}

DevicePolicy DevicePolicy::accept_by_authority(std::vector<Authority> authorities) {
  DevicePolicy policy;
  for (const Authority& authority : authorities) {
    attestation::DevicePathRules rules;
    rules.authorities = authority.certificates;
    for (const RevocationListFile& file : authority.lists)
      rules.lists.insert(rules.lists.end(), file.lists.begin(), file.lists.end());
    rules.revocation = authority.rules.revocation;
    rules.period = authority.rules.period;
    rules.max_intermediates = authority.rules.max_intermediates;
    policy.verifiers_.emplace_back(std::move(rules));
  }
  policy.authorities_ = std::move(authorities);
  return policy;
}

DeviceDecision DevicePolicy::decide_by(std::size_t index, const std::vector<crypto::Certificate>& path,
                                       const std::vector<Bytes>& der, const std::string& profile,
                                       const Clock& clock) const {
  const DeviceAuthorityRules& rules = authorities_[index].rules;
  const attestation::PathVerdict verdict = verifiers_[index].verify(path, clock);
  if (verdict.fault != PathFault::none) {
    const bool is_known = verdict.fault != PathFault::unknown_authority;
    return {refusal_of(verdict.fault), verdict.sentence, is_known ? rules.name : std::string()};
  }
  if (!profile.empty() && !rules.profiles.empty() && std::ranges::count(rules.profiles, profile) == 0)
    return {Refusal::device_profile, "the devices of " + rules.name + " may not use profile " + profile, rules.name};
  for (const std::string& oid : rules.required_extensions)
    if (!has_extension(path.front(), oid))
      return {Refusal::device_rules, "the device certificate lacks the extension " + oid, rules.name};
  if (rules.filter) {
    const Result<bool> match = matches(*rules.filter, der);
    if (!match || !*match)
      return {Refusal::device_rules,
              "the device certificate does not match the filter of " + rules.name +
                  (match ? std::string() : ": " + match.error().detail),
              rules.name};
  }
  return {std::nullopt, verdict.sentence, rules.name};
}

DeviceDecision DevicePolicy::decide(const crypto::CertificatePath& path, const std::string& profile,
                                    const Clock& clock) const {
  // Sizes and links, whoever is trusted.
  if (const auto sound = attestation::check_device(path, attestation::OpenTrust{}, clock); !sound)
    return {Refusal::crypto, sound.error().detail, {}};
  if (all_) return {};
  const std::vector<crypto::Certificate>& certificates = *path.certificates();
  if (authorities_.empty()) {
    if (fingerprints_.contains(certificates.front().fingerprint())) return {};
    return {Refusal::device, "the device is not registered with this issuer", {}};
  }
  std::optional<DeviceDecision> accepted;
  std::optional<DeviceDecision> refused;
  for (std::size_t i = 0; i < authorities_.size(); ++i) {
    DeviceDecision decision = decide_by(i, certificates, path.der(), profile, clock);
    if (!decision.refusal) {
      if (!accepted) accepted = std::move(decision);
    } else if (!refused || weight(*decision.refusal) > weight(*refused->refusal)) {
      refused = std::move(decision);
    }
  }
  if (accepted && !(refused && refused->refusal == Refusal::device_revoked)) return std::move(*accepted);
  return std::move(*refused);
}

}  // namespace sks::issuer
