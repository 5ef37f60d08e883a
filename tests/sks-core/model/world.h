#pragma once

#include <memory>
#include <set>

#include "sks-core/engine/engine.h"
#include "tests/sks-core/model/crashing_storage.h"
#include "tests/sks-core/model/model.h"
#include "tests/support/fakes.h"
#include "tests/support/test_issuer.h"

/// A key store and the model of it, given the same calls.
namespace sks::model {

/// Keys and certificates that all worlds share: making them anew would take most of the time.
class Supplies {
 public:
  static Supplies& get();
  crypto::PrivateKey pair(int index) const;
  const crypto::PublicKey& public_key(int index) const { return public_keys_.at(static_cast<std::size_t>(index)); }
  const Bytes& pkcs8(int index) const { return pkcs8_.at(static_cast<std::size_t>(index)); }
  const Bytes& certificate(const Certificate& certificate);
  /// What a certificate was made of, as text.
  std::string name_of_certificate(const Bytes& der) const;
  const crypto::PrivateKey& kmk(Kmk number) const { return kmks_.at(static_cast<std::size_t>(number - 1)); }
  std::string name_of_kmk(const Bytes& spki) const;
  const test::TestIdentity& identity() const { return identity_; }

 private:
  Supplies();
  std::vector<Bytes> pkcs8_;
  std::vector<crypto::PublicKey> public_keys_;
  std::vector<crypto::PrivateKey> kmks_;
  std::map<Certificate, Bytes> certificates_;
  std::map<Bytes, Certificate> names_;
  test::TestIdentity identity_;
};

/// What a store answered.
struct Answer {
  std::optional<Status> status;
  Handle made = 0;
  Handle found = 0;
  std::uint8_t activation = 0;
  std::string wrong;  ///< what is wrong with the result of a call that succeeded
};

/// What can be seen of a store, as text, and the counters in it.
struct View {
  std::map<std::string, std::string> lines;
  std::map<Handle, KeyProtectionInfo> protection;
};

class World {
 public:
  enum class Access : std::uint8_t { direct, byte_stream };
  explicit World(Access access);
  ~World();

  /// Makes a call. Returns what came out otherwise than the model says.
  std::optional<std::string> run(const Call& call);
  /// Compares all that can be seen.
  std::optional<std::string> compare();

  const State& state() const { return state_; }
  /// Of the last call: its status.
  const std::string& last_outcome() const { return last_outcome_; }
  /// Label of the call that made an object; zero if none did.
  int session_label(Handle handle) const { return label_of(labels_.sessions, handle); }
  int key_label(Handle handle) const { return label_of(labels_.keys, handle); }
  int pin_label(Handle handle) const { return label_of(labels_.pins, handle); }
  int puk_label(Handle handle) const { return label_of(labels_.puks, handle); }

 private:
  class PairSource;
  using Labels = std::map<int, Handle>;
  struct AllLabels {
    Labels sessions, keys, pins, puks;
  };
  /// A state that the store may be in, and how far counters may be off: an attempt may have been paid for in vain.
  struct Candidate {
    State state;
    AllLabels labels;
    Handle subject = 0;                   ///< key whose PIN or PUK was looked at by the call that was cut short
    std::uint16_t fewest_pin_errors = 0;  ///< of the subject's group
    std::uint16_t fewest_puk_errors = 0;
    bool is_reopened = false;
  };

  static int label_of(const Labels& labels, Handle handle);
  Request resolve(const Call& call) const;
  void open();
  std::optional<std::string> restart(bool in_good_order);
  std::optional<std::string> settle(std::vector<Candidate> candidates);
  bool adopt_counters(Candidate& candidate, const View& view) const;
  std::pair<std::uint16_t, std::uint16_t> pin_range(const Candidate& candidate, Handle key) const;
  std::optional<std::string> reopen(CrashingStorage::Snapshot durable, std::vector<Candidate> candidates);
  Candidate candidate(State state, AllLabels labels, const Request& request, const State& before) const;
  std::optional<std::string> check_answer(const Request& request, const Answer& answer, const Verdict& verdict,
                                          unsigned naps);
  std::optional<std::string> after_kill(const Request& request, const State& before, const AllLabels& labels,
                                        int commits_before);
  std::optional<std::string> after_refusal(const Request& request, const State& before, const AllLabels& labels);
  void note_label(const Request& request, const Answer& answer);
  void note_pin(const Request& request, const State& before);
  std::optional<std::string> check_hidden_keys() const;

  // world_view.cpp
  View view() const;
  View expected_view(const State& state) const;

  // world_calls.cpp
  Answer send(const Request& request);
  test::TestIssuer* issuer_of(Handle session);
  test::TestIssuer* issuer_of_key(Handle key);
  Answer create_session(const Request& request);
  Answer close_session(const Request& request);
  Answer update_kmk(const Request& request);
  Answer create_puk_policy(const Request& request);
  Answer create_pin_policy(const Request& request);
  Answer create_key(const Request& request);
  Answer set_certificate_path(const Request& request);
  Answer import_key(const Request& request);
  Answer add_extension(const Request& request);
  Answer post(const Request& request);
  Answer switch_activation(const Request& request);
  Answer export_key(const Request& request);
  Answer use_key(const Request& request);
  std::string check_use(const Request& request, ByteView data, ByteView result) const;

  const Access access_;
  CrashingStorage storage_;
  test::FakeClock clock_{1700000000};
  std::unique_ptr<PairSource> keys_;
  std::unique_ptr<DevicePinVerifier> device_pin_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SecureKeyStore> remote_;
  SecureKeyStore* store_ = nullptr;

  State state_;
  AllLabels labels_;
  std::string last_outcome_;
  std::map<Handle, std::unique_ptr<test::TestIssuer>> issuers_;
  std::map<Handle, CreatedKey> created_keys_;
  std::map<Handle, std::string> client_ids_;
  /// Keys whose right PIN was given since the engine was opened: their group may have an attempt paid for.
  std::set<Handle> right_pins_;
  /// What may still be durable because the storage refused a later change, until a commit goes through.
  std::optional<std::pair<State, AllLabels>> stale_;
  int commits_at_stale_ = 0;
};

}  // namespace sks::model
