#pragma once

#include "sealed-storage/anchor.h"

/// The anchor that is a file on another medium. Spec: spec/sealed-record.md chapter 10.1.
namespace sks::sealed {

/// `place` is the path of a file that does not exist, or is an anchor of this very store. Its folder must exist and lie
/// outside of the store. Fails with option, not_available or storage.
Result<NewAnchor> create_file_anchor(const std::string& place, const AnchorContext& context);

/// Fails with crypto when the parameters are no path.
Result<std::unique_ptr<Anchor>> open_file_anchor(ByteView parameters, const AnchorContext& context);

}  // namespace sks::sealed
