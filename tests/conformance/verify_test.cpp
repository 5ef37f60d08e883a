#include "conformance/verify.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "conformance/report.h"
#include "tests/support/temp_dir.h"

namespace sks::conformance {
namespace {

namespace fs = std::filesystem;

const fs::path& transcripts() {
  static const fs::path path = test::source_file("tests/vectors/transcripts");
  return path;
}

std::vector<std::string> all_folders() {
  std::vector<std::string> folders;
  for (const auto& entry : fs::directory_iterator(transcripts()))
    if (entry.is_directory()) folders.push_back(entry.path().string());
  std::ranges::sort(folders);
  return folders;
}

/// A copy of a recorded session that a test may damage.
class Copy {
 public:
  explicit Copy(const char* session) { fs::copy(transcripts() / session, dir_.path()); }
  std::string path() const { return dir_.path(); }
  std::string file(const char* name) const { return dir_.file(name); }
  SessionResult verified() const { return verify({path()}).front(); }

 private:
  test::TempDir dir_;
};

/// "check: file path sentence" of everything that was found.
std::vector<std::string> findings(const SessionResult& result) {
  std::vector<std::string> lines;
  for (const CheckResult& row : result.checks)
    for (const Finding& finding : row.findings.list())
      lines.push_back(std::string(row.topic->name) + ": " + to_string(finding.place) + ' ' + finding.sentence);
  return lines;
}

std::string first_finding(const SessionResult& result) {
  const std::vector<std::string> lines = findings(result);
  return lines.empty() ? "" : lines.front();
}

TEST_CASE("Verify: all recorded sessions pass") {
  const std::vector<SessionResult> results = verify(all_folders());
  REQUIRE(results.size() == 26);
  std::size_t macs = 0;
  for (const SessionResult& result : results) {
    CAPTURE(to_table({result}));
    CHECK(result.outcome() == Outcome::passed);
    for (const CheckResult& row : result.checks)
      macs += std::string(row.topic->name) == "counters" ? row.findings.comparisons() : 0;
  }
  // Every one that the recordings list: 107 MACs and 53 attestations.
  CHECK(macs == 107 + 53);
}

TEST_CASE("Verify: a difference is put side by side, by field") {
  Copy copy("BiometricSupport");
  Json calls = *read_document(copy.file("sks-calls.json"));
  REQUIRE(calls[3]["method"] == "createKeyEntry");
  calls[3]["in"]["appUsage"] = 0;
  test::write_file(copy.file("sks-calls.json"), calls.dump());
  const SessionResult result = copy.verified();
  REQUIRE(findings(result).size() == 1);
  CHECK(first_finding(result) ==
        "creation: sks-calls.json /3/in/appUsage (createKeyEntry) the input of the MAC of createKeyEntry (counter 1) "
        "differs from what it should be in appUsage at byte 69");
  const auto row =
      std::ranges::find_if(result.checks, [](const CheckResult& check) { return !check.findings.empty(); });
  const Difference& difference = *row->findings.list().front().difference;
  CHECK(difference.field == "appUsage");
  CHECK(difference.offset == 69);
  CHECK(to_string(difference.expected) == "secrets.json /macOperations/1/data");
  const auto field = std::ranges::find(difference.rows, "appUsage", &Difference::Row::field);
  CHECK(field->expected == "01");
  CHECK(field->found == "00");
  CHECK(std::ranges::count(difference.rows, false, &Difference::Row::equal) == 1);
}

TEST_CASE("Verify: messages that are missing or in the wrong place are named") {
  Copy removed("BiometricSupport");
  fs::remove(removed.file("06-KeyCreationResponse.json"));
  CHECK(first_finding(removed.verified()) ==
        "message-order: 06-KeyCreationResponse.json is missing: it is message 6 of this session");

  Copy swapped("BiometricSupport");
  fs::rename(swapped.file("05-KeyCreationRequest.json"), swapped.file("x"));
  fs::rename(swapped.file("07-ProvisioningFinalizationRequest.json"), swapped.file("05-KeyCreationRequest.json"));
  fs::rename(swapped.file("x"), swapped.file("07-ProvisioningFinalizationRequest.json"));
  CHECK(first_finding(swapped.verified()) ==
        "message-order: 05-KeyCreationRequest.json /@qualifier is not KeyCreationRequest, as the file's name says");

  Copy renumbered("BiometricSupport");
  fs::rename(renumbered.file("05-KeyCreationRequest.json"), renumbered.file("09-KeyCreationRequest.json"));
  CHECK(first_finding(renumbered.verified()) ==
        "message-order: 05-KeyCreationRequest.json is missing: it is message 5 of this session");
}

TEST_CASE("Verify: calls and operations that are missing, surplus or out of order are named") {
  const auto changed = [](auto change) {
    Copy copy("StandardExtension");
    Json calls = *read_document(copy.file("sks-calls.json"));
    change(calls);
    test::write_file(copy.file("sks-calls.json"), calls.dump());
    return findings(copy.verified());
  };
  const auto position = [](const Json& calls, const char* method) {
    return static_cast<std::size_t>(
        std::ranges::find_if(calls, [&](const Json& call) { return call["method"] == method; }) - calls.begin());
  };
  const auto names = [](const std::vector<std::string>& lines, const std::string& part) {
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(part) != std::string::npos; });
  };
  CHECK(names(changed([&](Json& calls) { calls.erase(position(calls, "addExtension")); }),
              "belongs to addExtension of 07-ProvisioningFinalizationRequest.json"));
  CHECK(names(changed([&](Json& calls) { calls.erase(position(calls, "closeProvisioningSession")); }),
              "call-order: sks-calls.json holds 0 calls of closeProvisioningSession instead of one"));
  CHECK(names(changed([&](Json& calls) { calls[position(calls, "createKeyEntry")]["afterMessage"] = 7; }),
              "does not follow the KeyCreationRequest"));
  CHECK(names(changed([&](Json& calls) { calls[position(calls, "addExtension")]["out"] = {{"error", 4}}; }), "failed"));
  CHECK(names(changed([&](Json& calls) { calls[position(calls, "addExtension")]["in"].erase("mac"); }),
              "/in/mac (addExtension) is missing"));
}

