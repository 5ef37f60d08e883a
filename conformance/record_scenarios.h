#pragma once

#include <span>
#include <vector>

#include "keygen2/issuer_session.h"
#include "sks-core/engine/secure_key_store.h"

/// The scenarios of the recorder, as rows. Private to the recorder.
namespace sks::conformance {

/// What the plans and decisions of a scenario refer to.
struct RecordContext {
  std::string issuer_uri;
  const crypto::PrivateKey& key_management_key;
  const crypto::PrivateKey& next_key_management_key;  ///< what the other one can be rolled over to
  /// The credentials that earlier sessions of the scenario have issued.
  std::vector<keygen2::TargetKey> issued;
};

/// One session. What is not given is left out, or decided as the recorder does by itself: every key gets a certificate,
/// every key that is found is recognized, and nothing is done with it.
struct RecordedScript {
  keygen2::IssuancePlan (*plan)(const RecordContext& context);
  /// What a key gets beside the certificate, which is made afterwards, for the imported key if there is one.
  void (*credential)(const RecordContext& context, keygen2::CredentialSpec& credential) = nullptr;
  keygen2::Management (*manage)(const RecordContext& context) = nullptr;
  /// What a user does with the keys when the session is over.
  void (*afterwards)(SecureKeyStore& store, KeyHandle key) = nullptr;
};

struct RecordScenario {
  const char* name;
  const char* help;
  std::vector<RecordedScript> sessions;
};

std::span<const RecordScenario> scenarios();

/// The PIN that the user of all recordings chooses.
inline constexpr std::string_view kUserPin = "015354";

}  // namespace sks::conformance
