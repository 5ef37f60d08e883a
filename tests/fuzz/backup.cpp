#include "sealed-storage/backup_file.h"
#include "tests/fuzz/checks.h"

/// The content of a backup, as it comes out of its envelope: who knows a passphrase can put anything into one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sks::ByteView content(data, size);
  const auto backup = sks::sealed::decode_backup_content(content);
  if (backup)
    sks::fuzz::require(sks::equal(sks::sealed::encode_backup_content(*backup).view(), content),
                       "a backup has one form");
  return 0;
}