TEST_CASE("Verify: a session that another folder holds, too, is named") {
  Copy copy("ServerSeed");
  const std::string original = (transcripts() / "ServerSeed").string();
  const std::vector<SessionResult> results = verify({original, copy.path()});
  CHECK(results.front().outcome() == Outcome::passed);
  CHECK(findings(results.back()) ==
        std::vector<std::string>{"session-ids: secrets.json /clientSessionId is also that of the session in " +
                                 original});
}

TEST_CASE("Verify: what is no recording is unreadable, with a sentence") {
  const auto sentence = [](const Copy& copy) {
    const SessionResult result = copy.verified();
    CHECK(result.outcome() == Outcome::unreadable);
    CHECK(result.checks.empty());
    return result.unreadable;
  };
  Copy secrets("ServerSeed");
  fs::remove(secrets.file("secrets.json"));
  CHECK(sentence(secrets) == secrets.file("secrets.json") + ": cannot be read: there is no such file");

  Copy truncated("ServerSeed");
  const std::string message = truncated.file("05-KeyCreationRequest.json");
  fs::resize_file(message, 100);
  CHECK(sentence(truncated) == message + ": malformed JSON at byte 101");

  Copy duplicate("ServerSeed");
  test::write_file(duplicate.file("secrets.json"), R"({"test": 1, "test": 2})");
  CHECK(sentence(duplicate) == duplicate.file("secrets.json") + ": the property \"test\" occurs twice in one object");

  Copy huge("ServerSeed");
  fs::resize_file(huge.file("sks-calls.json"), 8 * 1024 * 1024 + 1);
  CHECK(sentence(huge) == huge.file("sks-calls.json") + ": longer than 8 MiB");

  Copy no_calls("ServerSeed");
  test::write_file(no_calls.file("sks-calls.json"), R"([{"method": "x"}])");
  CHECK(sentence(no_calls) == no_calls.path() +
                                  " is no recording: call 0 of sks-calls.json lacks one of method, "
                                  "afterMessage, in and out");

  Copy surplus("ServerSeed");
  test::write_file(surplus.file("notes.txt"), "");
  CHECK(sentence(surplus) == surplus.path() + " is no recording: \"notes.txt\" is no file of one");

  Copy crowded("ServerSeed");
  for (int i = 0; i < 30; ++i) test::write_file(crowded.file(("f" + std::to_string(i)).c_str()), "");
  CHECK(sentence(crowded) == crowded.path() + " is no recording: it holds more than 32 files");

  CHECK(verify({"/nonexistent"}).front().unreadable == "/nonexistent: No such file or directory");
}

TEST_CASE("Verify: values of wrong types are named and end nothing") {
  const Recording original = *read_recording(transcripts() / "UpdateKey-2");
  const std::vector<Json> values{nullptr, -1, "\xC3\xA4", Json::array({1})};
  const auto try_all = [&](Recording& changed, Json& place) {
    const Json before = place;
    const Json leaves = before.flatten();
    for (const auto& item : leaves.items()) {
      for (const Json& value : values) {
        place[Json::json_pointer(item.key())] = value;
        CHECK(check_recording(changed).size() == checks().size());
        place = before;
      }
    }
  };
  Recording changed = original;
  for (RecordedMessage& message : changed.messages) try_all(changed, message.content);
  for (RecordedCall& call : changed.calls)
    if (call.in.contains("mac") || call.method == "createProvisioningSession") try_all(changed, call.in);
}

TEST_CASE("Reports: texts from outside stay texts") {
  CHECK(printable("a\x1b[31mb\x7f\n") == "a?[31mb??");
  CHECK(printable("\xC3\xA4 \xFF") == "?? ?");
  CHECK(printable("\xC3\xA4 \xC2\x9B \xEF\xBF\xBE") == "\xC3\xA4 ? ?");
}

}  // namespace
}  // namespace sks::conformance
