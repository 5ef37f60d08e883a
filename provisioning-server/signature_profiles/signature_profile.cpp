#include "provisioning-server/signature_profiles/signature_profile.h"

#include <algorithm>
#include <array>

namespace sks::issuer {
namespace {

constexpr std::string_view kScheme = "mss:";
constexpr std::size_t kMaxPart = 64;

struct Part {
  std::string_view name;
  std::string SignatureProfile::*value;
};
constexpr auto kParts = std::to_array<Part>({
    {"service", &SignatureProfile::service},
    {"operation", &SignatureProfile::operation},
    {"loa", &SignatureProfile::loa},
    {"sscd", &SignatureProfile::sscd},
});

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

Result<void> check_part(std::string_view name, std::string_view text) {
  const auto error = [&](std::string_view rule) {
    return Error{Status::option, "the " + std::string(name) + " of a signature profile " + std::string(rule)};
  };
  if (text.empty()) return error("is missing");
  if (text.size() > kMaxPart) return error("is longer than 64 characters");
  if (!is_alphanumeric(text.front())) return error("must begin with a letter or a digit");
  if (!std::ranges::all_of(text,
                           [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'; }))
    return error("may hold letters, digits, '-', '.', '_' and '~' only");
  return {};
}

}  // namespace

Result<SignatureProfile> SignatureProfile::parse(std::string_view uri) {
  if (!uri.starts_with(kScheme))
    return Error{Status::option, "a signature profile is written mss:<service>:<operation>:<loa>:<sscd>"};
  std::string_view rest = uri.substr(kScheme.size());
  SignatureProfile profile;
  for (const Part& part : kParts) {
    const bool is_last = &part == &kParts.back();
    const std::size_t end = is_last ? rest.size() : std::min(rest.find(':'), rest.size());
    const std::string_view text = rest.substr(0, end);
    SKS_TRY(check_part(part.name, text));
    profile.*part.value = text;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return profile;
}

std::string SignatureProfile::uri() const {
  std::string text = "mss";
  for (const Part& part : kParts) text += ':' + this->*part.value;
  return text;
}

}  // namespace sks::issuer
