#include "key-user-api/key_files/openssh.h"

#include <algorithm>
#include <array>

#include "key-user-api/key_files/openssh_encryption.h"
#include "key-user-api/key_files/raw_keys.h"
#include "key-user-api/key_files/ssh_keys.h"
#include "sks-core/base/byte_reader.h"

namespace sks::key_files {
namespace {

constexpr std::string_view kMagic{"openssh-key-v1\0", 15};
constexpr std::string_view kWhat = "the OpenSSH private key";
/// What the content is padded to.
constexpr std::size_t kPlainBlock = 8;
constexpr std::size_t kCipherBlock = 16;

Result<SecureBytes> read_rsa(ByteReader& in, const ssh::KeyType*) {
  std::array<ByteView, 6> numbers;
  for (ByteView& number : numbers) {
    const auto read = ssh::read_mpint(in);
    if (!read) return damaged(kWhat);
    number = *read;
  }
  const auto& [n, e, d, qi, p, q] = numbers;
  return rsa_pkcs8({n, e, d, p, q, {}, {}, qi});
}

Result<SecureBytes> read_ec(ByteReader& in, const ssh::KeyType* type) {
  const ByteView curve_name = in.blob();
  const auto point = ssh::read_point(in.blob(), type->curve);
  const auto scalar = ssh::read_mpint(in);
  if (in.failed() || !scalar || !point || !equal(curve_name, as_bytes(type->curve_name))) return damaged(kWhat);
  return ec_pkcs8(type->curve, *scalar, point->x, point->y);
}

Result<SecureBytes> read_ed25519(ByteReader& in, const ssh::KeyType* type) {
  constexpr std::size_t kSeed = 32;
  const ByteView public_key = in.blob();
  const ByteView both = in.blob();
  if (both.size() != 2 * kSeed || !equal(both.last(kSeed), public_key)) return damaged(kWhat);
  return raw_pkcs8(type->kind, both.first(kSeed), public_key);
}

Result<SecureBytes> refuse_dsa(ByteReader&, const ssh::KeyType*) {
  return Error{Status::not_available, "the file has a DSA key, and no key store holds such keys"};
}

/// What stands behind the name of a type of key, as PKCS#8. The type is null for those that no key store holds.
struct PrivateKeyType {
  std::string_view name;
  Result<SecureBytes> (*read)(ByteReader& in, const ssh::KeyType* type);
};
constexpr auto kTypes = std::to_array<PrivateKeyType>({
    {"ssh-rsa", read_rsa},
    {"ecdsa-sha2-nistp256", read_ec},
    {"ecdsa-sha2-nistp384", read_ec},
    {"ecdsa-sha2-nistp521", read_ec},
    {"ssh-ed25519", read_ed25519},
    {"ssh-dss", refuse_dsa},
});

/// 1, 2, 3, ... to the end of a block.
bool has_padding(ByteReader& in, std::size_t block) {
  std::uint8_t expected = 1;
  while (!in.at_end())
    if (in.u8() != expected++ || expected > block) return false;
  return true;
}

/// The same number twice: what tells a wrong passphrase.
bool begins_well(ByteView part) {
  ByteReader in(part);
  const std::uint32_t check = in.u32();
  return in.u32() == check && !in.failed();
}

Result<void> read_private_part(ByteView part, std::size_t block, Reading& reading) {
  if (!begins_well(part) || part.size() % block != 0) return damaged(kWhat);
  ByteReader in(part.subspan(8));
  const std::string type = to_string(in.blob());
  if (in.failed()) return damaged(kWhat);
  const auto row = std::ranges::find(kTypes, std::string_view(type), &PrivateKeyType::name);
  if (row == kTypes.end())
    return Error{Status::not_available, "the file has an OpenSSH key of a type that no key store holds"};
  SKS_LET(const SecureBytes pkcs8, row->read(in, ssh::find_key_type(type)));
  const std::string comment = to_string(in.blob());
  if (in.failed() || !has_padding(in, block)) return damaged(kWhat);
  return reading.found.add_private_key(pkcs8.view(), comment);
}

}  // namespace

Result<void> read_openssh(ByteView content, Reading& reading) {
  if (content.size() < kMagic.size() || !equal(content.first(kMagic.size()), as_bytes(kMagic))) return damaged(kWhat);
  ByteReader in(content.subspan(kMagic.size()));
  const std::string cipher = to_string(in.blob());
  const std::string function = to_string(in.blob());
  const ByteView parameters = in.blob();
  const std::uint32_t keys = in.u32();
  in.blob();  // public key
  const ByteView private_part = in.blob();
  const ByteView tag = in.rest();
  if (!in.finish() || keys != 1) return damaged(kWhat);
  if (cipher == "none") return tag.empty() ? read_private_part(private_part, kPlainBlock, reading) : damaged(kWhat);
  SKS_LET(const SecureBytes decrypted,
          decrypt_openssh({cipher, function, parameters, tag}, private_part, reading.passphrase));
  if (!begins_well(decrypted.view())) return wrong_passphrase();
  return read_private_part(decrypted.view(), kCipherBlock, reading);
}

}  // namespace sks::key_files
