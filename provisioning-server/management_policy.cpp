#include "provisioning-server/management_policy.h"

#include <algorithm>

namespace sks::issuer {
namespace {

using keygen2::CapabilityForm;
using keygen2::ClientCapability;

constexpr std::size_t kMaxShownValue = 100;  // bytes

bool is_given(const ClientCapability& answer) { return answer.form != CapabilityForm::supported || answer.supported; }

std::string shown(const ClientCapability& answer) {
  if (!is_given(answer)) return "no";
  std::string text;
  for (const std::string& value : answer.values)
    text += (text.empty() ? "" : ", ") + (value.size() > kMaxShownValue ? "(long)" : value);
  return text.empty() ? "yes" : text;
}

}  // namespace

CapabilityCheck check_capabilities(const std::vector<CapabilityQuery>& queries,
                                   const std::vector<ClientCapability>& answers) {
  CapabilityCheck check;
  for (const CapabilityQuery& query : queries) {
    const auto answer = std::ranges::find(answers, query.uri, &ClientCapability::type);
    const bool given = answer != answers.end() && is_given(*answer);
    if (query.required && !given && check.missing.empty()) check.missing = query.uri;
    if (answer != answers.end())
      check.answers += (check.answers.empty() ? "" : "; ") + query.uri + ": " + shown(*answer);
  }
  return check;
}

}  // namespace sks::issuer
