#include "key-user-api/dialog/script_dialog.h"

#include <utility>

#include "key-user-api/dialog/pin_text.h"

namespace sks::dialog {

ScriptDialog::ScriptDialog(Consent consent, std::vector<SecureBytes> pins, keygen2::UserDialog* attended,
                           std::ostream& progress)
    : consent_(consent), pins_(std::move(pins)), attended_(attended), progress_(progress) {}

std::nullopt_t ScriptDialog::cancel(std::string why) {
  failure_ = std::move(why);
  return std::nullopt;
}

bool ScriptDialog::consent(const keygen2::ConsentRequest& request) {
  if (consent_ == Consent::given) {
    progress_ << "Consent given: " << printable(request.host) << " may " << printable(request.action)
              << " keys; this device is " << (request.device_identified ? "identified to it" : "not identified to it")
              << ".\n";
    return true;
  }
  if (attended_ == nullptr) {
    failure_ = "nobody is there to consent; --yes consents beforehand";
    return false;
  }
  if (attended_->consent(request)) return true;
  failure_ = "consent was refused";
  return false;
}

std::optional<SecureBytes> ScriptDialog::choose_pin(const keygen2::PinRequest& request, const std::string& problem) {
  if (pins_.empty() && attended_ != nullptr) return attended_->choose_pin(request, problem);
  const std::string which = request.label + " for " + describe_keys(request);
  if (!problem.empty())
    return cancel("the " + which + " is refused: " + problem + " (it must have " + describe_policy(request) + ")");
  if (next_pin_ == pins_.size())
    return cancel(pins_.empty()
                      ? "a " + which + " is needed; --pin or --pin-file gives it"
                      : "one more PIN is needed than the " + std::to_string(pins_.size()) + " given: the " + which);
  auto pin = pin_from_text(pins_[next_pin_++].view(), request.format);
  if (!pin) return cancel("the " + which + " is refused: " + pin.error().detail);
  progress_ << "PIN " << next_pin_ << " of " << pins_.size() << " becomes the " << which << ".\n";
  return std::move(*pin);
}

bool ScriptDialog::accept_many_keys(std::size_t count) {
  if (consent_ == Consent::ask && attended_ != nullptr) return attended_->accept_many_keys(count);
  failure_ = "the issuer wants to create " + std::to_string(count) + " keys; --yes does not cover so many";
  return false;
}

}  // namespace sks::dialog
