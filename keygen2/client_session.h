#pragma once

#include <memory>

#include "keygen2/failure.h"
#include "keygen2/user_dialog.h"
#include "sks-core/base/clock.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::keygen2 {

/// What the transport knows about the issuer.
struct ClientContext {
  std::string issuer_uri;    ///< main URL, verbatim (keygen2.md 2.1)
  std::string issuer_host;   ///< TLS-verified name, for the consent dialog
  Bytes server_certificate;  ///< DER of the TLS leaf of the first connection
};

/// One run of KeyGen2 as the client sees it, over any SecureKeyStore. Takes a message, gives the reply; no I/O.
///
/// Any failure aborts the key store session before it is returned (keygen2.md 8.9); so does destroying a run that has
/// not finished.
class ClientSession {
 public:
  ClientSession(SecureKeyStore& store, UserDialog& dialog, const Clock& clock, ClientContext context);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  /// Handles one message and returns the JSON to POST. Fails with the class of the first check of keygen2.md 1.5 that
  /// does not hold.
  Outcome<std::string> receive(std::string_view message);

  /// The issuer answered with a termination (keygen2.md 2.4). Succeeds after the final response; otherwise aborts the
  /// session and fails with state.
  Outcome<void> terminated();

  /// Whether the key store has committed: the final response was handed out.
  bool committed() const;

  /// How many keys the run created.
  std::size_t key_count() const;

  /// Ends the run without committing; harmless when it is over.
  void abort();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks::keygen2
