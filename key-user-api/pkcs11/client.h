#pragma once

#include "key-user-api/pkcs11/objects.h"

namespace sks::p11 {

/// All that the module has between C_Initialize and C_Finalize.
struct Client {
  explicit Client(std::unique_ptr<Exchange> exchange) : daemon(std::move(exchange)) {}

  Daemon daemon;
  Tokens tokens{daemon};
  Keys keys{daemon, tokens};
  Sessions sessions{daemon, tokens, keys};
  Objects objects{daemon, keys};
};

/// C_Initialize and C_Finalize. A forked child starts without initialization; what it inherited is let go of without a
/// word to the daemon, at its first call of any function.
Answer<void> initialize(const CK_C_INITIALIZE_ARGS* arguments);
Answer<void> finalize();

/// The client of this process, or null. It stays for as long as a call uses it, whatever becomes of it meanwhile.
std::shared_ptr<Client> current_client();

/// For tests: as initialize(), with connections from elsewhere.
Answer<void> initialize_with(std::unique_ptr<Exchange> exchange);

}  // namespace sks::p11
