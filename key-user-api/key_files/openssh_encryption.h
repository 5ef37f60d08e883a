#pragma once

#include <string_view>

#include "key-user-api/key_files/collection.h"

namespace sks::key_files {

/// What an OPENSSH PRIVATE KEY block says about its encryption. PROTOCOL.key of OpenSSH.
struct OpensshEncryption {
  std::string_view cipher;
  std::string_view function;  ///< how the passphrase is made a key
  ByteView parameters;        ///< of that function
  ByteView tag;               ///< behind the encrypted part; empty where the cipher has none
};

/// AES in its modes CTR, CBC and GCM, under bcrypt. Fails with not_available (another cipher or function; the sentence
/// says what helps), option (damaged, or more work than a passphrase is worth; a wrong passphrase, where the cipher
/// tells) or as Passphrase::get(). The other ciphers leave a wrong passphrase to the check numbers of the content.
Result<SecureBytes> decrypt_openssh(const OpensshEncryption& encryption, ByteView encrypted, Passphrase& passphrase);

}  // namespace sks::key_files
