#include "key-user-api/key_files/ssh_keys.h"

#include <algorithm>
#include <array>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::ssh {
namespace {

constexpr std::uint8_t kUncompressed = 0x04;
constexpr std::string_view kCertificateSuffix = "-cert-v01@openssh.com";

constexpr auto kKeyTypes = std::to_array<KeyType>({
    {"ssh-rsa", "", KeyKind::rsa, {}},
    {"ecdsa-sha2-nistp256", "nistp256", KeyKind::ec, Curve::p256},
    {"ecdsa-sha2-nistp384", "nistp384", KeyKind::ec, Curve::p384},
    {"ecdsa-sha2-nistp521", "nistp521", KeyKind::ec, Curve::p521},
    {"ssh-ed25519", "", KeyKind::ed25519, {}},
});

Error malformed() { return {Status::crypto, "the SSH key is malformed"}; }

/// What stands behind the name of the type.
Result<crypto::PublicKey> read_key(ByteReader& in, const KeyType& type) {
  if (type.kind == KeyKind::rsa) {
    const auto exponent = read_mpint(in);
    const auto modulus = read_mpint(in);
    if (in.failed() || !exponent || !modulus) return malformed();
    return crypto::PublicKey::from_rsa(*modulus, *exponent);
  }
  if (type.kind == KeyKind::ec) {
    const ByteView curve = in.blob();
    const auto point = read_point(in.blob(), type.curve);
    if (in.failed() || !point || !equal(curve, as_bytes(type.curve_name))) return malformed();
    return crypto::PublicKey::from_ec_point(type.curve, point->x, point->y);
  }
  const ByteView raw = in.blob();
  if (in.failed()) return malformed();
  return crypto::PublicKey::from_raw(type.kind, raw);
}

Result<const KeyType*> known_type(std::string_view name) {
  const KeyType* const type = find_key_type(name);
  if (type == nullptr) return Error{Status::option, "the SSH key is of a type that is not supported"};
  return type;
}

/// RFC 4648 chapter 4, without padding.
std::string to_base64(ByteView bytes) {
  std::string text = to_base64url(bytes);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  return text;
}

}  // namespace

std::span<const KeyType> key_types() { return kKeyTypes; }

const KeyType* find_key_type(std::string_view name) {
  const auto row = std::ranges::find(kKeyTypes, name, &KeyType::name);
  return row == kKeyTypes.end() ? nullptr : &*row;
}

const KeyType* key_type_of(const crypto::PublicKey& key) {
  const auto row = std::ranges::find_if(kKeyTypes, [&](const KeyType& type) {
    return type.kind == key.kind() && (type.kind != KeyKind::ec || type.curve == key.curve());
  });
  return row == kKeyTypes.end() ? nullptr : &*row;
}

std::optional<Bytes> encode_public_key(const crypto::PublicKey& key) {
  const KeyType* const type = key_type_of(key);
  if (type == nullptr) return std::nullopt;
  ByteWriter out;
  out.blob(as_bytes(type->name));
  if (type->kind == KeyKind::rsa) {
    write_mpint(out, key.rsa_exponent());
    write_mpint(out, key.rsa_modulus());
  } else if (type->kind == KeyKind::ec) {
    out.blob(as_bytes(type->curve_name));
    out.blob(concat({ByteView(&kUncompressed, 1), key.ec_x(), key.ec_y()}));
  } else {
    out.blob(key.raw());
  }
  return out.take();
}

Result<crypto::PublicKey> parse_public_key(ByteView blob) {
  ByteReader in(blob);
  const std::string name = to_string(in.blob());
  if (in.failed()) return malformed();
  SKS_LET(const KeyType* const type, known_type(name));
  SKS_LET(crypto::PublicKey key, read_key(in, *type));
  if (!in.finish()) return malformed();
  return key;
}

Result<crypto::PublicKey> parse_host_key(ByteView blob) {
  ByteReader in(blob);
  std::string name = to_string(in.blob());
  if (in.failed()) return malformed();
  if (!name.ends_with(kCertificateSuffix)) return parse_public_key(blob);
  name.resize(name.size() - kCertificateSuffix.size());
  SKS_LET(const KeyType* const type, known_type(name));
  in.blob();  // the nonce
  return read_key(in, *type);
}

std::string fingerprint(ByteView blob) { return "SHA256:" + to_base64(crypto::sha256(blob)); }

std::string authorized_key(ByteView blob, std::string_view comment) {
  std::string text = to_base64(blob);
  while (text.size() % 4 != 0) text += '=';
  std::string line = to_string(ByteReader(blob).blob()) + " " + text;
  if (!comment.empty()) line.append(" ").append(comment);
  return line;
}

std::optional<ByteView> read_mpint(ByteReader& in) {
  const ByteView bytes = in.blob();
  if (bytes.empty()) return bytes;
  if (bytes.front() >= 0x80) return std::nullopt;
  if (bytes.front() != 0) return bytes;
  if (bytes.size() < 2 || bytes[1] < 0x80) return std::nullopt;
  return bytes.subspan(1);
}

void write_mpint(ByteWriter& out, ByteView number) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  const bool needs_sign = !number.empty() && number.front() >= 0x80;
  out.u32(static_cast<std::uint32_t>(number.size() + (needs_sign ? 1 : 0)));
  if (needs_sign) out.u8(0);
  out.raw(number);
}

std::optional<Point> read_point(ByteView encoded, Curve curve) {
  const std::size_t field = curve_info(curve).field_bytes;
  if (encoded.size() != 1 + 2 * field || encoded.front() != kUncompressed) return std::nullopt;
  return Point{encoded.subspan(1, field), encoded.last(field)};
}

}  // namespace sks::ssh
