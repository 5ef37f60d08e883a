#pragma once

#include <map>
#include <memory>

#include "keygen2/failure.h"
#include "keygen2/messages.h"
#include "keygen2/user_dialog.h"
#include "sks-core/base/clock.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::keygen2 {

/// What the transport knows about the issuer, and the platform about itself.
struct ClientContext {
  std::string issuer_uri;    ///< main URL, verbatim (keygen2.md 2.1)
  std::string issuer_host;   ///< TLS-verified name, for the consent dialog
  Bytes server_certificate;  ///< DER of the TLS leaf of the first connection
  /// What the client knows about itself: URI of a values query -> answers (keygen2.md 4.2). The issuer gets none of
  /// them unless the user lets it.
  std::map<std::string, std::vector<std::string>> attributes = {};
  /// The logotypes that the client shows: URI of an image query -> form. Empty: all four kinds, in usual sizes.
  std::map<std::string, ImageAttributes> image_preferences = {};
};

/// How a run ended without failure.
enum class Ending : std::uint8_t {
  finished,   ///< the key store has committed
  suspended,  ///< the issuer takes its time: the key store session stays open, and another run resumes it
};

/// What a run did to the key store; all zero before it has committed.
struct RunSummary {
  std::size_t created = 0;      ///< new keys, those counted as updated or cloned included
  std::size_t updated = 0;      ///< keys that a new one took the place of
  std::size_t cloned = 0;       ///< new keys that share the PIN of another key
  std::size_t unlocked = 0;     ///< keys of earlier sessions
  std::size_t deleted = 0;      ///< keys of earlier sessions
  std::size_t activated = 0;    ///< keys of earlier sessions
  std::size_t deactivated = 0;  ///< keys of earlier sessions, and new ones that arrived suspended
};

/// One run of KeyGen2 as the client sees it, over any SecureKeyStore. Takes a message, gives the reply; no I/O.
///
/// Any failure aborts the key store session before it is returned (keygen2.md 8.9); so does destroying a run that has
/// neither finished nor been suspended.
class ClientSession {
 public:
  ClientSession(SecureKeyStore& store, UserDialog& dialog, const Clock& clock, ClientContext context);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  /// Handles one message and returns the JSON to POST. Fails with the class of the first check of keygen2.md 1.5 that
  /// does not hold.
  ///
  /// A ProvisioningFinalizationRequest as first message resumes a suspended run (keygen2.md 8.8). The session it names
  /// is aborted when anything fails, or the user does not agree; one of another issuer is not touched.
  Outcome<std::string> receive(std::string_view message);

  /// The issuer answered with a termination (keygen2.md 2.4). Succeeds after the final response, and after the response
  /// to a request that announced deferred issuance; otherwise aborts the session and fails with state.
  Outcome<Ending> terminated();

  /// Whether the key store has committed: the final response was handed out.
  bool committed() const;

  /// How many keys the run created; of a resumed run, how many credentials arrived.
  std::size_t key_count() const;

  const RunSummary& summary() const;

  /// Ends the run without committing; harmless when it is over.
  void abort();

 private:
  std::unique_ptr<struct ClientRun> run_;
};

}  // namespace sks::keygen2
