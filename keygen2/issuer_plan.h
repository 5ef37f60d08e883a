#pragma once

#include <functional>

#include "keygen2/issuer_session.h"
#include "keygen2/messages.h"

/// From what an issuer wants to the messages that ask for it. Private to the issuer session.
namespace sks::keygen2 {

/// Whether the plan obeys every rule of keygen2.md 4.2 to 4.14. Fails with value.
Outcome<void> check_plan(const IssuancePlan& plan);

/// What the client must support for this plan, without the algorithms that every client has. Spec:
/// keygen2.md 4.14, 5.3.
std::vector<std::string> required_capabilities(const IssuancePlan& plan);

/// How often the SKS uses the session key for this plan. Spec: keygen2.md 7.9.
std::size_t session_key_operations(const IssuancePlan& plan);

/// The request for a checked plan, without MACs; ids count from 1 in message order. `encrypt` wraps PINs and PUKs.
KeyCreationRequest key_creation_request(const IssuancePlan& plan, const std::function<Bytes(ByteView)>& encrypt);

}  // namespace sks::keygen2
