#pragma once

#include "conformance/replay_device.h"
#include "conformance/session.h"

namespace sks::conformance {

/// Plays one recorded session against a device. Private to the replay.
class SessionReplay {
 public:
  /// `session` is of `recording`.
  SessionReplay(const Recording& recording, const Session& session, ReplayDevice& device, ReplayResults& results);

  void run();

  /// How many calls were left out because the recordings did not make what they are about.
  std::size_t left_out() const { return left_out_; }
  /// The methods that were left out because a replay does not play them.
  const std::set<std::string>& unplayed() const { return unplayed_; }
  /// Why the session itself cannot be played; empty: it can.
  const std::string& obstacle() const { return obstacle_; }

 private:
  /// What is done wrong on purpose.
  enum class Tampering : std::uint8_t { none, mac, authorization };

  /// One call.
  struct Turn {
    std::size_t index;
    Json in;   ///< of the live call
    Json out;  ///< and what it returned
    Findings& findings;
    Tampering tampering = Tampering::none;
  };
  struct Step {
    std::string_view method;
    Subject subject;
    bool provisions;  ///< works in the open session, which an error ends
    void (SessionReplay::*judge)(Turn& turn);
  };
  struct Rewrite {
    std::string_view method;  ///< empty: all
    const char* argument;
    bool (SessionReplay::*run)(Turn& turn, const char* argument);  ///< false: the call cannot be made
  };
  struct Probe;
  struct PinPolicy {
    Json request;
    std::uint32_t puk = 0;
  };
  struct PukPolicy {
    Json request;
    Json value;
  };

  // replay_session.cpp
  static const Step* find_step(std::string_view method);
  static std::span<const Probe> probes();
  void play(std::size_t index, const Step& step);
  bool prepare(Turn& turn);
  bool perform(Turn& turn);
  bool has_expected_status(const Turn& turn);
  void add_mac(Turn& turn);
  void probe(std::size_t index);
  bool advance_to(std::size_t index);
  void expect_refusal(std::size_t index, const Probe& probe, Findings& findings);
  void end_session();
  void give_up(const std::string& sentence);

  // replay_rewrite.cpp
  static std::span<const Rewrite> rewrites();
  bool rewrite(Turn& turn);
  bool live_session(Turn& turn, const char* argument);
  bool live_key(Turn& turn, const char* argument);
  bool live_policy(Turn& turn, const char* argument);
  bool fresh_ephemeral_key(Turn& turn, const char* argument);
  bool fresh_nonce(Turn& turn, const char* argument);
  bool own_management_key(Turn& turn, const char* argument);
  bool encrypt_again(Turn& turn, const char* argument);
  bool encrypt_preset_pin(Turn& turn, const char* argument);
  bool encrypt_extension(Turn& turn, const char* argument);
  bool certify(Turn& turn, const char* argument);
  bool authorize_operation(Turn& turn, const char* argument);
  bool authorize_roll_over(Turn& turn, const char* argument);
  bool encrypt_for_key(Turn& turn, const char* argument);
  bool fresh_peer_key(Turn& turn, const char* argument);
  /// What the issuer of the recording encrypted, with the session key of then.
  Result<SecureBytes> decrypt_recorded(ByteView wrapped) const;
  Bytes encrypt(ByteView plaintext) const;
  Bytes device_id() const;
  const crypto::PrivateKey* management_key_of(std::uint32_t session) const;

  // replay_provisioning.cpp
  void judge_device(Turn& turn);
  void judge_session(Turn& turn);
  void derive_session_key(Turn& turn, const Input& covered);
  void judge_session_attestation(Turn& turn, const Input& attested);
  void judge_puk_policy(Turn& turn);
  void judge_pin_policy(Turn& turn);
  void judge_key(Turn& turn);
  void judge_public_key(Turn& turn);
  void judge_key_handle(Turn& turn);
  void judge_certificate(Turn& turn);
  void judge_symmetric_import(Turn& turn);
  void judge_private_import(Turn& turn);
  void judge_extension(Turn& turn);
  void judge_delete(Turn& turn);
  void judge_unlock(Turn& turn);
  void judge_update(Turn& turn);
  void judge_clone(Turn& turn);
  void judge_close(Turn& turn);
  void judge_abort(Turn& turn);
  void judge_roll_over(Turn& turn);
  void judge_attestation(Turn& turn);
  void inspect();
  void inspect_key(std::uint32_t handle, const std::string& id);

  // replay_use.cpp
  void judge_done(Turn& turn);
  void judge_as_recorded(Turn& turn);
  void judge_next_key(Turn& turn);
  void judge_next_session(Turn& turn);
  void judge_attributes(Turn& turn);
  void judge_deletion(Turn& turn);
  void judge_export(Turn& turn);
  void judge_new_pin(Turn& turn);
  void judge_signature(Turn& turn);
  void judge_agreement(Turn& turn);
  void judge_cipher(Turn& turn);
  std::optional<crypto::PublicKey> certified_key(Turn& turn);

  const RecordedCall& recorded(const Turn& turn) const { return recording_.calls[turn.index]; }
  Node recorded_in(const Turn& turn) const { return call_arguments(recording_, turn.index, turn.findings); }
  Node recorded_out(const Turn& turn) const { return call_result(recording_, turn.index, turn.findings); }
  Node live_in(const Turn& turn) const { return {turn.in, place(turn, "in"), turn.findings}; }
  Node live_out(const Turn& turn) const { return {turn.out, place(turn, "out"), turn.findings}; }
  Place place(const Turn& turn, const char* part) const;
  std::uint32_t handle(const Turn& turn, const char* argument) const;
  /// The key that the live call is about: of the open session, or of a closed one; null when it is unknown.
  ModelKey* key_of(const Turn& turn);

  const Recording& recording_;
  const Session& session_;
  ReplayDevice& device_;
  ReplayResults& results_;

  Recording live_;  ///< the calls as they are made, at the places of the recorded ones
  std::size_t left_out_ = 0;
  std::set<std::string> unplayed_;
  std::string obstacle_;
  bool broken_ = false;  ///< the open session is gone

  std::optional<crypto::PrivateKey> ephemeral_;
  std::optional<crypto::PrivateKey> peer_;  ///< of key agreements
  SecureBytes session_key_;
  std::uint32_t handle_ = 0;  ///< of the open session
  bool anonymous_ = false;
  std::map<std::uint32_t, std::uint32_t> pin_handles_;  ///< live by recorded
  std::map<std::uint32_t, std::uint32_t> puk_handles_;
  std::map<std::uint32_t, PinPolicy> pins_;  ///< by live handle
  std::map<std::uint32_t, PukPolicy> puks_;
  std::map<std::uint32_t, ModelKey> made_;
  std::vector<ModelOperation> operations_;
};

}  // namespace sks::conformance
