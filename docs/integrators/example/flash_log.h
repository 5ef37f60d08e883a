#ifndef EXAMPLE_FLASH_LOG_H
#define EXAMPLE_FLASH_LOG_H

#include <sks.h>

#include "flash.h"

/// Storage for a key store on raw flash: a log that is only ever appended to, in one of two areas.
///
/// The chip is halved. One area is in use; when it is full, what is still valid is copied to the other, which is in use
/// from the moment its first bytes are programmed: they are programmed last. Each area:
///
///     area header (generation number, CRC) | entry | entry | ... | erased cells
///     entry = header with CRC | payload, filled up to 8 bytes
///
/// Entries put or erase a record as part of a numbered transaction, or commit that transaction. What has no commit mark
/// has never happened, so power may fail at any byte. Values that are replaced, erased or never committed are
/// programmed to zero: they hold private keys and PINs.
///
/// The flash is taken to be inside of the chip, where nobody reads or changes it. Outside, each value has to be sealed
/// with a key that stays inside, bound to its kind, handle and transaction.
///
/// Nothing is allocated: the limits below are the memory it takes, 9 KiB. sks.h calls from one thread at a time.
enum {
  FLASH_LOG_MAX_RECORDS = 256,
  FLASH_LOG_MAX_CHANGES = 64, /* of one transaction */
  FLASH_LOG_RESERVE = 8192    /* bytes of each area that ordinary transactions leave alone, see make_room */
};

/// What the storage functions return, and what sks_error.text then shows.
enum {
  FLASH_LOG_OK = 0,
  FLASH_LOG_FULL = 1,
  FLASH_LOG_TOO_MANY = 2, /* records, or changes of one transaction */
  FLASH_LOG_DAMAGED = 3,  /* a value is not what was stored */
  FLASH_LOG_CHIP = 4      /* the driver reported a failure */
};

/// A value in the flash. `offset` is that of its payload.
struct flash_log_record {
  sks_record_id id;
  uint32_t offset;
  uint32_t size;
  uint32_t crc;
  uint32_t copy; /* offset in the other area while the log is copied there */
  int is_erased; /* only among changes */
};

struct flash_log {
  struct flash* flash;
  uint32_t start; /* of the area in use */
  uint32_t end;   /* where the next entry goes */
  uint32_t generation;
  uint32_t transaction;                                   /* number of the open one, or of the next */
  struct flash_log_record records[FLASH_LOG_MAX_RECORDS]; /* committed, in order of id */
  size_t record_count;
  struct flash_log_record changes[FLASH_LOG_MAX_CHANGES]; /* of the open transaction, in order of id */
  size_t change_count;
  int reserve_is_open;
  int is_torn; /* programming has failed: behind it, nothing would be found again */
};

/// Finds the valid area and what it holds; formats an erased chip. Returns one of the numbers above: FLASH_LOG_DAMAGED
/// when the chip holds something else, which is left as it is.
int flash_log_open(struct flash_log* log, struct flash* flash);

/// For sks_options.storage. Refers to `log`.
sks_storage flash_log_storage(struct flash_log* log);

#endif
