#pragma once

#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "conformance/node.h"

/// The inputs of MACs, attestations and the session key, as tables of named fields. Spec: keygen2.md 7.2 to 7.8.
///
/// This repeats what keygen2/mac_data.h and attestation/claims.h compute, on purpose: a judge that shares the code of
/// those it judges finds none of its mistakes.
namespace sks::conformance {

enum class Encoding : std::uint8_t { u8, u16, u32, boolean, array, blob, arrays };

struct FieldFormat {
  std::string_view name;
  Encoding encoding;  ///< arrays: as many as there are, and only at the end
};

/// The part of a session in which a value is used.
enum class Part : std::uint8_t { initialization, creation, certification, management, close };

/// One row of keygen2.md 7.6, or one of the inputs of 4.6, 7.3 and 7.4.
struct Format {
  std::string_view method;  ///< as it enters the MAC
  std::string_view what;    ///< for people, where the method does not say it
  Part part;
  std::span<const FieldFormat> fields;

  std::string_view title() const { return what.empty() ? method : what; }
  bool attests() const { return method == "DeviceAttestation"; }
};

namespace format {
extern const Format kSessionKey;
extern const Format kSessionAttestation;
extern const Format kLookupNonce;
extern const Format kCreatePukPolicy;
extern const Format kCreatePinPolicy;
extern const Format kCreateKeyEntry;
extern const Format kKeyAttestation;
extern const Format kSetCertificatePath;
extern const Format kImportSymmetricKey;
extern const Format kImportPrivateKey;
extern const Format kAddExtension;
extern const Format kPostCloneKeyProtection;
extern const Format kPostUpdateKey;
extern const Format kPostUnlockKey;
extern const Format kPostDeleteKey;
extern const Format kActivate;
extern const Format kDeactivate;
extern const Format kDeactivateNewKey;
extern const Format kCloseProvisioningSession;
extern const Format kCloseAttestation;
}  // namespace format

struct Input;

/// The values of the fields, and where each was found.
class Values {
 public:
  Values& number(std::string_view field, const Node& from, std::uint32_t value);
  Values& bytes(std::string_view field, const Node& from, Bytes value);
  Values& text(std::string_view field, const Node& from, std::string_view value);
  /// One more element of the field that takes many.
  Values& element(std::string_view field, const Node& from, Bytes value);

 private:
  friend Input encode(const Format& format, const Values& values);
  struct Value {
    Node from;
    std::variant<std::uint32_t, Bytes> content;
  };
  Values& add(std::string_view field, Value value);

  std::multimap<std::string_view, Value> values_;
};

/// Bytes that know their fields.
struct Input {
  struct Piece {
    std::string field;
    std::size_t offset;
    std::size_t length;
    Place place;
  };
  Bytes bytes;
  std::vector<Piece> pieces;
  Place place;  ///< of a recorded input, which stands in one place
};

/// A value that does not fit into its field adds a finding.
Input encode(const Format& format, const Values& values);
/// Cuts a recorded input into fields. Bytes that belong to none make a field of their own.
Input split(const Format& format, Bytes bytes, const Place& place);
/// Bytes without fields.
Input plain(std::string_view name, Bytes bytes, const Place& place);

/// Where `found` stops being what was expected, or nothing.
std::optional<Difference> find_difference(const Input& expected, const Input& found);
/// The place of the field of `input` that holds the byte at `offset`.
const Place& place_at(const Input& input, std::size_t offset);

/// Compares, and adds a finding about the field of `found` that differs. Gives whether they are equal.
bool expect_equal(Findings& findings, std::string_view what, const Input& expected, const Input& found);

}  // namespace sks::conformance
