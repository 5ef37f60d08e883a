#include "key-user-api/ssh_agent/session_binds.h"

#include <doctest/doctest.h>

#include "key-user-api/key_files/ssh_keys.h"
#include "tests/key-user-api/ssh_agent/host.h"
#include "tests/sks-core/engine/device.h"

/// Spec: PROTOCOL.agent of OpenSSH, session-bind@openssh.com; PROTOCOL, publickey-hostbound-v00@openssh.com; RFC 4252.
namespace sks::test {
namespace {

using ssh::SessionBinds;

const std::string kP256 = kSks + "ec.nist.p256";
const std::string kEd25519 = kSks + "ed25519";
constexpr std::string_view kScheme = "ssh-ed25519";

struct Session {
  Host near{kP256, "near session"};
  Host far{kEd25519, "far session"};
  Bytes key_blob = ssh_blob(generate_key(kEd25519));
  SessionBinds binds;

  Bytes login(const Host& host, bool host_bound = true) const {
    return login_data(host.session_id, "jo", kScheme, key_blob, host_bound ? &host : nullptr);
  }
  std::optional<Status> permit(const Bytes& data) const { return status_of(binds.permit(key_blob, kScheme, data)); }
  std::optional<Status> add(const Host& host, bool forwarding) {
    return status_of(binds.add(host.bind(forwarding), host.signature));
  }
};

TEST_CASE("session binds: without any, everything may be signed") {
  const Session session;
  CHECK(session.permit({}) == std::nullopt);
  CHECK(session.permit(session.login(session.near)) == std::nullopt);
  CHECK_FALSE(session.binds.forwarded());
}

TEST_CASE("session binds: a login to the bound host, and nothing else") {
  Session session;
  CHECK(session.add(session.near, false) == std::nullopt);
  CHECK(session.permit(session.login(session.near)) == std::nullopt);
  CHECK(session.permit(session.login(session.near, false)) == std::nullopt);
  CHECK_FALSE(session.binds.forwarded());

  CHECK(session.permit({}) == Status::not_allowed);
  CHECK(session.permit(session.login(session.far)) == Status::not_allowed);
  CHECK(session.permit(session.login(session.far, false)) == Status::not_allowed);
  // The right session at the wrong host.
  CHECK(session.permit(login_data(session.near.session_id, "jo", kScheme, session.key_blob, &session.far)) ==
        Status::not_allowed);
  // Another key or scheme than the one that signs.
  CHECK(session.permit(login_data(session.near.session_id, "jo", kScheme, session.near.host_key)) ==
        Status::not_allowed);
  CHECK(session.permit(login_data(session.near.session_id, "jo", "rsa-sha2-256", session.key_blob)) ==
        Status::not_allowed);
  Bytes longer = session.login(session.near);
  longer.push_back(0);
  CHECK(session.permit(longer) == Status::not_allowed);
}

TEST_CASE("session binds: a bound login is not bound again, and refuses everything after an attempt") {
  Session session;
  CHECK(session.add(session.near, false) == std::nullopt);
  CHECK(session.add(session.near, false) == std::nullopt);  // the same: no change
  CHECK(session.permit(session.login(session.near)) == std::nullopt);
  CHECK(session.add(session.far, false) == Status::not_allowed);
  CHECK(session.permit(session.login(session.near)) == Status::not_allowed);
  CHECK(session.permit(session.login(session.far)) == Status::not_allowed);
}

TEST_CASE("session binds: a forwarded connection signs for the next host") {
  Session session;
  CHECK(session.add(session.near, true) == std::nullopt);
  CHECK(session.binds.forwarded());
  CHECK(session.permit({}) == Status::not_allowed);
  CHECK(session.permit(session.login(session.near)) == Status::not_allowed);
  CHECK(session.permit(session.login(session.far)) == Status::not_allowed);
  CHECK(session.add(session.far, false) == std::nullopt);
  CHECK(session.binds.forwarded());
  CHECK(session.permit(session.login(session.far)) == std::nullopt);
  CHECK(session.permit(session.login(session.near)) == Status::not_allowed);
}

TEST_CASE("session binds: what contradicts is refused") {
  SUBCASE("a session that turns from forwarding to login") {
    Session session;
    CHECK(session.add(session.near, true) == std::nullopt);
    CHECK(session.add(session.near, false) == Status::not_allowed);
  }
  SUBCASE("the session of another host key") {
    Session session;
    const Host thief(kP256, "near session");
    CHECK(session.add(session.near, true) == std::nullopt);
    CHECK(session.add(thief, true) == Status::not_allowed);
  }
  SUBCASE("a signature of another session, or of another key") {
    Session session;
    CHECK(status_of(session.binds.add(session.near.bind(false), session.far.signature)) == Status::option);
    const Host other(kP256, "near session");
    SessionBinds binds;
    CHECK(status_of(binds.add(session.near.bind(false), other.signature)) == Status::option);
    CHECK_FALSE(binds.permit(session.key_blob, kScheme, session.login(session.near)));
  }
  SUBCASE("a host key that is none") {
    Session session;
    ssh::Bind bind = session.near.bind(false);
    bind.host_key.pop_back();
    CHECK(status_of(session.binds.add(bind, session.near.signature)) == Status::crypto);
    CHECK(session.permit({}) == Status::not_allowed);
  }
}

TEST_CASE("session binds: hosts are counted") {
  Session session;
  for (std::size_t i = 0; i < ssh::kMaxBinds; ++i)
    CHECK(session.add(Host(kEd25519, "session " + std::to_string(i)), true) == std::nullopt);
  CHECK(session.add(session.far, true) == Status::not_allowed);
}

TEST_CASE("session binds: only a whole login request is one") {
  const Session session;
  const Bytes right = session.login(session.near);
  const auto read = ssh::parse_login_request(right);
  REQUIRE(read);
  CHECK(read->user == "jo");
  CHECK(read->session_id == session.near.session_id);
  CHECK(read->key_blob == session.key_blob);
  CHECK(read->host_key == session.near.host_key);
  for (std::size_t size = 0; size < right.size(); ++size)
    CHECK_FALSE(ssh::parse_login_request(ByteView(right).first(size)));
  const auto changed = [&](std::string_view service, std::string_view method, std::uint8_t message,
                           std::uint8_t is_signed) {
    ByteWriter out;
    out.blob(session.near.session_id).u8(message).blob(as_bytes("jo")).blob(as_bytes(service)).blob(as_bytes(method));
    return ssh::parse_login_request(out.u8(is_signed).blob(as_bytes(kScheme)).blob(session.key_blob).view());
  };
  CHECK(changed("ssh-connection", "publickey", 50, 1));
  CHECK_FALSE(changed("ssh-userauth", "publickey", 50, 1));
  CHECK_FALSE(changed("ssh-connection", "hostbased", 50, 1));
  CHECK_FALSE(changed("ssh-connection", "publickey-hostbound-v00@openssh.com", 50, 1));  // without the host key
  CHECK_FALSE(changed("ssh-connection", "publickey", 51, 1));
  CHECK_FALSE(changed("ssh-connection", "publickey", 50, 0));
  CHECK_FALSE(ssh::parse_login_request(login_data({}, "jo", kScheme, session.key_blob)));
}

}  // namespace
}  // namespace sks::test
