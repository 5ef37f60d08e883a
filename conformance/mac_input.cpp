#include "conformance/mac_input.h"

#include <algorithm>
#include <array>
#include <limits>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

constexpr std::size_t kMaxArray = 65535;
constexpr std::size_t kMaxBlob = kMaxDocument;
/// How much of a field is shown.
constexpr std::size_t kShown = 24;
constexpr std::size_t kShownBefore = 6;

using Fields4 = std::array<FieldFormat, 4>;
using Fields2 = std::array<FieldFormat, 2>;
using Fields1 = std::array<FieldFormat, 1>;

constexpr Fields4 kSessionKeyFields{{
    {"clientSessionId", Encoding::array},
    {"serverSessionId", Encoding::array},
    {"issuerUri", Encoding::array},
    {"deviceID", Encoding::array},
}};
constexpr auto kSessionAttestationFields = std::to_array<FieldFormat>({
    {"clientSessionId", Encoding::array},
    {"serverSessionId", Encoding::array},
    {"issuerUri", Encoding::array},
    {"deviceID", Encoding::array},
    {"sessionKeyAlgorithm", Encoding::array},
    {"privacyEnabled", Encoding::boolean},
    {"serverEphemeralKey", Encoding::array},
    {"clientEphemeralKey", Encoding::array},
    {"keyManagementKey", Encoding::array},
    {"clientTime", Encoding::u32},
    {"sessionLifeTime", Encoding::u16},
    {"sessionKeyLimit", Encoding::u16},
    {"serverCertificate", Encoding::array},
});
constexpr Fields2 kLookupNonceFields{{{"clientSessionId", Encoding::array}, {"serverSessionId", Encoding::array}}};
constexpr Fields4 kPukPolicyFields{{
    {"id", Encoding::array},
    {"encryptedPuk", Encoding::array},
    {"format", Encoding::u8},
    {"retryLimit", Encoding::u16},
}};
constexpr auto kPinPolicyFields = std::to_array<FieldFormat>({
    {"id", Encoding::array},
    {"pukPolicyId", Encoding::array},
    {"userDefined", Encoding::boolean},
    {"userModifiable", Encoding::boolean},
    {"format", Encoding::u8},
    {"retryLimit", Encoding::u16},
    {"grouping", Encoding::u8},
    {"patternRestrictions", Encoding::u8},
    {"minLength", Encoding::u16},
    {"maxLength", Encoding::u16},
    {"inputMethod", Encoding::u8},
});
constexpr auto kKeyEntryFields = std::to_array<FieldFormat>({
    {"id", Encoding::array},
    {"keyEntryAlgorithm", Encoding::array},
    {"serverSeed", Encoding::array},
    {"pinPolicyId", Encoding::array},
    {"encryptedPin", Encoding::array},
    {"devicePinProtection", Encoding::boolean},
    {"enablePinCaching", Encoding::boolean},
    {"biometricProtection", Encoding::u8},
    {"exportProtection", Encoding::u8},
    {"deleteProtection", Encoding::u8},
    {"appUsage", Encoding::u8},
    {"friendlyName", Encoding::array},
    {"keyAlgorithm", Encoding::array},
    {"keyParameters", Encoding::array},
    {"endorsedAlgorithms", Encoding::arrays},
});
constexpr Fields2 kKeyAttestationFields{{{"publicKey", Encoding::array}, {"mac", Encoding::array}}};
constexpr auto kCertificatePathFields = std::to_array<FieldFormat>({
    {"publicKey", Encoding::array},
    {"id", Encoding::array},
    {"certificatePath", Encoding::arrays},
});
constexpr Fields2 kImportFields{{{"endEntityCertificate", Encoding::array}, {"encryptedKey", Encoding::array}}};
constexpr auto kExtensionFields = std::to_array<FieldFormat>({
    {"endEntityCertificate", Encoding::array},
    {"type", Encoding::array},
    {"subType", Encoding::u8},
    {"qualifier", Encoding::array},
    {"extensionData", Encoding::blob},
});
constexpr Fields2 kReplacingFields{{{"endEntityCertificate", Encoding::array}, {"authorization", Encoding::array}}};
constexpr Fields1 kPlainFields{{{"authorization", Encoding::array}}};
constexpr Fields4 kCloseFields{{
    {"clientSessionId", Encoding::array},
    {"serverSessionId", Encoding::array},
    {"issuerUri", Encoding::array},
    {"nonce", Encoding::array},
}};
constexpr Fields1 kCloseAttestationFields{{{"nonce", Encoding::array}}};

std::string element_name(std::string_view field, std::size_t index) {
  return std::string(field) + '[' + std::to_string(index) + ']';
}

