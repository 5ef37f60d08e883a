#ifndef EXAMPLE_FLASH_H
#define EXAMPLE_FLASH_H

#include <stddef.h>
#include <stdint.h>

/// A flash chip as a driver sees it. Erasing makes every byte of a block 0xFF; programming can only clear bits. The
/// chip is mapped into memory, so reading needs no function.
///
/// program and erase return 0, or another number when the chip reports a failure. They return when the chip has
/// finished: what comes later in time is later in the flash, too.
struct flash {
  const uint8_t* memory;
  size_t size;       /* bytes; an even number of blocks */
  size_t block_size; /* bytes */
  int (*program)(struct flash* flash, size_t offset, const uint8_t* data, size_t size);
  int (*erase)(struct flash* flash, size_t block);
};

#endif
