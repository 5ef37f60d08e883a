#pragma once

#include "sealed-storage/schema.h"

namespace sks::sealed {

/// Brings the store of an earlier format version to the current one, in a single transaction: every record is opened,
/// sealed anew under its own label, and entered into the seal tree. `header` becomes that of the new version.
///
/// Fails with crypto when the master key does not fit or a record was altered, storage when the disk takes no more;
/// then nothing is changed. Spec: spec/sealed-record.md chapter 9.
Result<void> upgrade(Database& database, ByteView master_key, std::uint32_t version, Header& header);

}  // namespace sks::sealed