std::uint32_t limit_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::u8:
      return std::numeric_limits<std::uint8_t>::max();
    case Encoding::u16:
      return std::numeric_limits<std::uint16_t>::max();
    case Encoding::boolean:
      return 1;
    case Encoding::u32:
    case Encoding::array:
    case Encoding::blob:
    case Encoding::arrays:
      break;
  }
  return std::numeric_limits<std::uint32_t>::max();
}

void write_number(ByteWriter& out, Encoding encoding, const Node& from, std::uint32_t value) {
  if (value > limit_of(encoding)) from.fail("does not fit into its field: " + std::to_string(value));
  if (encoding == Encoding::u32)
    out.u32(value);
  else if (encoding == Encoding::u16)
    out.u16(static_cast<std::uint16_t>(value));
  else
    out.u8(static_cast<std::uint8_t>(value));
}

void write_bytes(ByteWriter& out, Encoding encoding, const Node& from, ByteView value) {
  const bool blob = encoding == Encoding::blob;
  const std::size_t limit = blob ? kMaxBlob : kMaxArray;
  if (value.size() > limit) {
    from.fail("is longer than " + std::to_string(limit) + " bytes");
    value = value.first(limit);
  }
  if (blob)
    out.blob(value);
  else
    out.array(value);
}

/// The number of bytes that a field takes at the start of `rest`; all of them when it is cut off.
std::size_t size_at(Encoding encoding, ByteView rest) {
  const auto with_length = [&](std::size_t prefix) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < std::min(prefix, rest.size()); ++i) length = length << 8U | rest[i];
    return prefix + length;
  };
  constexpr std::size_t kArrayPrefix = 2;
  constexpr std::size_t kBlobPrefix = 4;
  std::size_t size = 1;
  if (encoding == Encoding::u16) size = sizeof(std::uint16_t);
  if (encoding == Encoding::u32) size = sizeof(std::uint32_t);
  if (encoding == Encoding::array || encoding == Encoding::arrays) size = with_length(kArrayPrefix);
  if (encoding == Encoding::blob) size = with_length(kBlobPrefix);
  return std::min(size, rest.size());
}

ByteView piece_bytes(const Input& input, const Input::Piece& piece) {
  return ByteView(input.bytes).subspan(piece.offset, piece.length);
}

std::string shown(ByteView bytes, std::size_t interesting) {
  if (bytes.size() <= kShown) return to_hex(bytes);
  const std::size_t wanted = interesting > kShownBefore ? interesting - kShownBefore : 0;
  const std::size_t start = std::min(wanted, bytes.size() - kShown);
  return (start == 0 ? "" : "..") + to_hex(bytes.subspan(start, kShown)) + (start + kShown == bytes.size() ? "" : "..");
}

Difference::Row make_row(const Input& expected, const Input& found, std::size_t index) {
  const Input::Piece* const left = index < expected.pieces.size() ? &expected.pieces[index] : nullptr;
  const Input::Piece* const right = index < found.pieces.size() ? &found.pieces[index] : nullptr;
  const ByteView a = left == nullptr ? ByteView() : piece_bytes(expected, *left);
  const ByteView b = right == nullptr ? ByteView() : piece_bytes(found, *right);
  const auto first = static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  const Input::Piece& named = right == nullptr ? *left : *right;
  return {named.field, named.offset, shown(a, first), shown(b, first), equal(a, b)};
}

const Input::Piece* find_piece(const Input& input, std::size_t offset) {
  const auto found = std::ranges::find_if(
      input.pieces, [&](const Input::Piece& piece) { return offset < piece.offset + piece.length; });
  return found == input.pieces.end() ? nullptr : &*found;
}

}  // namespace

namespace format {
const Format kSessionKey{"", "session key", Part::initialization, kSessionKeyFields};
const Format kSessionAttestation{"", "session attestation", Part::initialization, kSessionAttestationFields};
const Format kLookupNonce{"", "nonce of the lookups", Part::initialization, kLookupNonceFields};
const Format kCreatePukPolicy{"createPUKPolicy", "", Part::creation, kPukPolicyFields};
const Format kCreatePinPolicy{"createPINPolicy", "", Part::creation, kPinPolicyFields};
const Format kCreateKeyEntry{"createKeyEntry", "", Part::creation, kKeyEntryFields};
const Format kKeyAttestation{"DeviceAttestation", "attestation of a key", Part::creation, kKeyAttestationFields};
const Format kSetCertificatePath{"setCertificatePath", "", Part::certification, kCertificatePathFields};
const Format kImportSymmetricKey{"importSymmetricKey", "", Part::certification, kImportFields};
const Format kImportPrivateKey{"importPrivateKey", "", Part::certification, kImportFields};
const Format kAddExtension{"addExtension", "", Part::certification, kExtensionFields};
const Format kPostCloneKeyProtection{"postCloneKeyProtection", "", Part::management, kReplacingFields};
const Format kPostUpdateKey{"postUpdateKey", "", Part::management, kReplacingFields};
const Format kPostUnlockKey{"postUnlockKey", "", Part::management, kPlainFields};
const Format kPostDeleteKey{"postDeleteKey", "", Part::management, kPlainFields};
const Format kActivate{"activate", "", Part::management, kPlainFields};
const Format kDeactivate{"deactivate", "", Part::management, kPlainFields};
const Format kDeactivateNewKey{"deactivate", "deactivate of a new key", Part::management, kReplacingFields};
const Format kCloseProvisioningSession{"closeProvisioningSession", "", Part::close, kCloseFields};
const Format kCloseAttestation{"DeviceAttestation", "attestation of the close", Part::close, kCloseAttestationFields};
}  // namespace format

