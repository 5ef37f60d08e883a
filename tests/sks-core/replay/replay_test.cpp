#include <doctest/doctest.h>

#include "sks-core/engine/engine.h"
#include "sks-core/wire/client.h"
#include "tests/sks-core/replay/gaps.h"
#include "tests/support/storage_fakes.h"

// 26 sessions recorded between the reference client, its key store and its issuer (tests/vectors/transcripts), given to
// this key store in their order.
namespace sks::test {
namespace {

class RecordedDevicePin final : public DevicePinVerifier {
 public:
  bool verify(ByteView pin) override { return equal(pin, as_bytes("1234")); }
};

struct RecordedDevice {
  explicit RecordedDevice(const std::vector<Recording>& recordings)
      : identity(certificates(recordings.front().secrets["deviceCertificates"])) {
    config.biometric_support = true;
    config.device_pin = &device_pin;
    open();
  }
  void open() { engine = Engine::open({storage, identity, keys, random, clock}, config).value(); }

  InMemoryStorage storage;
  RecordedIdentity identity;
  ScriptedKeySource keys;
  ScriptedRandom random;
  FakeClock clock{1795213403};
  RecordedDevicePin device_pin;
  EngineConfig config;
  std::unique_ptr<Engine> engine;
};

void check(const ReplayTotals& totals) {
  MESSAGE("sessions " << totals.sessions << ", calls " << totals.calls << " (" << totals.errors
                      << " that fail), results compared " << totals.values << ", MACs accepted " << totals.macs
                      << ", signatures verified " << totals.signatures);
  CHECK(totals.sessions == 26);
  CHECK(totals.calls == 1251);
  CHECK(totals.errors == 3);
  CHECK(totals.macs == 107);
  CHECK(totals.signatures == 4);
  CHECK(totals.values == 5661);
}

}  // namespace

TEST_CASE("Recorded sessions: the engine answers every call of the key store as the reference did") {
  const std::vector<Recording> recordings = read_recordings();
  RecordedDevice device(recordings);
  Gaps gaps(recordings);
  ReplayTotals totals;
  const ScriptedStore store{*device.engine, device.random, device.keys, device.identity};
  for (const Recording& recording : recordings) {
    gaps.fill_up_to(recording.session, store);
    replay(recording, store, totals);
  }
  check(totals);
}

TEST_CASE("Recorded sessions: so does a store at the other end of the byte stream, opened anew for each of them") {
  const std::vector<Recording> recordings = read_recordings();
  RecordedDevice device(recordings);
  Gaps gaps(recordings);
  ReplayTotals totals;
  for (const Recording& recording : recordings) {
    device.engine.reset();
    device.open();
    wire::RemoteKeyStore remote(std::make_unique<wire::LocalChannel>(*device.engine));
    const ScriptedStore store{remote, device.random, device.keys, device.identity};
    gaps.fill_up_to(recording.session, store);
    replay(recording, store, totals);
  }
  check(totals);
}

}  // namespace sks::test
