#include <fcntl.h>

#include <iostream>

#include "key-user-api/cli/program.h"

namespace {

/// Takes the places of standard descriptors that this process was started without: else the first files of the key
/// store get them, and what is meant for the terminal is written into them. Writing to these fails, as it should.
void occupy_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDONLY));  // takes the lowest that is free
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_descriptors();
  std::ios::sync_with_stdio(false);
  return sks::cli::run_program(sks::cli::take_secrets(argc, argv), std::cout, std::cerr);
}
