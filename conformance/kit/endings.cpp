#include "conformance/kit/endings.h"

#include <algorithm>

namespace sks::conformance {

Endings::Parts Endings::split(const std::string& location) {
  Parts parts{location.substr(0, location.find_first_of("?#")), {}};
  std::string rest = location.substr(parts.path.size());
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of("?&#", 1), rest.size());
    const std::string item = rest.substr(1, end - 1);
    const std::size_t equals = std::min(item.find('='), item.size());
    parts.parameters[item.substr(0, equals)] = item.substr(equals);
    rest.erase(0, end);
  }
  return parts;
}

Endings::Endings(const std::string& good, const std::string& good_again, const std::optional<std::string>& refused)
    : good_(split(good)) {
  const Parts again = split(good_again);
  for (const auto& [name, value] : good_.parameters) {
    const auto other = again.parameters.find(name);
    varies_[name] = other != again.parameters.end() && other->second != value;
  }
  tell_ = is_good(good_again) && !(refused && is_good(*refused));
}

bool Endings::is_good(const std::string& location) const {
  const Parts parts = split(location);
  if (parts.path != good_.path || parts.parameters.size() != good_.parameters.size()) return false;
  return std::ranges::all_of(good_.parameters, [&](const auto& parameter) {
    const auto found = parts.parameters.find(parameter.first);
    return found != parts.parameters.end() && (varies_.at(parameter.first) || found->second == parameter.second);
  });
}

}  // namespace sks::conformance
