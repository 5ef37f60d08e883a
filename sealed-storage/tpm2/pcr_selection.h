#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sks-core/base/result.h"

namespace sks::sealed {

/// A set of platform configuration registers (PCR) of a TPM: bit n for register n, 0 to 23.
using PcrSelection = std::uint32_t;
inline constexpr unsigned kPcrCount = 24;

/// The registers of a list such as "0,2,7". Fails with option when it is empty, is no such list, or names a register
/// that there is not, or one twice.
Result<PcrSelection> parse_pcrs(std::string_view list);

/// The registers in ascending order.
std::vector<unsigned> pcrs_of(PcrSelection selection);

/// For people: "PCR 7", or "PCRs 0, 2 and 7". `selection` must not be empty.
std::string pcr_names(PcrSelection selection);

}  // namespace sks::sealed
