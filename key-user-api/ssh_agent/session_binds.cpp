#include "key-user-api/ssh_agent/session_binds.h"

#include <algorithm>

#include "key-user-api/ssh_agent/signatures.h"
#include "sks-core/base/byte_reader.h"

namespace sks::ssh {
namespace {

constexpr std::uint8_t kUserauthRequest = 50;  ///< SSH_MSG_USERAUTH_REQUEST
constexpr std::string_view kService = "ssh-connection";
constexpr std::string_view kPublicKey = "publickey";
constexpr std::string_view kHostBound = "publickey-hostbound-v00@openssh.com";

Error not_allowed(const char* sentence) { return {Status::not_allowed, sentence}; }

}  // namespace

std::optional<LoginRequest> parse_login_request(ByteView data) {
  ByteReader in(data);
  LoginRequest request;
  request.session_id = to_bytes(in.blob());
  const std::uint8_t message = in.u8();
  request.user = to_string(in.blob());
  const std::string service = to_string(in.blob());
  const std::string method = to_string(in.blob());
  const bool is_signed = in.boolean();
  request.scheme = to_string(in.blob());
  request.key_blob = to_bytes(in.blob());
  if (method == kHostBound) request.host_key = to_bytes(in.blob());
  if (!in.finish() || request.session_id.empty() || message != kUserauthRequest || service != kService ||
      (method != kPublicKey && method != kHostBound) || !is_signed)
    return std::nullopt;
  return request;
}

Result<void> SessionBinds::add(Bind bind, ByteView signature) {
  Result<void> recorded = record(std::move(bind), signature);
  if (!recorded) refused_ = true;
  return recorded;
}

Result<void> SessionBinds::record(Bind bind, ByteView signature) {
  SKS_TRY(verify_host_signature(bind.host_key, bind.session_id, signature));
  const auto known = std::ranges::find(hops_, bind.session_id, &Bind::session_id);
  if (known != hops_.end()) {
    if (known->host_key != bind.host_key || known->forwarding != bind.forwarding)
      return not_allowed("the SSH session is bound to another host key or purpose");
    return {};
  }
  if (!hops_.empty() && !hops_.back().forwarding)
    return not_allowed("the connection is bound to a login, and cannot be bound again");
  if (hops_.size() >= kMaxBinds) return not_allowed("the connection comes through too many hosts");
  hops_.push_back(std::move(bind));
  return {};
}

Result<void> SessionBinds::permit(ByteView key_blob, std::string_view scheme, ByteView data) const {
  if (refused_) return not_allowed("the connection was to be bound to a session, and could not");
  if (hops_.empty()) return {};
  const Bind& last = hops_.back();
  if (last.forwarding) return not_allowed("the connection is forwarded, and not bound to a login");
  const std::optional<LoginRequest> request = parse_login_request(data);
  if (!request) return not_allowed("the connection is bound to a login, and this is none");
  if (request->session_id != last.session_id)
    return not_allowed("the login is for another session than that of the connection");
  if (request->host_key && *request->host_key != last.host_key)
    return not_allowed("the login is for another host than that of the connection");
  if (!equal(request->key_blob, key_blob) || request->scheme != scheme)
    return not_allowed("the login names another key or signature than the one that is asked for");
  return {};
}

}  // namespace sks::ssh
