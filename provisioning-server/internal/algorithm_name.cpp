#include "provisioning-server/internal/algorithm_name.h"

namespace sks::issuer {

const Algorithm* algorithm_named(std::string_view name) {
  if (name.find(':') != std::string_view::npos) return find_algorithm(name);
  for (const Algorithm& row : all_algorithms())
    if (row.uri.size() > name.size() && row.uri.ends_with(name) && row.uri[row.uri.size() - name.size() - 1] == '#')
      return &row;
  return nullptr;
}

}  // namespace sks::issuer
