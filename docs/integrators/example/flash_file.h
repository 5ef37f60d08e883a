#ifndef EXAMPLE_FLASH_FILE_H
#define EXAMPLE_FLASH_FILE_H

#include "flash.h"

enum { FLASH_FILE_BLOCK_SIZE = 4096, FLASH_FILE_BLOCKS = 64 };

/// A flash chip whose cells are a file of fixed size, made when it is missing: so that the example runs on a desk.
struct flash_file {
  struct flash flash; /* stands first: the driver finds the rest by it */
  int descriptor;
};

/// Returns 0, or -1 with errno.
int flash_file_open(struct flash_file* file, const char* path);
void flash_file_close(struct flash_file* file);

#endif
