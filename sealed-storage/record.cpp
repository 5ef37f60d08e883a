#include "sealed-storage/record.h"

#include "sealed-storage/cbor.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"

namespace sks::sealed {
namespace {

/// COSE (RFC 9052, RFC 9053): header {1: 3}, algorithm = A256GCM; 5 is the label of the initialization vector.
constexpr std::array<std::uint8_t, 3> kProtectedHeader{0xA1, 0x01, 0x03};
constexpr std::uint64_t kIvLabel = 5;

/// Longer than any of the structures below that hold no ciphertext or value.
constexpr std::size_t kSmallStructure = 128;

/// Keys of the plaintext maps: chapters 5 and 6.
constexpr std::uint64_t kValueKey = 1;
constexpr std::uint64_t kPathKey = 1;
constexpr std::uint64_t kPrivateKeyKey = 2;

SecureBytes associated_data(const StoreId& store_id, std::uint32_t version, RecordLabel label) {
  CborWriter external(kSmallStructure);
  external.array(6).text("OpenSKS record").uint(version).bytes(store_id);
  external.uint(label.kind).uint(label.handle).uint(label.generation);
  CborWriter enc_structure(kSmallStructure);
  enc_structure.array(3).text("Encrypt0").bytes(kProtectedHeader).bytes(external.view());
  return std::move(enc_structure).take();
}

Error altered(RecordLabel label) {
  return Error{Status::crypto, "the sealed record " + std::to_string(label.kind) + "/" + std::to_string(label.handle) +
                                   " was altered or does not belong there"};
}

bool is_identity_part(ByteView part) { return !part.empty() && part.size() <= kMaxIdentityPart; }

}  // namespace

RecordSealer::RecordSealer(ByteView master_key, StoreId store_id, std::uint32_t version)
    : keys_(master_key, store_id), store_id_(store_id), version_(version) {
  SKS_CHECK(master_key.size() == kMasterKeySize);
}

SecureBytes RecordSealer::key_check() const {
  CborWriter info(kSmallStructure);
  info.array(2).text("OpenSKS key check").uint(version_);
  return keys_.expand(info.view(), kKeyCheckSize);
}

SecureBytes RecordSealer::tree_key() const {
  CborWriter info(kSmallStructure);
  info.array(2).text("OpenSKS tree key").uint(version_);
  return keys_.expand(info.view(), kTreeKeySize);
}

SecureBytes RecordSealer::anchor_key() const {
  CborWriter info(kSmallStructure);
  info.array(2).text("OpenSKS anchor key").uint(version_);
  return keys_.expand(info.view(), kAnchorKeySize);
}

SecureBytes RecordSealer::record_key(RecordLabel label) const {
  CborWriter info(kSmallStructure);
  info.array(5).text("OpenSKS record key").uint(version_);
  info.uint(label.kind).uint(label.handle).uint(label.generation);
  return keys_.expand(info.view(), crypto::kAes256Key);
}

Bytes RecordSealer::seal(RecordLabel label, ByteView nonce, ByteView plaintext) const {
  const SecureBytes key = record_key(label);
  const SecureBytes aad = associated_data(store_id_, version_, label);
  const Bytes ciphertext = crypto::aes_256_gcm_seal(key.view(), nonce, aad.view(), plaintext);
  CborWriter out(kSmallStructure + ciphertext.size());
  out.array(3).bytes(kProtectedHeader).map(1).uint(kIvLabel).bytes(nonce).bytes(ciphertext);
  return to_bytes(out.view());
}

Result<SecureBytes> RecordSealer::open(RecordLabel label, ByteView sealed) const {
  CborReader in(sealed);
  in.expect_array(3);
  in.expect_bytes(kProtectedHeader);
  in.expect_map(1);
  in.expect_uint(kIvLabel);
  const ByteView nonce = in.bytes();
  const ByteView ciphertext = in.bytes();
  if (!in.finish() || nonce.size() != crypto::kGcmNonce || ciphertext.size() < crypto::kGcmTag) return altered(label);

  const SecureBytes key = record_key(label);
  const SecureBytes aad = associated_data(store_id_, version_, label);
  Result<SecureBytes> plaintext = crypto::aes_256_gcm_open(key.view(), nonce, aad.view(), ciphertext);
  if (!plaintext) return altered(label);
  return plaintext;
}

SecureBytes encode_value(ByteView value) {
  CborWriter out(kSmallStructure + value.size());
  out.map(1).uint(kValueKey).bytes(value);
  return std::move(out).take();
}

Result<ByteView> decode_value(ByteView plaintext) {
  CborReader in(plaintext);
  in.expect_map(1);
  in.expect_uint(kValueKey);
  const ByteView value = in.bytes();
  SKS_TRY(in.finish());
  if (value.size() > kMaxValue) return Error{Status::crypto, "a sealed value is too long"};
  return value;
}

Result<SecureBytes> encode_identity(const IdentityView& identity) {
  const std::vector<ByteView>& path = identity.certificate_path;
  if (path.empty() || path.size() > kMaxPathLength) {
    return Error{Status::option, "a device certificate path has 1 to 10 certificates"};
  }
  std::size_t size = kSmallStructure + identity.private_key.size();
  bool valid = is_identity_part(identity.private_key);
  for (const ByteView certificate : path) {
    size += CborWriter::kMaxHead + certificate.size();
    valid = valid && is_identity_part(certificate);
  }
  if (!valid) return Error{Status::option, "a device certificate or its key is empty or too long"};

  CborWriter out(size);
  out.map(2).uint(kPathKey).array(path.size());
  for (const ByteView certificate : path) out.bytes(certificate);
  out.uint(kPrivateKeyKey).bytes(identity.private_key);
  return std::move(out).take();
}

Result<IdentityView> decode_identity(ByteView plaintext) {
  const Error malformed{Status::crypto, "the device identity is malformed"};
  CborReader in(plaintext);
  IdentityView identity;
  in.expect_map(2);
  in.expect_uint(kPathKey);
  const std::size_t count = in.array();
  if (in.failed() || count == 0 || count > kMaxPathLength) return malformed;
  bool valid = true;
  for (std::size_t i = 0; i < count; ++i) {
    identity.certificate_path.push_back(in.bytes());
    valid = valid && is_identity_part(identity.certificate_path.back());
  }
  in.expect_uint(kPrivateKeyKey);
  identity.private_key = in.bytes();
  valid = valid && is_identity_part(identity.private_key);
  if (!in.finish() || !valid) return malformed;
  return identity;
}

}  // namespace sks::sealed
