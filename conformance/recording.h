#pragma once

#include <string>
#include <vector>

#include "conformance/document.h"

/// Recorded provisioning sessions. tests/vectors/transcripts/README.md describes the files of one.
namespace sks::conformance {

inline constexpr std::string_view kSecretsFile = "secrets.json";
inline constexpr std::string_view kCallsFile = "sks-calls.json";

/// "05-KeyCreationRequest.json"
struct RecordedMessage {
  std::string file;
  std::size_t number;
  std::string qualifier;  ///< as the file name says
  Json content;
};

struct RecordedCall {
  std::string method;
  std::size_t after_message;
  Json in;
  Json out;

  bool failed() const { return out.is_object() && out.contains("error"); }
};

struct Recording {
  std::string name;                       ///< of its folder
  std::vector<RecordedMessage> messages;  ///< sorted by file name
  Json secrets;                           ///< an object
  std::vector<RecordedCall> calls;
};

/// Fails with not_available (the folder or one of the two files that every recording has is not there) or option
/// (a file that does not belong to a recording, too many of them, a file that read_document() refuses, a list of calls
/// that is none). Whether the messages are the right ones is not looked at.
Result<Recording> read_recording(const std::filesystem::path& folder);

}  // namespace sks::conformance
