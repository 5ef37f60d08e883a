#include "tests/fuzz/program.h"

/// Calls of an SKS over the byte stream, valid and invalid: the input is a program of calls, see program.h.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sks::fuzz::make_checks_fatal();
  sks::fuzz::Program program({data, size});
  program.run();
  return 0;
}
