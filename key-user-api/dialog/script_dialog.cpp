#include "key-user-api/dialog/script_dialog.h"

#include <utility>

#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/dialog/question_text.h"

namespace sks::dialog {

ScriptDialog::ScriptDialog(Consent consent, std::vector<SecureBytes> pins, AttendedDialog* attended,
                           std::ostream& progress, Disclosure disclosure)
    : consent_(consent), pins_(std::move(pins)), attended_(attended), progress_(progress), disclosure_(disclosure) {}

std::nullopt_t ScriptDialog::cancel(std::string why) {
  failure_ = std::move(why);
  return std::nullopt;
}

bool ScriptDialog::ask_attended(bool agreed, const char* refusal) {
  if (agreed) return true;
  failure_ = attended_->failure();
  if (failure_.empty()) failure_ = refusal;
  return false;
}

bool ScriptDialog::consent(const keygen2::ConsentRequest& request) {
  if (consent_ == Consent::given) {
    progress_ << "Consent given: " << printable(request.host) << " may " << printable(request.action)
              << " keys; this device is " << (request.device_identified ? "identified to it" : "not identified to it")
              << ".\n";
    for (const std::string& consequence : request.consequences)
      progress_ << "- " << describe_consequence(consequence) << "\n";
    return true;
  }
  if (attended_ == nullptr) {
    failure_ = "nobody is there to consent; --yes consents beforehand";
    return false;
  }
  return ask_attended(attended_->consent(request), "consent was refused");
}

std::optional<SecureBytes> ScriptDialog::choose_pin(const keygen2::PinRequest& request, const std::string& problem) {
  if (pins_.empty() && attended_ != nullptr) {
    auto chosen = attended_->choose_pin(request, problem);
    if (!chosen) failure_ = attended_->failure();
    return chosen;
  }
  const std::string which = request.label + " for " + describe_keys(request);
  if (!problem.empty())
    return cancel("the " + which + " is refused: " + problem + " (it must have " + describe_policy(request) + ")");
  if (next_pin_ == pins_.size())
    return cancel(pins_.empty()
                      ? "a " + which + " is needed; --pin or --pin-file gives it"
                      : "one more PIN is needed than the " + std::to_string(pins_.size()) + " given: the " + which);
  auto pin = new_pin_from_text(pins_[next_pin_++].view(), request.format);
  if (!pin) return cancel("the " + which + " is refused: " + pin.error().detail);
  progress_ << "PIN " << next_pin_ << " of " << pins_.size() << " becomes the " << which << ".\n";
  return std::move(*pin);
}

bool ScriptDialog::accept_many_keys(std::size_t count) {
  if (consent_ == Consent::ask && attended_ != nullptr)
    return ask_attended(attended_->accept_many_keys(count), "so many keys were refused");
  failure_ = "the issuer wants to create " + std::to_string(count) + " keys; --yes does not cover so many";
  return false;
}

bool ScriptDialog::disclose(const std::vector<std::string>& attributes) {
  const bool asks = disclosure_ == Disclosure::open && consent_ == Consent::ask && attended_ != nullptr;
  const bool agreed = asks ? attended_->disclose(attributes) : disclosure_ == Disclosure::agreed;
  if (asks && !agreed && !attended_->failure().empty()) progress_ << attended_->failure() << "\n";
  for (const std::string& attribute : attributes)
    progress_ << (agreed ? "Told to the issuer: " : "Not told to the issuer: ") << describe_attribute(attribute)
              << ".\n";
  if (!agreed && !asks) progress_ << "--disclose tells it.\n";
  return agreed;
}

void ScriptDialog::alert(const std::string& sentence) {
  progress_ << "Note: " << printable(sentence) << "\n";
  if (consent_ == Consent::ask && attended_ != nullptr) attended_->alert(sentence);
}

void ScriptDialog::creating_key(const keygen2::KeyCreationProgress& progress) {
  progress_ << describe_progress(progress) << "\n";
}

}  // namespace sks::dialog
