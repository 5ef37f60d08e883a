#include "key-user-api/ssh_agent/agent.h"

#include <algorithm>

#include "key-user-api/key_files/ssh_keys.h"
#include "key-user-api/ssh_agent/consent.h"
#include "sks-core/base/byte_writer.h"

namespace sks::ssh {
namespace {

// SSH_AGENT_ and so on, in the numbers of the draft.
constexpr std::uint8_t kFailure = 5;
constexpr std::uint8_t kSuccess = 6;
constexpr std::uint8_t kIdentitiesAnswer = 12;
constexpr std::uint8_t kSignResponse = 14;
constexpr std::uint8_t kExtensionFailure = 28;
constexpr std::uint8_t kExtensionResponse = 29;

constexpr std::string_view kQuery = "query";
constexpr std::string_view kSessionBind = "session-bind@openssh.com";

Error malformed() { return {Status::option, "the request is malformed"}; }
Error locked() { return {Status::not_allowed, "the agent is locked"}; }

Bytes status(std::uint8_t code) { return {code}; }

}  // namespace

/// What is not here fails: keys live in the key store, and are neither added nor removed through an agent.
const AgentConnection::Row AgentConnection::kRows[] = {
    {11, "sshList", false, &AgentConnection::list},       {13, "sshSign", true, &AgentConnection::sign},
    {22, "sshLock", true, &AgentConnection::lock},        {23, "sshUnlock", true, &AgentConnection::unlock},
    {27, "sshExtension", true, &AgentConnection::extend},
};

Agent::Agent(AgentPorts ports, AgentOptions options)
    : ports_(std::move(ports)), options_(options), lock_(ports_.random, ports_.pause) {}

Reply AgentConnection::answer(ByteView message) {
  if (message.empty() || message.size() > kMaxMessage) return {status(kFailure), true};
  const auto row = std::ranges::find(kRows, message.front(), &Row::id);
  if (row == std::end(kRows)) return {status(kFailure), false};
  Request request{ByteReader(message.subspan(1)), {}};
  request.use.request = row->name;
  request.use.program = program_;
  const auto start = std::chrono::steady_clock::now();
  Result<Bytes> done = (this->*row->handle)(request);
  if (!done) request.use.failure = done.error();
  if (agent_.ports().record && (row->is_recorded || !done)) {
    request.use.hosts = hosts();
    request.use.duration =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
    agent_.ports().record(request.use);
  }
  if (done) return {std::move(*done), false};
  return {status(kFailure), request.malformed};
}

/// All of the request must have been read.
Result<void> AgentConnection::finish(Request& request) {
  request.malformed = !request.in.finish();
  if (request.malformed) return malformed();
  return {};
}

Result<Bytes> AgentConnection::list(Request& request) {
  SKS_TRY(finish(request));
  std::vector<Identity> identities;
  if (!agent_.lock().locked()) {
    SKS_LET(identities, agent_.ports().keys.identities());
  }
  if (identities.size() > kMaxIdentities) identities.resize(kMaxIdentities);
  // Clients take no longer message, and would see no key at all.
  std::size_t size = 1 + sizeof(std::uint32_t);
  std::size_t count = 0;
  for (const Identity& identity : identities) {
    size += 2 * sizeof(std::uint32_t) + identity.key_blob.size() + identity.comment.size();
    if (size > kMaxMessage) break;
    ++count;
  }
  ByteWriter out;
  out.u8(kIdentitiesAnswer).u32(static_cast<std::uint32_t>(count));
  for (std::size_t i = 0; i < count; ++i) out.blob(identities[i].key_blob).blob(as_bytes(identities[i].comment));
  return out.take();
}

Result<Bytes> AgentConnection::sign(Request& request) {
  const ByteView key_blob = request.in.blob();
  const ByteView data = request.in.blob();
  const std::uint32_t flags = request.in.u32();
  SKS_TRY(finish(request));
  if (agent_.lock().locked()) return locked();
  request.use.key = fingerprint(key_blob);
  const Scheme* const scheme = find_scheme(to_string(ByteReader(key_blob).blob()), flags);
  if (scheme == nullptr) return Error{Status::algorithm, "no key signs in this way"};
  request.use.scheme = scheme->name;
  SKS_LET(const Bytes signature, permitted_signature(key_blob, *scheme, data, request.use));
  if (agent_.lock().locked()) return locked();  // meanwhile
  return ByteWriter().u8(kSignResponse).blob(signature).take();
}

Result<Bytes> AgentConnection::permitted_signature(ByteView key_blob, const Scheme& scheme, ByteView data,
                                                   AgentUse& use) {
  SKS_TRY(binds_.permit(key_blob, scheme.name, data));
  SKS_LET(const Identity identity, agent_.ports().keys.find(key_blob));
  use.handle = identity.handle;
  const Requester asking = requester(data);
  const Confirm confirm = agent_.options().confirm;
  const bool must_ask = confirm == Confirm::always || (confirm == Confirm::forwarded && asking.forwarded);
  if (must_ask && !agent_.ports().dialog.confirm(question_about(asking, identity.comment, "signature", "")))
    return Error{Status::user_abort, "the user does not agree"};
  return agent_.ports().keys.sign(asking, key_blob, scheme, data);
}

Result<Bytes> AgentConnection::lock(Request& request) {
  const ByteView passphrase = request.in.blob();
  SKS_TRY(finish(request));
  SKS_TRY(agent_.lock().lock(passphrase));
  agent_.ports().keys.forget_pins();
  return status(kSuccess);
}

Result<Bytes> AgentConnection::unlock(Request& request) {
  const ByteView passphrase = request.in.blob();
  SKS_TRY(finish(request));
  SKS_TRY(agent_.lock().unlock(passphrase));
  return status(kSuccess);
}

/// Also while the agent is locked: no extension touches a key, and a bind that is missed would weaken the connection.
Result<Bytes> AgentConnection::extend(Request& request) {
  const std::string name = to_string(request.in.blob());
  request.malformed = request.in.failed();
  if (request.malformed) return malformed();
  if (name == kSessionBind) return bind_session(request);
  if (name != kQuery) return Error{Status::option, "no such extension"};
  request.use.request = "sshQuery";
  SKS_TRY(finish(request));
  return ByteWriter().u8(kExtensionResponse).blob(as_bytes(kQuery)).blob(as_bytes(kSessionBind)).take();
}

Result<Bytes> AgentConnection::bind_session(Request& request) {
  request.use.request = "sshBind";
  Bind bind;
  bind.host_key = to_bytes(request.in.blob());
  bind.session_id = to_bytes(request.in.blob());
  const ByteView signature = request.in.blob();
  bind.forwarding = request.in.boolean();
  SKS_TRY(finish(request));
  request.malformed = bind.session_id.empty();
  if (request.malformed) return malformed();
  const Result<void> bound = binds_.add(std::move(bind), signature);
  if (bound) return status(kSuccess);
  request.use.failure = bound.error();
  return status(kExtensionFailure);
}

std::vector<std::string> AgentConnection::hosts() const {
  std::vector<std::string> fingerprints;
  for (const Bind& hop : binds_.hops()) fingerprints.push_back(fingerprint(hop.host_key));
  return fingerprints;
}

Requester AgentConnection::requester(ByteView data) const {
  const std::optional<LoginRequest> login = parse_login_request(data);
  return {program_, hosts(), login ? login->user : std::string(), binds_.forwarded()};
}

}  // namespace sks::ssh
