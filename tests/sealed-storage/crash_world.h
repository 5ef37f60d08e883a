#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sealed-storage/sqlite_store.h"
#include "tests/sks-core/engine/device.h"
#include "tests/support/temp_dir.h"

/// A real engine on a real store, and a small model of what both must hold after every step.
namespace sks::test {

inline constexpr std::uint16_t kRetryLimit = 3;
inline const std::string kFirstPin = "1234";
inline const std::string kWrongPin = "0000";
inline const std::string kPuk = "99999";
inline const std::string kWrongPuk = "11111";
inline const std::string kBagType = "https://example.com/bag";

/// What a user can see of a store, apart from secrets, and the PINs.
struct Model {
  struct Key {
    std::string session;
    std::string group;               ///< empty: no PIN
    std::set<std::string> features;  ///< as describe_key() names them
  };
  struct Session {
    bool open = true;
    std::map<std::string, Key> unfinished;  ///< by id
  };
  /// Keys that share a PIN; every group has a PUK of its own here.
  struct Group {
    std::string pin = kFirstPin;
    int errors = 0;
    int puk_errors = 0;
    bool prepaid = false;  ///< the next attempt is paid for on the disk
    bool locked() const { return errors >= kRetryLimit; }
    bool puk_locked() const { return puk_errors >= kRetryLimit; }
  };

  bool prepays = false;  ///< EngineConfig::prepay_pin_attempts
  std::map<std::string, Session> sessions;
  std::map<std::string, Key> keys;  ///< of closed sessions, by friendly name
  std::map<std::string, Group> groups;

  Group& group_of(const std::string& key) { return groups.at(keys.at(key).group); }
  const Group& group_of(const std::string& key) const { return groups.at(keys.at(key).group); }
  /// Lets go of sessions without keys and groups without members.
  void tidy();
  /// What is left when the process dies: an attempt that was paid for is lost.
  Model after_crash() const;
  /// What is left when the engine ends in order: an attempt that was paid for is given back.
  Model after_end() const;
  std::string text() const;
};

/// Every commit that a store was asked for.
class RecordingStorage final : public Storage {
 public:
  using Records = std::map<RecordId, Bytes>;
  struct Commit {
    std::size_t asked;                ///< operations on the disk before the commit
    std::optional<std::size_t> done;  ///< and when it was reported as durable; none: it was reported to have failed
    Records records;                  ///< of the whole store afterwards
    bool visible = false;             ///< to later transactions
  };

  explicit RecordingStorage(std::unique_ptr<SqliteStore> store, std::vector<Commit>& history);

  Result<std::unique_ptr<Transaction>> begin() override;
  Result<std::unique_ptr<Transaction>> begin_shared() override;
  Result<void> make_durable() override;
  bool make_room() override { return store_->make_room(); }

 private:
  class RecordedTransaction;
  /// All that is visible has just been reported as durable.
  static void note_durable(std::vector<Commit>& history);
  std::unique_ptr<SqliteStore> store_;
  std::vector<Commit>& history_;
};

RecordingStorage::Records read_records(Storage& storage);

/// A store in a folder, the engine on it, and the issuers who are at work.
class World {
 public:
  World(std::string folder, EngineConfig config) : folder_(std::move(folder)), config_(std::move(config)) {
    model.prepays = config_.prepay_pin_attempts;
  }

  Result<void> open();
  void close();
  bool is_open() const { return engine_ != nullptr; }

  SecureKeyStore& engine() { return *engine_; }
  /// The issuer whose turn it is: the one who came last, unless turn_to() says otherwise.
  TestIssuer& issuer() { return issuers_.at(turn_); }
  TestIssuer& new_issuer(const std::string& session);
  void turn_to(const std::string& session) { turn_ = session; }
  const std::vector<RecordingStorage::Commit>& history() const { return history_; }

  /// A key of a closed session by its friendly name.
  Result<KeyHandle> find(const std::string& key);

  Model model;  ///< before the step that runs
  std::map<std::string, CreatedKey> created;
  std::map<std::string, Bytes> certificates;
  std::map<std::string, PukPolicyHandle> puk_policies;
  std::map<std::string, PinPolicyHandle> pin_policies;

 private:
  std::string folder_;
  EngineConfig config_;
  std::vector<RecordingStorage::Commit> history_;
  FakeClock clock_{1700000000};
  std::unique_ptr<RecordingStorage> storage_;
  std::unique_ptr<Engine> engine_;
  std::map<std::string, TestIssuer> issuers_;
  std::string turn_;
};

/// The text of Model::text(), read from a store.
std::string observe(SecureKeyStore& store);

/// One for all engines.
const TestIdentity& test_identity();

/// Uses everything that `model` says is there: PINs, keys, an abort of what is open, a new key. Returns what went
/// wrong.
std::string try_everything(SecureKeyStore& store, Model model, const std::map<std::string, Bytes>& certificates);

/// Something that is asked of the engine, and what it changes. A crash may leave the state before it or one of
/// `states`, and nothing else.
struct Step {
  enum class Kind : std::uint8_t {
    whole,       ///< after a failure it can be asked again
    in_session,  ///< a failure aborts the open session
    abort,       ///< aborts the open session itself, and reports no failure of the disk
    end,         ///< reports no failure of the disk
  };
  std::string name;
  Kind kind;
  std::function<Result<void>(World&)> run;
  std::function<std::vector<Model>(const Model& before)> states;  ///< in the order of the commits; the last: afterwards
};

/// The state in which a failed call leaves a store when it aborts the session.
Model aborted(Model model);

const crypto::PrivateKey& management_key();

Step begin();
Step end();
Step open_session(const std::string& session);
Step puk_policy(const std::string& group);
Step pin_policy(const std::string& group);
Step create_key(const std::string& session, const std::string& key, const std::string& group = "");
Step set_certificate(const std::string& key);
Step import_symmetric(const std::string& session, const std::string& key);
Step import_private(const std::string& session, const std::string& key);
Step add_bag(const std::string& session, const std::string& key);
enum class Post : std::uint8_t { delete_key, unlock, update, clone };
/// `key` is the new one of update and clone.
Step post(Post what, const std::string& target, const std::string& key = "");
/// `posts`: what the recorded operations change.
Step close_session(const std::string& session, const std::function<void(Model&)>& posts = {});
Step abort_session(const std::string& session);
Step send_wrong_mac(const std::string& session);
Step try_pin(const std::string& key, const std::string& pin);
Step sign_with_pin(const std::string& key, const std::string& pin);
Step try_puk(const std::string& key, const std::string& puk);
Step change_pin(const std::string& key, const std::string& pin, const std::string& new_pin);
Step set_pin(const std::string& key, const std::string& puk, const std::string& new_pin);
/// Two calls in sessions of their own at the same time, so that they share a sync. In this order.
Step at_once(const std::string& session, const Step& step, const std::string& other_session, const Step& other_step);
Step set_property(const std::string& key, const std::string& value);
Step export_key(const std::string& key);
Step delete_key(const std::string& key);
/// Restores a backup into the session "local": the key A with a bag, and the key B with the PIN of group "g".
Step restore_backup();
/// Makes `key` in a session of the local issuer, which another call falls into.
Step make_local_key(const std::string& key, const std::string& session, const Step& other);

}  // namespace sks::test
