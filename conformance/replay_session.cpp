#include "conformance/replay_session.h"

#include <algorithm>

#include "conformance/calls.h"
#include "conformance/comparison.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"

// One call after the other: the arguments of now, the call, its status, and then what it returned.
namespace sks::conformance {
namespace {

bool is_post_operation(std::string_view method) { return method.starts_with("post"); }
bool has_mac(const RecordedCall& call) { return call.in.contains("mac"); }

std::string describe(std::optional<Status> status, const Json& out) {
  if (!status) return "success";
  std::string text(to_string(*status));
  const std::string message = out.is_object() ? out.value("message", "") : "";
  return message.empty() ? text : text + " (" + message + ')';
}

}  // namespace

/// A call that has to be refused, and to end the session. Spec: sks-api.md 1.6.
struct SessionReplay::Probe {
  const char* argument;
  const char* what;
  Tampering tampering;
  Status expected;
  bool (*applies)(std::string_view method);
};

std::span<const SessionReplay::Probe> SessionReplay::probes() {
  static constexpr auto kProbes = std::to_array<Probe>({
      {"mac", "a wrong MAC", Tampering::mac, Status::mac, [](std::string_view) { return true; }},
      {"authorization", "a signature of the key management key over something else", Tampering::authorization,
       Status::option, is_post_operation},
  });
  return kProbes;
}

const SessionReplay::Step* SessionReplay::find_step(std::string_view method) {
  using Self = SessionReplay;
  static constexpr auto kSteps = std::to_array<Step>({
      {"getDeviceInfo", Subject::device, false, &Self::judge_device},
      {"createProvisioningSession", Subject::session, true, &Self::judge_session},
      {"createPukPolicy", Subject::policies, true, &Self::judge_puk_policy},
      {"createPinPolicy", Subject::policies, true, &Self::judge_pin_policy},
      {"createKeyEntry", Subject::keys, true, &Self::judge_key},
      {"getKeyHandle", Subject::keys, true, &Self::judge_key_handle},
      {"setCertificatePath", Subject::certificates, true, &Self::judge_certificate},
      {"importSymmetricKey", Subject::imports, true, &Self::judge_symmetric_import},
      {"importPrivateKey", Subject::imports, true, &Self::judge_private_import},
      {"addExtension", Subject::extensions, true, &Self::judge_extension},
      {"postDeleteKey", Subject::management, true, &Self::judge_delete},
      {"postUnlockKey", Subject::management, true, &Self::judge_unlock},
      {"postUpdateKey", Subject::management, true, &Self::judge_update},
      {"postCloneKeyProtection", Subject::management, true, &Self::judge_clone},
      {"closeProvisioningSession", Subject::close, true, &Self::judge_close},
      {"abortProvisioningSession", Subject::close, true, &Self::judge_abort},
      {"updateKeyManagementKey", Subject::management, false, &Self::judge_roll_over},
      {"enumerateProvisioningSessions", Subject::enumeration, false, &Self::judge_next_session},
      {"enumerateKeys", Subject::enumeration, false, &Self::judge_next_key},
      {"getKeyAttributes", Subject::attributes, false, &Self::judge_attributes},
      {"getKeyProtectionInfo", Subject::attributes, false, &Self::judge_as_recorded},
      {"getExtension", Subject::extensions, false, &Self::judge_as_recorded},
      {"setProperty", Subject::extensions, false, &Self::judge_done},
      {"deleteKey", Subject::user, false, &Self::judge_deletion},
      {"exportKey", Subject::user, false, &Self::judge_export},
      {"unlockKey", Subject::user, false, &Self::judge_done},
      {"changePin", Subject::user, false, &Self::judge_new_pin},
      {"setPin", Subject::user, false, &Self::judge_new_pin},
      {"verifyPin", Subject::use, false, &Self::judge_done},
      {"signData", Subject::use, false, &Self::judge_signature},
      {"signHashedData", Subject::use, false, &Self::judge_signature},
      {"asymmetricKeyDecrypt", Subject::use, false, &Self::judge_as_recorded},
      {"keyAgreement", Subject::use, false, &Self::judge_agreement},
      {"performHmac", Subject::use, false, &Self::judge_as_recorded},
      {"symmetricKeyEncrypt", Subject::use, false, &Self::judge_cipher},
  });
  const auto* const found = std::ranges::find(kSteps, method, &Step::method);
  return found == kSteps.end() ? nullptr : found;
}

SessionReplay::SessionReplay(const Recording& recording, const Session& session, ReplayDevice& device,
                             ReplayResults& results)
    : recording_(recording), session_(session), device_(device), results_(results) {
  const auto info = find_call(recording, "getDeviceInfo");
  const auto created = find_call(recording, "createProvisioningSession");
  if (!created) give_up("holds no call of createProvisioningSession");
  if (created && (!info || *info > *created)) give_up("does not ask for the device before it creates the session");
}

void SessionReplay::run() {
  for (std::size_t i = 0; i < recording_.calls.size() && obstacle_.empty() && device_.lost.empty(); ++i) {
    const Step* const step = find_step(recording_.calls[i].method);
    if (step == nullptr) unplayed_.insert(recording_.calls[i].method);
    if (step == nullptr || (step->provisions && broken_)) {
      live_.calls.push_back({"", recording_.calls[i].after_message, {}, {}});
      continue;
    }
    if (has_mac(recording_.calls[i]) && device_.probed.insert(recording_.calls[i].method).second) probe(i);
    play(i, *step);
  }
  end_session();
  // Later recordings may not speak of what is gone, or never came to be.
  std::erase_if(device_.handles.keys, [&](const auto& entry) { return !device_.model.keys.contains(entry.second); });
  std::erase_if(device_.handles.sessions,
                [&](const auto& entry) { return !device_.model.sessions.contains(entry.second); });
}

void SessionReplay::play(std::size_t index, const Step& step) {
  Turn turn{index, {}, {}, results_[step.subject]};
  const std::size_t before = turn.findings.list().size();
  const bool prepared = prepare(turn);
  const bool silent = !prepared && turn.findings.list().size() == before && obstacle_.empty();
  if (silent && step.provisions) turn.findings.add(place(turn, "in"), "is about something that no recording made");
  if (silent && !step.provisions) ++left_out_;
  if (!prepared || !perform(turn) || !has_expected_status(turn)) {
    broken_ = broken_ || step.provisions;
    return;
  }
  if (!error_of(turn.out)) return (this->*step.judge)(turn);
  if (step.provisions && step.judge != &SessionReplay::judge_key_handle) device_.model.sessions.erase(handle_);
}

/// Translates the arguments, and adds the MAC.
bool SessionReplay::prepare(Turn& turn) {
  const RecordedCall& call = recorded(turn);
  turn.in = call.in;
  const bool rewritten = rewrite(turn);
  live_.calls.push_back({call.method, call.after_message, turn.in, {}});
  if (rewritten && has_mac(call)) add_mac(turn);
  return rewritten;
}

/// The tables of the MAC inputs read recorded calls: here those that were made so far, and the one that is to follow.
void SessionReplay::add_mac(Turn& turn) {
  Findings incomplete;
  Json& argument = live_.calls.back().in["mac"];
  argument = "";
  const std::vector<Told> told = told_by_calls(live_, incomplete);
  const auto own = std::ranges::find_if(
      told, [&](const Told& value) { return value.mac.place.path == place(turn, "in").path + "/mac"; });
  if (own == told.end()) return;
  const Bytes suffix =
      ByteWriter().raw(as_bytes(own->format->method)).u16(static_cast<std::uint16_t>(own - told.begin())).take();
  crypto::Sha256Digest mac = crypto::hmac_sha256({session_key_.view(), suffix}, own->input.bytes);
  if (turn.tampering == Tampering::mac) mac.front() ^= 1U;
  argument = turn.in["mac"] = to_hex(mac);
}

bool SessionReplay::perform(Turn& turn) {
  auto out = make_call(device_.store, recorded(turn).method, live_in(turn));
  if (!out) return false;
  turn.out = std::move(*out);
  live_.calls[turn.index].out = turn.out;
  return true;
}

bool SessionReplay::has_expected_status(const Turn& turn) {
  turn.findings.count();
  const std::optional<Status> expected = error_of(recorded(turn).out);
  const std::optional<Status> found = error_of(turn.out);
  if (expected == found) return true;
  Place at = place(turn, "out");
  at.path += "/error";
  turn.findings.add(at, "is " + describe(found, turn.out) + ", expected " + describe(expected, Json()));
  if (found == Status::external || found == Status::not_available) device_.lost = describe(found, turn.out);
  return false;
}

/// Plays the session up to the call once more for each mistake, and makes it there.
void SessionReplay::probe(std::size_t index) {
  for (const Probe& probe : probes()) {
    if (!probe.applies(recording_.calls[index].method)) continue;
    const Handles handles = device_.handles;
    ReplayResults unheard;
    SessionReplay attempt(recording_, session_, device_, unheard);
    if (attempt.advance_to(index)) attempt.expect_refusal(index, probe, results_[Subject::refusals]);
    attempt.end_session();
    device_.handles = handles;
  }
}

bool SessionReplay::advance_to(std::size_t index) {
  for (std::size_t i = 0; i < index && !broken_ && obstacle_.empty() && device_.lost.empty(); ++i) {
    const Step* const step = find_step(recording_.calls[i].method);
    if (step != nullptr && (step->provisions || step->subject == Subject::device))
      play(i, *step);
    else
      live_.calls.push_back({"", 0, {}, {}});
  }
  return handle_ != 0 && !broken_ && live_.calls.size() == index;
}

void SessionReplay::expect_refusal(std::size_t index, const Probe& probe, Findings& findings) {
  Turn turn{index, {}, {}, findings, probe.tampering};
  if (!prepare(turn) || !perform(turn)) return;
  findings.count();
  const std::optional<Status> found = error_of(turn.out);
  Place at = place(turn, "in");
  at.path = at.path + '/' + probe.argument;
  if (found != probe.expected)
    findings.add(at, std::string("of ") + probe.what + " is answered with " + describe(found, turn.out) +
                         ", expected " + std::string(to_string(probe.expected)));
  if (!found) {
    Findings unheard;
    Turn accepted{index, turn.in, turn.out, unheard};
    if (recorded(turn).method == "closeProvisioningSession") judge_close(accepted);
    return;
  }
  findings.count();
  const auto session = device_.store.get_key_handle(ProvisioningHandle{handle_}, "Key.1");
  if (session || session.error().status != Status::no_session)
    findings.add(at, std::string("of ") + probe.what + " has not ended the session: getKeyHandle is answered with " +
                         (session ? "success" : std::string(to_string(session.error().status))) +
                         ", expected ERROR_NO_SESSION");
}

/// Aborts the session if it is open.
void SessionReplay::end_session() {
  if (handle_ == 0) return;
  (void)device_.store.abort_provisioning_session(ProvisioningHandle{handle_});
  device_.model.sessions.erase(handle_);
  handle_ = 0;
}

void SessionReplay::give_up(const std::string& sentence) {
  if (obstacle_.empty()) obstacle_ = sentence;
  broken_ = true;
}

Place SessionReplay::place(const Turn& turn, const char* part) const {
  return {std::string(kCallsFile), '/' + std::to_string(turn.index) + '/' + part, recorded(turn).method};
}

std::uint32_t SessionReplay::handle(const Turn& turn, const char* argument) const {
  const auto found = turn.in.find(argument);
  return found != turn.in.end() && found->is_number_unsigned() ? found->get<std::uint32_t>() : 0;
}

ModelKey* SessionReplay::key_of(const Turn& turn) {
  const std::uint32_t key = handle(turn, "keyHandle");
  if (const auto found = made_.find(key); found != made_.end()) return &found->second;
  const auto found = device_.model.keys.find(key);
  return found == device_.model.keys.end() ? nullptr : &found->second;
}

}  // namespace sks::conformance