Values& Values::add(std::string_view field, Value value) {
  values_.emplace(field, std::move(value));
  return *this;
}
Values& Values::number(std::string_view field, const Node& from, std::uint32_t value) {
  return add(field, {from, value});
}
Values& Values::bytes(std::string_view field, const Node& from, Bytes value) {
  return add(field, {from, std::move(value)});
}
Values& Values::text(std::string_view field, const Node& from, std::string_view value) {
  return add(field, {from, to_bytes(as_bytes(value))});
}
Values& Values::element(std::string_view field, const Node& from, Bytes value) {
  return add(field, {from, std::move(value)});
}

Input encode(const Format& format, const Values& values) {
  ByteWriter out;
  Input input;
  for (const FieldFormat& field : format.fields) {
    const auto [first, last] = values.values_.equal_range(field.name);
    const bool many = field.encoding == Encoding::arrays;
    SKS_CHECK(many || std::distance(first, last) == 1);
    std::size_t index = 0;
    for (auto at = first; at != last; ++at) {
      const Values::Value& value = at->second;
      const std::size_t offset = out.view().size();
      if (const auto* const number = std::get_if<std::uint32_t>(&value.content))
        write_number(out, field.encoding, value.from, *number);
      else
        write_bytes(out, field.encoding, value.from, std::get<Bytes>(value.content));
      input.pieces.push_back({many ? element_name(field.name, index++) : std::string(field.name), offset,
                              out.view().size() - offset, value.from.place()});
    }
  }
  input.bytes = out.take();
  return input;
}

Input split(const Format& format, Bytes bytes, const Place& place) {
  Input input{std::move(bytes), {}, place};
  std::size_t offset = 0;
  const auto cut = [&](std::string name, std::size_t size) {
    input.pieces.push_back({std::move(name), offset, size, place});
    offset += size;
  };
  const auto rest = [&] { return ByteView(input.bytes).subspan(offset); };
  for (const FieldFormat& field : format.fields) {
    const bool many = field.encoding == Encoding::arrays;
    for (std::size_t i = 0; many ? !rest().empty() : i == 0; ++i)
      cut(many ? element_name(field.name, i) : std::string(field.name), size_at(field.encoding, rest()));
  }
  if (!rest().empty()) cut("(surplus)", rest().size());
  return input;
}

Input plain(std::string_view name, Bytes bytes, const Place& place) {
  const std::size_t size = bytes.size();
  return {std::move(bytes), {{std::string(name), 0, size, place}}, place};
}

std::optional<Difference> find_difference(const Input& expected, const Input& found) {
  if (expected.bytes == found.bytes) return std::nullopt;
  const auto offset =
      static_cast<std::size_t>(std::ranges::mismatch(expected.bytes, found.bytes).in2 - found.bytes.begin());
  const Input::Piece* piece = find_piece(found, offset);
  if (piece == nullptr) piece = find_piece(expected, offset);
  Difference difference{piece == nullptr ? "" : piece->field, offset, place_at(expected, offset), {}};
  const std::size_t rows = std::max(expected.pieces.size(), found.pieces.size());
  for (std::size_t i = 0; i < rows; ++i) difference.rows.push_back(make_row(expected, found, i));
  return difference;
}

const Place& place_at(const Input& input, std::size_t offset) {
  if (const Input::Piece* const piece = find_piece(input, offset)) return piece->place;
  return input.pieces.empty() ? input.place : input.pieces.back().place;
}

bool expect_equal(Findings& findings, std::string_view what, const Input& expected, const Input& found) {
  findings.count();
  std::optional<Difference> difference = find_difference(expected, found);
  if (!difference) return true;
  std::string sentence = std::string(what) + " differs from what it should be in " + difference->field + " at byte " +
                         std::to_string(difference->offset);
  findings.add(place_at(found, difference->offset), std::move(sentence), std::move(difference));
  return false;
}

}  // namespace sks::conformance
