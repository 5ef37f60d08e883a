#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/public_key.h"

/// Public keys as SSH writes them: RFC 4253 chapter 6.6, RFC 5656, RFC 8709.
namespace sks::ssh {

/// A kind of key that SSH has a name for and a key store may hold.
struct KeyType {
  std::string_view name;        ///< "ecdsa-sha2-nistp256"
  std::string_view curve_name;  ///< "nistp256"; empty for kinds without a choice
  KeyKind kind;
  Curve curve;  ///< of KeyKind::ec alone
};
std::span<const KeyType> key_types();
/// Null: none of that name, or none for that key.
const KeyType* find_key_type(std::string_view name);
const KeyType* key_type_of(const crypto::PublicKey& key);

/// The blob of a key; none when SSH has no name for its kind.
std::optional<Bytes> encode_public_key(const crypto::PublicKey& key);

/// Accepts exactly what encode_public_key() writes. Fails with crypto (malformed, no sound key) or option (a kind of
/// key that is not in the table).
Result<crypto::PublicKey> parse_public_key(ByteView blob);

/// The key of a server: a public key, or the one inside of an OpenSSH host certificate, of which nothing else is
/// looked at. Fails as parse_public_key().
Result<crypto::PublicKey> parse_host_key(ByteView blob);

/// "SHA256:" and the hash of a blob, as ssh shows it.
std::string fingerprint(ByteView blob);

/// "ssh-ed25519 AAAA... comment": a line of authorized_keys, without its end. The comment must be printable.
std::string authorized_key(ByteView blob, std::string_view comment);

/// An integer of RFC 4251 chapter 5, which has no byte too many, without its sign. None: it is negative or malformed.
std::optional<ByteView> read_mpint(ByteReader& in);
/// `number` is unsigned and big-endian, and may begin with zeros.
void write_mpint(ByteWriter& out, ByteView number);

/// An uncompressed point, as views into its encoding.
struct Point {
  ByteView x;
  ByteView y;
};
/// None: malformed. Whether it is on the curve is not looked at.
std::optional<Point> read_point(ByteView encoded, Curve curve);

}  // namespace sks::ssh
