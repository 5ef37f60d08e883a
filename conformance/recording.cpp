#include "conformance/recording.h"

#include <algorithm>
#include <optional>

namespace sks::conformance {
namespace {

/// A session has ten messages at most.
constexpr std::size_t kMaxFiles = 32;
constexpr std::string_view kMessageSuffix = ".json";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/// "NN-Name.json": its number and its name.
std::optional<std::pair<std::size_t, std::string>> parse_message_file(std::string_view file) {
  constexpr std::size_t kPrefix = 3;
  if (file.size() <= kPrefix + kMessageSuffix.size() || !file.ends_with(kMessageSuffix)) return std::nullopt;
  if (!is_digit(file[0]) || !is_digit(file[1]) || file[2] != '-') return std::nullopt;
  const std::string_view name = file.substr(kPrefix, file.size() - kPrefix - kMessageSuffix.size());
  if (!std::ranges::all_of(name, is_letter)) return std::nullopt;
  return std::pair(static_cast<std::size_t>((file[0] - '0') * 10 + (file[1] - '0')), std::string(name));
}

Result<std::vector<std::string>> list_files(const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::directory_iterator entries(folder, problem);
  std::vector<std::string> files;
  while (!problem && entries != std::filesystem::directory_iterator()) {
    files.push_back(entries->path().filename().string());
    if (files.size() > kMaxFiles)
      return Error{Status::option,
                   folder.string() + " is no recording: it holds more than " + std::to_string(kMaxFiles) + " files"};
    entries.increment(problem);
  }
  if (problem) return Error{Status::not_available, folder.string() + ": " + problem.message()};
  std::ranges::sort(files);
  return files;
}

Result<std::vector<RecordedCall>> to_calls(Json document) {
  const Error no_calls{Status::option, std::string(kCallsFile) + " is no list of calls"};
  if (!document.is_array()) return no_calls;
  std::vector<RecordedCall> calls;
  for (Json& call : document) {
    const bool whole = call.is_object() && call.contains("out") && call.value("method", Json()).is_string() &&
                       call.value("in", Json()).is_object() && call.value("afterMessage", Json()).is_number_unsigned();
    if (!whole)
      return Error{Status::option, "call " + std::to_string(calls.size()) + " of " + std::string(kCallsFile) +
                                       " lacks one of method, afterMessage, in and out"};
    calls.push_back({call["method"].get<std::string>(), call["afterMessage"].get<std::size_t>(), std::move(call["in"]),
                     std::move(call["out"])});
  }
  return calls;
}

}  // namespace

Result<Recording> read_recording(const std::filesystem::path& folder) {
  SKS_LET(const std::vector<std::string> files, list_files(folder));
  Recording recording{std::filesystem::absolute(folder / ".").parent_path().filename().string(), {}, {}, {}};
  for (const std::string& file : files) {
    if (file == kSecretsFile || file == kCallsFile) continue;
    auto message = parse_message_file(file);
    if (!message)
      return Error{Status::option, folder.string() + " is no recording: \"" + file + "\" is no file of one"};
    SKS_LET(Json content, read_document(folder / file));
    recording.messages.push_back({file, message->first, std::move(message->second), std::move(content)});
  }
  SKS_LET(recording.secrets, read_document(folder / kSecretsFile));
  if (!recording.secrets.is_object())
    return Error{Status::option, folder.string() + " is no recording: " + std::string(kSecretsFile) + " is no object"};
  SKS_LET(Json calls, read_document(folder / kCallsFile));
  auto listed = to_calls(std::move(calls));
  if (!listed) return Error{listed.error().status, folder.string() + " is no recording: " + listed.error().detail};
  recording.calls = std::move(listed).value();
  return recording;
}

}  // namespace sks::conformance
