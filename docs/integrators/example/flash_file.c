#define _XOPEN_SOURCE 700

#include "flash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = FLASH_FILE_BLOCK_SIZE * FLASH_FILE_BLOCKS };

static int write_all(int descriptor, const uint8_t* data, size_t size, size_t offset) {
  while (size > 0) {
    const ssize_t written = pwrite(descriptor, data, size, (off_t)offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    data += written;
    offset += (size_t)written;
    size -= (size_t)written;
  }
  /* A chip has finished when its driver says so; a file is safe only now. */
  return fdatasync(descriptor);
}

static int program(struct flash* flash, size_t offset, const uint8_t* data, size_t size) {
  const struct flash_file* const file = (const struct flash_file*)flash;
  uint8_t cells[256];
  while (size > 0) {
    const size_t step = size < sizeof cells ? size : sizeof cells;
    for (size_t i = 0; i < step; ++i) cells[i] = flash->memory[offset + i] & data[i];
    if (write_all(file->descriptor, cells, step, offset) != 0) return -1;
    offset += step;
    data += step;
    size -= step;
  }
  return 0;
}

static int erase(struct flash* flash, size_t block) {
  const struct flash_file* const file = (const struct flash_file*)flash;
  uint8_t erased[FLASH_FILE_BLOCK_SIZE];
  memset(erased, 0xFF, sizeof erased);
  return write_all(file->descriptor, erased, sizeof erased, block * FLASH_FILE_BLOCK_SIZE);
}

/* A new chip comes erased. */
static int make(int descriptor) {
  uint8_t erased[FLASH_FILE_BLOCK_SIZE];
  memset(erased, 0xFF, sizeof erased);
  for (size_t block = 0; block < FLASH_FILE_BLOCKS; ++block)
    if (write_all(descriptor, erased, sizeof erased, block * FLASH_FILE_BLOCK_SIZE) != 0) return -1;
  return 0;
}

static int map(struct flash_file* file) {
  struct stat status;
  if (fstat(file->descriptor, &status) != 0) return -1;
  if (status.st_size < SIZE && make(file->descriptor) != 0) return -1;
  void* const memory = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, file->descriptor, 0);
  if (memory == MAP_FAILED) return -1;
  file->flash.memory = memory;
  file->flash.size = SIZE;
  file->flash.block_size = FLASH_FILE_BLOCK_SIZE;
  file->flash.program = program;
  file->flash.erase = erase;
  return 0;
}

int flash_file_open(struct flash_file* file, const char* path) {
  file->descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file->descriptor < 0) return -1;
  if (map(file) == 0) return 0;
  const int error = errno;
  close(file->descriptor);
  errno = error;
  return -1;
}

void flash_file_close(struct flash_file* file) {
  munmap((void*)file->flash.memory, SIZE);
  close(file->descriptor);
}
