#include "attestation/device_path.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <new>

#include "sks-core/base/library_context.h"

namespace sks::attestation {
namespace {

using Period = DevicePathRules::Period;
using Revocation = DevicePathRules::Revocation;

/// 112 bits: RSA from 2048 bits, no SHA-1, as OpenSSL's levels define it.
constexpr int kSecurityLevel = 2;
/// A list of a million entries has about 40 MB.
constexpr std::size_t kMaxListBytes = 64 << 20;

void free_borrowed(STACK_OF(X509) * certificates) { sk_X509_free(certificates); }

using StoreCtx = ossl::Ptr<X509_STORE_CTX, X509_STORE_CTX_free>;
using BorrowedStack = ossl::Ptr<STACK_OF(X509), free_borrowed>;
using Time = ossl::Ptr<ASN1_TIME, ASN1_STRING_free>;

template <class T>
T allocated(T owner) {
  if (!owner) throw std::bad_alloc();
  return owner;
}

std::int64_t seconds(const ASN1_TIME* time) {
  const Time epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int rest = 0;
  if (ASN1_TIME_diff(&days, &rest, epoch.get(), time) != 1) return 0;
  return std::int64_t{days} * 86400 + rest;
}

/// What OpenSSL's errors come to; all others are `rules`.
struct Row {
  int code;
  PathFault fault;
};
constexpr auto kFaults = std::to_array<Row>({
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, PathFault::unknown_authority},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, PathFault::unknown_authority},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, PathFault::unknown_authority},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, PathFault::unknown_authority},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, PathFault::unknown_authority},
    {X509_V_ERR_CERT_UNTRUSTED, PathFault::unknown_authority},
    {X509_V_ERR_CERT_HAS_EXPIRED, PathFault::period},
    {X509_V_ERR_CERT_NOT_YET_VALID, PathFault::period},
    {X509_V_ERR_CERT_REVOKED, PathFault::revoked},
    {X509_V_ERR_UNABLE_TO_GET_CRL, PathFault::revocation_unknown},
    {X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, PathFault::revocation_unknown},
    {X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE, PathFault::revocation_unknown},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, PathFault::revocation_unknown},
    {X509_V_ERR_CRL_NOT_YET_VALID, PathFault::revocation_unknown},
    {X509_V_ERR_CRL_HAS_EXPIRED, PathFault::revocation_unknown},
    {X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD, PathFault::revocation_unknown},
    {X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD, PathFault::revocation_unknown},
    {X509_V_ERR_KEYUSAGE_NO_CRL_SIGN, PathFault::revocation_unknown},
    {X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION, PathFault::revocation_unknown},
    {X509_V_ERR_DIFFERENT_CRL_SCOPE, PathFault::revocation_unknown},
    {X509_V_ERR_CRL_PATH_VALIDATION_ERROR, PathFault::revocation_unknown},
});

PathFault fault_of(int code) {
  const auto* const row = std::ranges::find(kFaults, code, &Row::code);
  return row == kFaults.end() ? PathFault::rules : row->fault;
}

std::string describe(int depth, int code) {
  std::string where = "the device certificate";
  if (depth > 0) where = "certificate " + std::to_string(depth) + " above the device certificate";
  return where + ": " + X509_verify_cert_error_string(code);
}

struct Run {
  const DevicePathRules& rules;
  std::string note = {};
};

/// Whether the rules let an error pass.
bool is_tolerated(Run& run, X509_STORE_CTX* context) {
  const int code = X509_STORE_CTX_get_error(context);
  const int depth = X509_STORE_CTX_get_error_depth(context);
  switch (fault_of(code)) {
    case PathFault::period:
      return run.rules.period == Period::none || (run.rules.period == Period::authorities && depth == 0);
    case PathFault::revocation_unknown: {
      // Nobody but the configuration withdraws what the configuration names.
      if (depth == sk_X509_num(X509_STORE_CTX_get0_chain(context)) - 1) return true;
      if (run.rules.revocation != Revocation::if_available) return false;
      if (run.note.empty()) run.note = describe(depth, code);
      return true;
    }
    default:
      return false;
  }
}

int on_step(int verified, X509_STORE_CTX* context) {
  if (verified == 1) return 1;
  auto* const run = static_cast<Run*>(X509_STORE_CTX_get_app_data(context));
  return is_tolerated(*run, context) ? 1 : 0;
}

}  // namespace

