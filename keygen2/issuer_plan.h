#pragma once

#include <functional>

#include "keygen2/issuer_session.h"
#include "keygen2/messages.h"

/// From what an issuer wants to the messages that ask for it. Private to the issuer session.
namespace sks::keygen2 {

/// Whether the plan obeys every rule of keygen2.md 4.2 to 4.14 and 7.10. Fails with value, with crypto for a roll-over
/// that is not authorized.
Outcome<void> check_plan(const IssuancePlan& plan);
/// The part of it that concerns keys alone.
Outcome<void> check_key_plan(const KeyPlan& plan);

/// What the client must support for this plan, without the algorithms that every client has. Spec:
/// keygen2.md 4.14, 5.3.
std::vector<std::string> required_capabilities(const KeyPlan& plan);

/// Uses of the session key by the SKS. Spec: keygen2.md 7.9.
namespace cost {
inline constexpr std::size_t kPukPolicy = 2;
inline constexpr std::size_t kPinPolicy = 1;
inline constexpr std::size_t kKey = 2;
inline constexpr std::size_t kPresetPin = 1;  ///< beside kKey
inline constexpr std::size_t kCertificatePath = 1;
inline constexpr std::size_t kImport = 2;
inline constexpr std::size_t kExtension = 1;
inline constexpr std::size_t kEncryptedExtension = 2;
inline constexpr std::size_t kTargetOperation = 2;
inline constexpr std::size_t kDeactivated = 1;
inline constexpr std::size_t kClose = 2;
}  // namespace cost

/// Of creating and certifying keys.
std::size_t session_key_uses(const KeyPlan& plan);
/// Of a whole session with all of its reserve.
std::size_t session_key_uses(const IssuancePlan& plan);

std::size_t key_count(const KeyPlan& plan);

/// The request for a checked plan, without MACs; ids count from 1 in message order. `encrypt` wraps PINs and PUKs.
KeyCreationRequest key_creation_request(const KeyPlan& plan, const std::function<Bytes(ByteView)>& encrypt);

/// A search filter as its JSON object, and back. Fails as reading a lookup does.
std::string filter_text(const SearchFilter& filter);
Outcome<SearchFilter> parse_filter(std::string_view text);

}  // namespace sks::keygen2
