#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// What session-bind@openssh.com says about one connection, and what that permits.
namespace sks::ssh {

inline constexpr std::size_t kMaxBinds = 16;

/// One hop of SSH that the connection comes through or serves.
struct Bind {
  Bytes host_key;
  Bytes session_id;
  bool forwarding = false;
};

/// The data that a user signs to log in: RFC 4252 chapter 7, or publickey-hostbound-v00@openssh.com.
struct LoginRequest {
  Bytes session_id;
  std::string user;
  std::string scheme;
  Bytes key_blob;
  std::optional<Bytes> host_key;
};
/// None when it is something else.
std::optional<LoginRequest> parse_login_request(ByteView data);

/// The binds of one connection.
class SessionBinds {
 public:
  /// Records a hop. Fails, and nothing is signed on this connection from then on, with crypto or option (see
  /// verify_host_signature()) or with not_allowed: the last bind is not for forwarding, the session is known by another
  /// host key or purpose, or there are kMaxBinds. The same bind again changes nothing.
  Result<void> add(Bind bind, ByteView signature);

  /// Whether `data` may be signed by a key in a scheme. A connection without binds may sign anything; one with binds
  /// only a login to the last hop, which is none for forwarding: its session id, and its host key where the request
  /// has one. Fails with not_allowed.
  Result<void> permit(ByteView key_blob, std::string_view scheme, ByteView data) const;

  /// Empty: the connection is that of a local program that did not say what it is for.
  const std::vector<Bind>& hops() const { return hops_; }
  bool forwarded() const { return !hops_.empty() && hops_.front().forwarding; }

 private:
  Result<void> record(Bind bind, ByteView signature);

  std::vector<Bind> hops_;
  bool refused_ = false;
};

}  // namespace sks::ssh