Result<RevocationList> RevocationList::from_der(ByteView der) {
  if (der.empty() || der.size() > kMaxListBytes)
    return Error{Status::crypto, "a revocation list of an impossible length"};
  X509_CRL* target = X509_CRL_new_ex(library_context(), nullptr);
  if (target == nullptr) throw std::bad_alloc();
  const std::uint8_t* at = der.data();
  // On failure d2i_X509_CRL frees the object it was given and clears our pointer.
  const X509_CRL* const decoded = d2i_X509_CRL(&target, &at, static_cast<long>(der.size()));
  const std::shared_ptr<X509_CRL> list(target, X509_CRL_free);
  if (decoded == nullptr || at != der.data() + der.size()) return ossl::take_error("the revocation list is malformed");
  static_cast<void>(ossl::take_error({}));
  if (X509_CRL_get0_nextUpdate(target) == nullptr)
    return Error{Status::crypto, "the revocation list does not say when the next one comes"};
  return RevocationList(list);
}

std::string RevocationList::issuer() const {
  const ossl::Bio text(BIO_new(BIO_s_mem()));
  if (text == nullptr) throw std::bad_alloc();
  if (X509_NAME_print_ex(text.get(), X509_CRL_get_issuer(list_.get()), 0, XN_FLAG_RFC2253) < 0) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::int64_t RevocationList::this_update() const { return seconds(X509_CRL_get0_lastUpdate(list_.get())); }
std::int64_t RevocationList::next_update() const { return seconds(X509_CRL_get0_nextUpdate(list_.get())); }

std::size_t RevocationList::size() const {
  const STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(list_.get());
  return entries == nullptr ? 0 : static_cast<std::size_t>(sk_X509_REVOKED_num(entries));
}

bool RevocationList::names(const crypto::Certificate& authority) const {
  return X509_NAME_cmp(X509_CRL_get_issuer(list_.get()), X509_get_subject_name(authority.openssl_without_key())) == 0;
}

bool RevocationList::is_signed_by(const crypto::Certificate& authority) const {
  EVP_PKEY* const key = X509_get0_pubkey(authority.openssl());
  const bool verified = key != nullptr && X509_CRL_verify(list_.get(), key) == 1;
  static_cast<void>(ossl::take_error({}));
  return verified;
}

DevicePathVerifier::DevicePathVerifier(DevicePathRules rules) : rules_(std::move(rules)) {
  store_ = allocated(std::shared_ptr<X509_STORE>(X509_STORE_new(), X509_STORE_free));
  for (const crypto::Certificate& authority : rules_.authorities)
    if (authority.is_ca()) SKS_CHECK(X509_STORE_add_cert(store_.get(), authority.openssl()) == 1);
  unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
  if (rules_.revocation != Revocation::none) {
    for (const RevocationList& list : rules_.lists) SKS_CHECK(X509_STORE_add_crl(store_.get(), list.openssl()) == 1);
    flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
  }
  X509_VERIFY_PARAM* const parameters = X509_STORE_get0_param(store_.get());
  X509_VERIFY_PARAM_set_flags(parameters, flags);
  X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_ANY);
  X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
}

PathVerdict DevicePathVerifier::verify(const std::vector<crypto::Certificate>& path, const Clock& clock) const {
  const BorrowedStack untrusted = allocated(BorrowedStack(sk_X509_new_null()));
  const StoreCtx context = allocated(StoreCtx(X509_STORE_CTX_new_ex(library_context(), nullptr)));
  for (std::size_t i = 1; i < path.size(); ++i)
    if (sk_X509_push(untrusted.get(), path[i].openssl()) == 0) throw std::bad_alloc();
  SKS_CHECK(X509_STORE_CTX_init(context.get(), store_.get(), path.front().openssl(), untrusted.get()) == 1);
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), clock.now());
  Run run{rules_};
  SKS_CHECK(X509_STORE_CTX_set_app_data(context.get(), &run) == 1);
  X509_STORE_CTX_set_verify_cb(context.get(), on_step);
  const bool verified = X509_verify_cert(context.get()) == 1;
  static_cast<void>(ossl::take_error({}));  // what counts is the error of the context
  if (!verified) {
    const int code = X509_STORE_CTX_get_error(context.get());
    return {fault_of(code),
            "no path to a device CA of this issuer: " + describe(X509_STORE_CTX_get_error_depth(context.get()), code)};
  }
  const int length = sk_X509_num(X509_STORE_CTX_get0_chain(context.get()));
  if (length < 2)
    return {PathFault::unknown_authority, "the device certificate is not issued by a device CA of this issuer"};
  const std::size_t intermediates = static_cast<std::size_t>(length) - 2;
  if (rules_.max_intermediates && intermediates > *rules_.max_intermediates)
    return {PathFault::rules, "the path to the device CA has " + std::to_string(intermediates) +
                                  " certificates in between, and may have " +
                                  std::to_string(*rules_.max_intermediates)};
  return {PathFault::none, run.note};
}

}  // namespace sks::attestation
