#include "provisioning-server/life_cycle/management_actions.h"

#include <algorithm>
#include <array>

namespace sks::issuer {
namespace {

using Kind = KeyOperation::Kind;

// A certificate that is not in force gets no successor: whoever has withdrawn it did so for a reason.
constexpr auto kActions = std::to_array<ManagementAction>({
    {Kind::unlock, "unlock", "unlocked", true, false},
    {Kind::remove, "delete", "deleted", true, true},
    {Kind::update, "update", "updated", false, false},
    {Kind::clone, "clone", "cloned", false, false},
    {Kind::suspend, "suspend", "suspended", true, false},
    {Kind::resume, "resume", "resumed", true, false},
});
static_assert(std::ranges::is_sorted(kActions, {}, &ManagementAction::kind), "kActions is indexed by Kind");

}  // namespace

const ManagementAction& action_of(Kind kind) { return kActions.at(static_cast<std::size_t>(kind)); }

std::optional<Kind> find_action(std::string_view word) {
  const auto* const row = std::ranges::find(kActions, word, &ManagementAction::word);
  if (row == kActions.end()) return std::nullopt;
  return row->kind;
}

std::string action_words() {
  std::string words;
  for (const ManagementAction& row : kActions) words.append(words.empty() ? "" : ", ").append(row.word);
  return words;
}

bool is_allowed(Kind kind, Credential::Status status) {
  const ManagementAction& row = action_of(kind);
  switch (status) {
    case Credential::Status::issued:
      return true;
    case Credential::Status::suspended:
      return row.when_suspended;
    case Credential::Status::revoked:
      return row.when_revoked;
    case Credential::Status::pending:
    case Credential::Status::abandoned:
    case Credential::Status::removed:
    case Credential::Status::replaced:
      return false;
  }
  return false;
}

}  // namespace sks::issuer
