#include "tests/sks-core/replay/recording.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

Recording read_recording(const std::filesystem::path& folder) {
  auto read = conformance::read_recording(folder);
  if (!read) FAIL(read.error().detail);
  Recording recording{std::move(read).value(), {}};
  const auto created = std::ranges::find(recording.calls, "createProvisioningSession", &RecordedCall::method);
  REQUIRE(created != recording.calls.end());
  recording.session = handle<ProvisioningHandle>(created->out["provisioningHandle"]);
  return recording;
}

}  // namespace

std::vector<Recording> read_recordings() {
  std::vector<Recording> recordings;
  for (const auto& entry : std::filesystem::directory_iterator(source_file("tests/vectors/transcripts")))
    if (entry.is_directory()) recordings.push_back(read_recording(entry.path()));
  std::ranges::sort(recordings, {}, &Recording::session);
  return recordings;
}

Bytes hex(const Json& value) {
  const Result<Bytes> decoded = from_hex(text(value));
  REQUIRE(decoded);
  return *decoded;
}

// The recordings use standard base64 with padding.
Bytes base64(const Json& value) {
  std::string encoded = text(value);
  std::erase(encoded, '=');
  std::ranges::replace(encoded, '+', '-');
  std::ranges::replace(encoded, '/', '_');
  const Result<Bytes> decoded = from_base64url(encoded);
  REQUIRE(decoded);
  return *decoded;
}

std::string text(const Json& value) { return number<std::string>(value); }

std::vector<Bytes> certificates(const Json& values) {
  std::vector<Bytes> path;
  for (const Json& value : values) path.push_back(base64(value));
  return path;
}

KeyAttributes key_attributes(const Json& out) {
  return {number<std::uint16_t>(out["symmetricKeyLength"]),
          certificates(out["certificatePath"]),
          number<std::uint8_t>(out["appUsage"]),
          text(out["friendlyName"]),
          out["endorsedAlgorithms"],
          out["extensionTypes"]};
}

KeyProtectionInfo key_protection_info(const Json& out) {
  KeyProtectionInfo info;
  info.protection_status = number<std::uint8_t>(out["protectionStatus"]);
  info.puk_format = number<std::uint8_t>(out["pukFormat"]);
  info.puk_retry_limit = number<std::uint16_t>(out["pukRetryLimit"]);
  info.puk_error_count = number<std::uint16_t>(out["pukErrorCount"]);
  info.user_defined = number<bool>(out["pinUserDefined"]);
  info.user_modifiable = number<bool>(out["pinUserModifiable"]);
  info.format = number<std::uint8_t>(out["pinFormat"]);
  info.retry_limit = number<std::uint16_t>(out["pinRetryLimit"]);
  info.grouping = number<std::uint8_t>(out["pinGrouping"]);
  REQUIRE(out["pinPatternRestrictions"].empty());  // a list of names, always empty where this method was called
  info.min_length = number<std::uint16_t>(out["pinMinLength"]);
  info.max_length = number<std::uint16_t>(out["pinMaxLength"]);
  info.input_method = number<std::uint8_t>(out["pinInputMethod"]);
  info.pin_error_count = number<std::uint16_t>(out["pinErrorCount"]);
  info.enable_pin_caching = number<bool>(out["enablePinCaching"]);
  info.biometric_protection = number<std::uint8_t>(out["biometricProtection"]);
  info.export_protection = number<std::uint8_t>(out["exportProtection"]);
  info.delete_protection = number<std::uint8_t>(out["deleteProtection"]);
  info.key_backup = number<std::uint8_t>(out["keyBackup"]);
  return info;
}

}  // namespace sks::test
