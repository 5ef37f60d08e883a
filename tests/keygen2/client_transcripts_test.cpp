#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <set>

#include "keygen2/client_session.h"
#include "keygen2/time.h"
#include "sks-core/base/encoding.h"
#include "sks-core/wire/client.h"
#include "tests/keygen2/recorded_store.h"
#include "tests/support/fakes.h"
#include "tests/support/temp_dir.h"

// 26 sessions recorded between the reference client, its key store and its issuer (tests/vectors/transcripts): this
// client gets the issuer's messages and the key store's results, and must make the same calls and give the same
// replies.
namespace {

using namespace sks;
using namespace sks::keygen2;
using conformance::Json;

/// Agrees to everything, and chooses the PINs of the recording.
class RecordedUser final : public UserDialog {
 public:
  explicit RecordedUser(const conformance::Recording& recording) {
    for (const conformance::RecordedCall& call : recording.calls) {
      if (call.method != "createKeyEntry" || call.in["pinValue"].is_null()) continue;
      const Json& name = call.in["friendlyName"].is_null() ? call.in["id"] : call.in["friendlyName"];
      const Result<Bytes> pin = from_hex(call.in["pinValue"].get<std::string>());
      REQUIRE(pin);
      pins_[name.get<std::string>()] = *pin;
    }
  }

  bool consent(const ConsentRequest&) override { return true; }
  std::optional<SecureBytes> choose_pin(const PinRequest& request, const std::string& problem) override {
    CHECK(problem.empty());
    return SecureBytes::copy_of(pins_.at(request.key_names.front()));
  }
  bool accept_many_keys(std::size_t) override { return false; }
  bool disclose(const std::vector<std::string>&) override { return true; }
  void creating_key(const KeyCreationProgress& progress) override {
    CHECK(progress.number == ++keys);
    CHECK(progress.total >= progress.number);
  }

  std::size_t keys = 0;

 private:
  std::map<std::string, Bytes> pins_;
};

/// The context in which the recorded client answered as it did.
ClientContext context_of(const conformance::Recording& recording) {
  const Result<Bytes> certificate = from_base64url([&] {
    auto text = recording.secrets["serverCertificate"].get<std::string>();
    std::erase(text, '=');
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return text;
  }());
  REQUIRE(certificate);
  ClientContext context{recording.secrets["issuerUri"], "issuer.example.com", *certificate};
  const Json& response = recording.messages.at(1).content;
  if (!response.contains("clientCapabilities")) return context;
  for (const Json& capability : response["clientCapabilities"]) {
    const std::string type = capability["type"];
    if (capability.contains("values")) context.attributes[type] = capability["values"].get<std::vector<std::string>>();
    if (capability.contains("imageAttributes")) {
      const Json& image = capability["imageAttributes"];
      context.image_preferences[type] = {image["mimeType"], image["width"], image["height"]};
    }
  }
  return context;
}

/// The same instant in whatever zone.
void check_time_and_unify(Json& own, const Json& recorded) {
  if (!recorded.contains("clientTime")) return;
  CHECK(parse_time(own["clientTime"].get<std::string>(), TimeZone::offset) ==
        parse_time(recorded["clientTime"].get<std::string>(), TimeZone::offset));
  own["clientTime"] = recorded["clientTime"];
}

std::size_t replay(const conformance::Recording& recording) {
  auto channel = std::make_unique<test::RecordedStore>(recording);
  test::RecordedStore& recorded = *channel;
  wire::RemoteKeyStore store(std::move(channel));
  RecordedUser user(recording);
  const test::FakeClock clock(recording.secrets["clientTime"].get<std::int64_t>());
  ClientSession client(store, user, clock, context_of(recording));
  for (std::size_t i = 0; i + 1 < recording.messages.size(); i += 2) {
    CAPTURE(recording.messages[i].file);
    recorded.begin_message(i + 1);
    const Outcome<std::string> reply = client.receive(recording.messages[i].content.dump());
    if (!reply) FAIL(reply.error().detail);
    Json own = Json::parse(*reply);
    check_time_and_unify(own, recording.messages[i + 1].content);
    CHECK(own == recording.messages[i + 1].content);
  }
  CHECK(recorded.left() == 0);
  CHECK(client.committed());
  CHECK(user.keys == client.key_count());
  const Outcome<Ending> ending = client.terminated();
  REQUIRE(ending);
  CHECK(*ending == Ending::finished);
  return recorded.made();
}

}  // namespace

TEST_CASE("Recorded sessions: the client calls the key store and replies as the reference did") {
  std::set<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(test::source_file("tests/vectors/transcripts")))
    if (entry.is_directory()) folders.insert(entry.path());
  std::size_t calls = 0;
  for (const std::filesystem::path& folder : folders) {
    CAPTURE(folder.filename().string());
    const auto recording = conformance::read_recording(folder);
    if (!recording) FAIL(recording.error().detail);
    calls += replay(*recording);
  }
  CHECK(folders.size() == 26);
  // 26 createProvisioningSession and close, 27 keys with getKeyHandle and setCertificatePath, 17 policies, 3 imports, 5
  // extensions, 2 post operations.
  CHECK(calls == 2 * 26 + 3 * 27 + 17 + 3 + 5 + 2);
}
