#include <algorithm>

#include "key-user-api/local_issuer/restore.h"
#include "sealed-storage/backup_file.h"
#include "tests/fuzz/checks.h"
#include "tests/fuzz/device.h"

namespace sks::fuzz {
namespace {

/// So that an input takes no seconds.
constexpr std::size_t kMostKeys = 4;
constexpr std::size_t kMostExtensions = 16;

/// Chooses the first of a few PINs that the key store has not refused yet.
class PinChooser final : public keygen2::UserDialog {
 public:
  bool consent(const keygen2::ConsentRequest&) override { return true; }
  bool accept_many_keys(std::size_t) override { return true; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest&, const std::string& problem) override {
    if (problem.empty()) next_ = 0;
    if (next_ == kPins.size()) return std::nullopt;
    return SecureBytes::copy_of(as_bytes(kPins[next_++]));
  }

 private:
  static constexpr std::array<std::string_view, 6> kPins{"1357", "2", "A1", "aB3-", "97531864", "ABCD2468efgh,.97"};
  std::size_t next_ = 0;
};

std::size_t count_keys(SecureKeyStore& store) {
  std::size_t count = 0;
  for (KeyHandle last;; ++count) {
    const auto next = store.enumerate_keys(last).value();
    if (!next) return count;
    last = next->handle;
  }
}

bool has_session(SecureKeyStore& store, SessionState state) {
  return store.enumerate_provisioning_sessions({}, state).value().has_value();
}

/// All keys come, or none: into an empty store, and again into the same one.
void restore(const sealed::Backup& backup) {
  if (backup.keys.size() > kMostKeys) return;
  for (const sealed::BackupKey& key : backup.keys)
    if (key.extensions.size() > kMostExtensions) return;
  make_checks_fatal();
  Device device;
  SecureKeyStore& store = device.api();
  const test::FakeClock clock(1700000000);
  PinChooser chooser;
  const std::vector<bool> none(backup.keys.size(), false);
  const auto restored = restore_keys(backup, none, store, chooser, clock);
  require(!has_session(store, SessionState::open), "a restore leaves no session open");
  require(count_keys(store) == (restored ? backup.keys.size() : 0), "a restore brings all keys, or none");
  require(has_session(store, SessionState::closed) == (restored && !backup.keys.empty()),
          "a restore that fails leaves nothing behind");
  if (!restored) return;
  const auto present = find_present_keys(backup, store);
  require(present && std::ranges::find(*present, false) == present->end(), "restored keys are found again");
  require(static_cast<bool>(restore_keys(backup, *present, store, chooser, clock)), "there is nothing left to restore");
  require(count_keys(store) == backup.keys.size(), "a second restore changes nothing");
  device.restart();
}

}  // namespace
}  // namespace sks::fuzz

/// The content of a backup, as it comes out of its envelope: who knows a passphrase can put anything into one. What
/// decodes is restored.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sks::ByteView content(data, size);
  const auto backup = sks::sealed::decode_backup_content(content);
  if (!backup) return 0;
  sks::fuzz::require(sks::equal(sks::sealed::encode_backup_content(*backup).view(), content), "a backup has one form");
  sks::fuzz::restore(*backup);
  return 0;
}
