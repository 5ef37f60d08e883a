#pragma once

#include <string_view>

#include "sks-core/crypto/algorithms.h"

namespace sks::issuer {

/// The row that a full URI or the part after its '#' names; null when there is none.
const Algorithm* algorithm_named(std::string_view name);

}  // namespace sks::issuer
