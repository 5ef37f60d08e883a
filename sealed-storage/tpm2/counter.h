#pragma once

#include "sealed-storage/anchor.h"

/// Anchor 2: a counter in the memory of a TPM 2.0. Spec: spec/sealed-record.md chapter 10.2.
namespace sks::sealed {

/// For a row of the table of anchors. There is no place to name.
Result<NewAnchor> create_tpm_counter(const std::string& place, const AnchorContext& context);
Result<std::unique_ptr<Anchor>> open_tpm_counter(ByteView parameters, const AnchorContext& context);

}  // namespace sks::sealed
