#include "key-user-api/cli/new_keys.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/dialog/script_dialog.h"
#include "keygen2/pin_collection.h"

namespace sks::cli {
namespace {

/// There is no PUK: more tries than an issuer would give.
constexpr std::uint16_t kRetryLimit = 5;
constexpr std::uint8_t kShared = 1;  // grouping of sks-api.md 5.1

/// The question for a new PIN, in the form in which an issuer asks it.
keygen2::KeyCreationRequest pin_question(const std::vector<LocalKeyRequest>& requests, const NewPin& rules) {
  keygen2::PinPolicySpecifier policy;
  policy.min_length = rules.min_length;
  policy.max_length = rules.max_length;
  policy.retry_limit = rules.retry_limit;
  policy.format = static_cast<std::uint8_t>(rules.format);
  policy.grouping = kShared;
  for (const LocalKeyRequest& request : requests) {
    keygen2::KeyEntrySpecifier key;
    key.id = "Key." + std::to_string(policy.keys.size() + 1);
    key.friendly_name = request.spec.label;
    policy.keys.push_back(std::move(key));
  }
  keygen2::KeyCreationRequest question;
  question.pin_policies.push_back(std::move(policy));
  return question;
}

Result<LocalPin> choose_new_pin(const std::vector<LocalKeyRequest>& requests, std::vector<SecureBytes> pins,
                                dialog::AttendedDialog* attended) {
  NewPin pin;
  pin.retry_limit = kRetryLimit;
  const keygen2::KeyCreationRequest question = pin_question(requests, pin);
  std::ostream silence(nullptr);
  dialog::ScriptDialog script(dialog::ScriptDialog::Consent::given, std::move(pins), attended, silence);
  const auto chosen = keygen2::CollectedPins::ask(question, script);
  if (!chosen) return Error{Status::user_abort, script.failure().empty() ? chosen.error().detail : script.failure()};
  if (script.unused_pins() != 0) return Error{Status::option, "more than one PIN is given"};
  pin.value = SecureBytes::copy_of(chosen->find(question.pin_policies.front().keys.front().id)->view());
  return LocalPin(std::move(pin));
}

Result<LocalPin> take_shared_pin(const PinOptions& options, SecureKeyStore& store, dialog::Terminal* terminal) {
  SKS_LET(const ListedKey key, find_key(store, options.shared_with));
  SKS_LET(PinManager manager, find_pin_manager(store, key.handle));
  SKS_LET(SecureBytes pin, take_password(options.pins, pin_of(key), terminal));
  return LocalPin(SharedPin{std::move(manager), std::move(pin)});
}

Result<LocalPin> find_pin(const std::vector<LocalKeyRequest>& requests, PinOptions options, SecureKeyStore& store,
                          const PinAskers& askers) {
  if (options.none) return LocalPin();
  if (!options.shared_with.empty()) return take_shared_pin(options, store, askers.terminal);
  return choose_new_pin(requests, std::move(options.pins), askers.attended);
}

}  // namespace

Result<std::vector<LocalKey>> provision_with_pin(std::vector<LocalKeyRequest> requests, PinOptions options,
                                                 SecureKeyStore& store, const PinAskers& askers, const Clock& clock) {
  const bool exportable = std::ranges::any_of(
      requests, [](const LocalKeyRequest& request) { return request.spec.export_protection != Protection::forbidden; });
  if (exportable && !options.shared_with.empty())
    return Error{Status::option, "--exportable with --pin-of would let the key leave without that PIN"};
  SKS_LET(const LocalPin pin, find_pin(requests, std::move(options), store, askers));
  for (LocalKeyRequest& request : requests)
    if (exportable && std::holds_alternative<NewPin>(pin)) request.spec.export_protection = Protection::pin;
  auto keys = provision_local_keys(store, requests, pin, clock);
  const auto* const shared = std::get_if<SharedPin>(&pin);
  if (!keys && keys.error().status == Status::authorization && shared != nullptr)
    return explain_wrong_pin(store, shared->manager.key);
  return keys;
}

Result<void> show_new_keys(const std::vector<LocalKey>& keys, std::string_view title, Format format,
                           SecureKeyStore& store, std::ostream& out) {
  auto array = nlohmann::ordered_json::array();
  std::vector<TableRow> rows{{"HANDLE", "NAME", "SUBJECT", "ALGORITHM"}};
  for (const LocalKey& made : keys) {
    SKS_LET(const ListedKey key, find_key(store, std::to_string(made.handle.value)));
    array.push_back({{"handle", key.handle.value},
                     {"certificateFingerprint", key.fingerprint},
                     {"friendlyName", key.friendly_name},
                     {"subject", key.subject},
                     {"algorithm", key.algorithm},
                     {"pinProtected", key.pin_protected()}});
    rows.push_back({std::to_string(key.handle.value), key.friendly_name, key.subject, key.algorithm});
  }
  if (format == Format::json) {
    out << array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return {};
  }
  out << title << "\n";
  write_table(rows, out);
  return {};
}

}  // namespace sks::cli
