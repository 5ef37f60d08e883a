#include "key-user-api/ssh_agent/signatures.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "key-user-api/key_files/ssh_keys.h"
#include "sks-core/base/library_context.h"
#include "sks-core/crypto/ossl.h"

namespace sks::ssh {
namespace {

constexpr std::uint32_t kRsaSha256 = 2;
constexpr std::uint32_t kRsaSha512 = 4;

#define DSIGMORE "http://www.w3.org/2001/04/xmldsig-more#"
constexpr auto kSchemes = std::to_array<Scheme>({
    {"ssh-rsa", kRsaSha256, "rsa-sha2-256", HashId::sha256, DSIGMORE "rsa-sha256"},
    {"ssh-rsa", kRsaSha512, "rsa-sha2-512", HashId::sha512, DSIGMORE "rsa-sha512"},
    {"ecdsa-sha2-nistp256", 0, "ecdsa-sha2-nistp256", HashId::sha256, DSIGMORE "ecdsa-sha256"},
    {"ecdsa-sha2-nistp384", 0, "ecdsa-sha2-nistp384", HashId::sha384, DSIGMORE "ecdsa-sha384"},
    {"ecdsa-sha2-nistp521", 0, "ecdsa-sha2-nistp521", HashId::sha512, DSIGMORE "ecdsa-sha512"},
    {"ssh-ed25519", 0, "ssh-ed25519", HashId::none, "https://webpki.github.io/sks/algorithm#ed25519"},
});
#undef DSIGMORE

const KeyType& type_of(const Scheme& scheme) {
  const KeyType* const type = find_key_type(scheme.key_type);
  SKS_CHECK(type != nullptr);
  return *type;
}

/// OpenSSL's name; null where there is no choice.
const char* digest_name(HashId hash) {
  switch (hash) {
    case HashId::sha256:
      return "SHA256";
    case HashId::sha384:
      return "SHA384";
    case HashId::sha512:
      return "SHA512";
    case HashId::none:
    case HashId::sha1:
      break;
  }
  return nullptr;
}

Error malformed() { return {Status::crypto, "the SSH signature is malformed"}; }

/// Both numbers of ECDSA, of the size of the curve.
Result<Bytes> read_ecdsa(ByteView encoded, Curve curve) {
  const std::size_t field = curve_info(curve).field_bytes;
  ByteReader in(encoded);
  const auto r = read_mpint(in);
  const auto s = read_mpint(in);
  if (!in.finish() || !r || !s || r->size() > field || s->size() > field) return malformed();
  Bytes raw(2 * field);
  std::ranges::copy(*r, raw.begin() + static_cast<std::ptrdiff_t>(field - r->size()));
  std::ranges::copy(*s, raw.begin() + static_cast<std::ptrdiff_t>(2 * field - s->size()));
  return crypto::ecdsa_raw_to_der(curve, raw);
}

}  // namespace

std::span<const Scheme> schemes() { return kSchemes; }

const Scheme* find_scheme(std::string_view key_type, std::uint32_t flags) {
  const auto row = std::ranges::find_if(
      kSchemes, [&](const Scheme& scheme) { return scheme.key_type == key_type && scheme.flags == flags; });
  return row == kSchemes.end() ? nullptr : &*row;
}

Bytes encode_signature(const Scheme& scheme, ByteView signature) {
  ByteWriter out;
  out.blob(as_bytes(scheme.name));
  if (type_of(scheme).kind != KeyKind::ec) return out.blob(signature).take();
  ByteWriter numbers;
  write_mpint(numbers, signature.first(signature.size() / 2));
  write_mpint(numbers, signature.subspan(signature.size() / 2));
  return out.blob(numbers.view()).take();
}

Result<void> verify_host_signature(ByteView host_key, ByteView message, ByteView signature) {
  SKS_LET(const crypto::PublicKey key, parse_host_key(host_key));
  ByteReader in(signature);
  const std::string name = to_string(in.blob());
  const ByteView value = in.blob();
  if (!in.finish()) return malformed();
  const KeyType* const type = key_type_of(key);
  SKS_CHECK(type != nullptr);
  const auto scheme = std::ranges::find(kSchemes, std::string_view(name), &Scheme::name);
  if (scheme == kSchemes.end() || scheme->key_type != type->name)
    return Error{Status::option, "the server signs in a way that is not supported"};
  Bytes encoded = to_bytes(value);
  if (type->kind == KeyKind::ec) {
    SKS_LET(encoded, read_ecdsa(value, type->curve));
  }
  const ossl::MdCtx context(EVP_MD_CTX_new());
  SKS_CHECK(context != nullptr);
  if (EVP_DigestVerifyInit_ex(context.get(), nullptr, digest_name(scheme->hash), library_context(), nullptr,
                              key.openssl(), nullptr) != 1)
    return ossl::take_error("the key of the server is not usable");
  const bool valid =
      EVP_DigestVerify(context.get(), encoded.data(), encoded.size(), message.data(), message.size()) == 1;
  static_cast<void>(ossl::take_error(""));
  if (!valid) return Error{Status::option, "the signature of the server is wrong"};
  return {};
}

}  // namespace sks::ssh
