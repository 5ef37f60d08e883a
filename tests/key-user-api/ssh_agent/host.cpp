#include "tests/key-user-api/ssh_agent/host.h"

#include "key-user-api/key_files/ssh_keys.h"
#include "tests/support/test_issuer.h"

namespace sks::test {

const ssh::Scheme& scheme_of(const crypto::PrivateKey& key) {
  const std::uint32_t flags = key.public_key().kind() == KeyKind::rsa ? 4 : 0;
  const ssh::Scheme* const scheme = ssh::find_scheme(ssh::key_type_of(key.public_key())->name, flags);
  SKS_CHECK(scheme != nullptr);
  return *scheme;
}

Bytes ssh_signature(const crypto::PrivateKey& key, ByteView message) {
  const ssh::Scheme& scheme = scheme_of(key);
  switch (key.public_key().kind()) {
    case KeyKind::rsa:
      return ssh::encode_signature(scheme, key.sign_rsa(scheme.hash, message).value());
    case KeyKind::ec:
      return ssh::encode_signature(scheme, key.sign_ecdsa(scheme.hash, message).value());
    default:
      return ssh::encode_signature(scheme, key.sign_eddsa(message).value());
  }
}

Bytes ssh_blob(const crypto::PrivateKey& key) { return *ssh::encode_public_key(key.public_key()); }

Host::Host(const std::string& algorithm, std::string id)
    : key(generate_key(algorithm)),
      host_key(ssh_blob(key)),
      session_id(to_bytes(as_bytes(id))),
      signature(ssh_signature(key, session_id)) {}

Bytes login_data(const Bytes& session_id, const std::string& user, std::string_view scheme, const Bytes& key_blob,
                 const Host* host) {
  ByteWriter out;
  out.blob(session_id).u8(50).blob(as_bytes(user)).blob(as_bytes("ssh-connection"));
  out.blob(as_bytes(host == nullptr ? "publickey" : "publickey-hostbound-v00@openssh.com"));
  out.u8(1).blob(as_bytes(scheme)).blob(key_blob);
  if (host != nullptr) out.blob(host->host_key);
  return out.take();
}

Bytes list_message() { return {11}; }

Bytes sign_message(const Bytes& key_blob, const Bytes& data, std::uint32_t flags) {
  return ByteWriter().u8(13).blob(key_blob).blob(data).u32(flags).take();
}

Bytes lock_message(std::string_view passphrase) { return ByteWriter().u8(22).blob(as_bytes(passphrase)).take(); }
Bytes unlock_message(std::string_view passphrase) { return ByteWriter().u8(23).blob(as_bytes(passphrase)).take(); }

Bytes bind_message(const Host& host, bool forwarding) {
  return ByteWriter()
      .u8(27)
      .blob(as_bytes("session-bind@openssh.com"))
      .blob(host.host_key)
      .blob(host.session_id)
      .blob(host.signature)
      .boolean(forwarding)
      .take();
}

}  // namespace sks::test
