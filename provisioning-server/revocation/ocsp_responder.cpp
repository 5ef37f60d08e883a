#include "provisioning-server/revocation/ocsp_responder.h"

#include <algorithm>

#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/log.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kBackdating = 300;
constexpr std::size_t kAnswersKept = 4096;

}  // namespace

struct OcspResponder::Delegate {
  crypto::Certificate certificate;
  crypto::KeySigner signer;
};

/// What the CertID of a certificate of this authority looks like.
struct OcspResponder::Authority {
  explicit Authority(AuthorityKey its_key) : key(std::move(its_key)), id(authority_id(key.certificate)) {
    const Result<crypto::PublicKey> public_key = key.certificate.public_key();
    if (!public_key) return;
    for (const HashId hash : {HashId::sha1, HashId::sha256})
      hashes[hash] = {crypto::digest(hash, key.certificate.subject_der()),
                      crypto::digest(hash, crypto::subject_public_key(*public_key))};
  }
  bool is_issuer_of(const OcspCertificateId& certificate) const {
    const auto row = hashes.find(certificate.hash);
    return row != hashes.end() && row->second.first == certificate.issuer_name_hash &&
           row->second.second == certificate.issuer_key_hash;
  }

  AuthorityKey key;
  std::string id;
  std::map<HashId, std::pair<Bytes, Bytes>> hashes;
};

OcspResponder::OcspResponder(RevocationStore& store, AuthorityKeys authorities, const RevocationConfig& config,
                             const Clock& clock)
    : store_(store), authorities_(std::move(authorities)), config_(config), clock_(clock) {}
OcspResponder::~OcspResponder() = default;

Result<std::shared_ptr<const OcspResponder::Delegate>> OcspResponder::delegate_of(const AuthorityKey& authority,
                                                                                  const std::string& id) {
  const std::int64_t now = clock_.now();
  const std::int64_t life = config_.responder_days * kDay;
  std::shared_ptr<const Delegate> known;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = delegates_.find(id); found != delegates_.end()) known = found->second;
  }
  if (known && now < known->certificate.not_before() + life / 3 * 2 && now >= known->certificate.not_before())
    return known;
  const auto renew = [&]() -> Result<std::shared_ptr<const Delegate>> {
    if (authority.signer == nullptr) return Error{Status::not_available, "the key of an earlier authority is not here"};
    SKS_LET(crypto::PrivateKey key, make_key());
    crypto::CertificateTemplate contents;
    contents.kind = crypto::CertificateKind::ocsp_responder;
    contents.subject = {{"CN", "OCSP responder"}};
    contents.not_before = std::max(now - kBackdating, authority.certificate.not_before());
    contents.not_after = std::min(now + life, authority.certificate.not_after());
    SKS_LET(crypto::Certificate certificate,
            crypto::issue_certificate(contents, key.public_key(), &authority.certificate, *authority.signer));
    return std::make_shared<const Delegate>(Delegate{std::move(certificate), crypto::KeySigner(std::move(key))});
  };
  Result<std::shared_ptr<const Delegate>> renewed = renew();
  if (!renewed) {
    log_error("ocsp-certificate-not-renewed", {{"reason", renewed.error().detail}});
    if (known && now < known->certificate.not_after()) return known;
    return renewed;
  }
  const std::lock_guard lock(mutex_);
  delegates_[id] = *renewed;
  return renewed;
}

OcspResponder::Answer OcspResponder::answer(ByteView request) {
  const Result<OcspRequest> parsed = parse_ocsp_request(request);
  if (!parsed) return {encode_ocsp_failure(OcspFailure::malformed_request)};
  const bool may_be_kept = parsed->nonce.empty() && config_.ocsp_cache_seconds > 0;
  const std::int64_t now = clock_.now();
  const std::string digest = to_hex(crypto::sha256(request));
  if (may_be_kept) {
    const std::lock_guard lock(mutex_);
    const auto found = answers_.find(digest);
    if (found != answers_.end() && now >= found->second.produced && now < found->second.expires) return found->second;
  }
  Result<Answer> made = try_answer(*parsed);
  if (!made) {
    log_error("ocsp-not-answered", {{"reason", made.error().detail}});
    return {encode_ocsp_failure(OcspFailure::try_later)};
  }
  if (!may_be_kept) made->expires = 0;
  if (made->expires != 0) {
    const std::lock_guard lock(mutex_);
    if (answers_.size() >= kAnswersKept) answers_.clear();
    answers_[digest] = *made;
  }
  return std::move(*made);
}

Result<OcspResponder::Answer> OcspResponder::try_answer(const OcspRequest& request) {
  std::vector<Authority> authorities;
  for (AuthorityKey& key : authorities_()) authorities.emplace_back(std::move(key));
  // One signer for one answer: the authority of the first certificate that is ours.
  const Authority* ours = nullptr;
  std::vector<OcspAnswer> answers;
  for (const OcspCertificateId& certificate : request.certificates) {
    answers.push_back({certificate, {}});
    const auto issuer = std::ranges::find_if(
        authorities, [&](const Authority& authority) { return authority.is_issuer_of(certificate); });
    if (issuer == authorities.end()) continue;
    if (ours == nullptr) ours = &*issuer;
    if (&*issuer != ours) continue;
    SKS_LET(answers.back().status, store_.find_status(serial_text(certificate.serial), issuer->id, clock_.now()));
  }
  if (ours == nullptr) return Answer{encode_ocsp_failure(OcspFailure::unauthorized)};
  SKS_LET(const std::shared_ptr<const Delegate> delegate, delegate_of(ours->key, ours->id));
  const std::int64_t now = clock_.now();
  SKS_LET(Bytes der, sign_ocsp_response({answers, request.nonce, now, now + config_.ocsp_minutes * kMinute},
                                        delegate->certificate, delegate->signer));
  return Answer{std::move(der), now + config_.ocsp_cache_seconds, now};
}

}  // namespace sks::issuer
