#include "attestation/verifier.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <new>

#include "sks-core/base/byte_writer.h"
#include "sks-core/base/library_context.h"
#include "sks-core/crypto/mac.h"

namespace sks::attestation {
namespace {

/// Spec: sks-api.md 3.5.
constexpr std::string_view kDeviceAttestation = "DeviceAttestation";

/// keygen2.md Appendix B.
constexpr std::size_t kMaxPathLength = 10;
constexpr std::size_t kMaxCertificateSize = 16384;

/// 112 bits: RSA from 2048 bits, no SHA-1, as OpenSSL's levels define it.
constexpr int kSecurityLevel = 2;

void free_borrowed(STACK_OF(X509) * certificates) { sk_X509_free(certificates); }

using Store = ossl::Ptr<X509_STORE, X509_STORE_free>;
using StoreCtx = ossl::Ptr<X509_STORE_CTX, X509_STORE_CTX_free>;
using BorrowedStack = ossl::Ptr<STACK_OF(X509), free_borrowed>;

template <class T>
T allocated(T owner) {
  if (!owner) throw std::bad_alloc();
  return owner;
}

Result<void> check_sizes(const std::vector<Bytes>& path) {
  if (path.size() > kMaxPathLength) return Error{Status::crypto, "the device certificate path is too long"};
  for (const Bytes& certificate : path) {
    if (certificate.size() > kMaxCertificateSize) return Error{Status::crypto, "a device certificate is too long"};
  }
  return {};
}

/// PKIX path building from the device certificate over the path it came with to an authority, at the time of the clock.
///
/// An authority is trusted because it is configured, not because it is self-signed: it may be an intermediate whose own
/// issuer nobody configured (X509_V_FLAG_PARTIAL_CHAIN). It must be a CA, so that a device certificate that was put
/// among the authorities by mistake does not become its own trust; registered fingerprints are there for that.
class PathBuilder {
 public:
  PathBuilder(const DeviceCaTrust& trust, std::int64_t now)
      : store_(allocated(Store(X509_STORE_new()))),
        untrusted_(allocated(BorrowedStack(sk_X509_new_null()))),
        context_(allocated(StoreCtx(X509_STORE_CTX_new_ex(library_context(), nullptr)))) {
    for (const crypto::Certificate& authority : trust.authorities) {
      if (authority.is_ca()) SKS_CHECK(X509_STORE_add_cert(store_.get(), authority.openssl()) == 1);
    }
    X509_VERIFY_PARAM* const parameters = X509_STORE_get0_param(store_.get());
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_ANY);
    X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
    X509_VERIFY_PARAM_set_time(parameters, now);
  }

  Result<void> verify(const std::vector<crypto::Certificate>& path) {
    for (std::size_t i = 1; i < path.size(); ++i) {
      if (sk_X509_push(untrusted_.get(), path[i].openssl()) == 0) throw std::bad_alloc();
    }
    SKS_CHECK(X509_STORE_CTX_init(context_.get(), store_.get(), path.front().openssl(), untrusted_.get()) == 1);
    const bool verified = X509_verify_cert(context_.get()) == 1;
    static_cast<void>(ossl::take_error({}));  // what counts is the error of the context
    if (!verified) return refusal();
    if (sk_X509_num(X509_STORE_CTX_get0_chain(context_.get())) < 2) {
      return Error{Status::not_allowed, "the device certificate is not issued by a device CA of this issuer"};
    }
    return {};
  }

 private:
  Error refusal() const {
    const int code = X509_STORE_CTX_get_error(context_.get());
    const int depth = X509_STORE_CTX_get_error_depth(context_.get());
    std::string where = "the device certificate";
    if (depth > 0) where = "certificate " + std::to_string(depth) + " above the device certificate";
    return Error{Status::not_allowed,
                 "no path to a device CA of this issuer: " + where + ": " + X509_verify_cert_error_string(code)};
  }

  Store store_;
  BorrowedStack untrusted_;
  StoreCtx context_;
};

struct PolicyCheck {
  const std::vector<crypto::Certificate>& path;
  const Clock& clock;

  Result<void> operator()(const OpenTrust&) const { return {}; }

  Result<void> operator()(const DeviceCaTrust& trust) const { return PathBuilder(trust, clock.now()).verify(path); }

  /// Registering is a decision about this very certificate: it ends by striking it from the list, not by a date.
  Result<void> operator()(const RegisteredTrust& trust) const {
    if (trust.fingerprints.contains(path.front().fingerprint())) return {};
    return Error{Status::not_allowed, "the device is not registered with this issuer"};
  }
};

}  // namespace

Result<void> check_device(const crypto::CertificatePath& path, const DeviceTrust& trust, const Clock& clock) {
  SKS_TRY(check_sizes(path.der()));
  const Result<std::vector<crypto::Certificate>>& certificates = path.certificates();
  if (!certificates) return certificates.error();
  return std::visit(PolicyCheck{*certificates, clock}, trust);
}

SecureBytes derive_session_key(ByteView z, const SessionClaims& claims) {
  crypto::Sha256Digest key = crypto::hmac_sha256(z, session_key_data(claims));
  SecureBytes session_key = SecureBytes::copy_of(key);
  cleanse(key);
  return session_key;
}

Result<void> verify_session(const SessionClaims& claims, const SecureBytes& session_key, ByteView attestation) {
  if (claims.privacy_enabled()) return verify_session_mac(claims, session_key, attestation);
  SKS_LET(const crypto::Certificate device, crypto::Certificate::from_der(claims.device_certificate));
  SKS_LET(const crypto::PublicKey key, device.public_key());
  return verify_session_signature(claims, key, attestation);
}

Result<void> verify_session_signature(const SessionClaims& claims, const crypto::PublicKey& device_key,
                                      ByteView attestation) {
  return crypto::verify_signature(device_key, session_attestation_data(claims), attestation);
}

Result<void> verify_session_mac(const SessionClaims& claims, const SecureBytes& session_key, ByteView attestation) {
  if (equal_constant_time(crypto::hmac_sha256(session_key.view(), session_attestation_data(claims)), attestation))
    return {};
  return Error{Status::crypto, "the session attestation does not fit the session"};
}

crypto::Sha256Digest method_mac(const SecureBytes& session_key, std::string_view method, std::uint16_t counter,
                                ByteView data) {
  ByteWriter counter_bytes;
  counter_bytes.u16(counter);
  return crypto::hmac_sha256({session_key.view(), as_bytes(method), counter_bytes.view()}, data);
}

Result<void> verify_device_attestation(const SecureBytes& session_key, std::uint16_t counter, ByteView data,
                                       ByteView attestation) {
  if (equal_constant_time(method_mac(session_key, kDeviceAttestation, counter, data), attestation)) return {};
  return Error{Status::crypto, "the device attestation does not fit"};
}

Bytes key_attestation_data(ByteView public_key_spki, ByteView create_key_entry_mac) {
  ByteWriter out;
  out.array(public_key_spki).array(create_key_entry_mac);
  return out.take();
}

Bytes close_attestation_data(ByteView nonce) {
  ByteWriter out;
  out.array(nonce);
  return out.take();
}

}  // namespace sks::attestation
