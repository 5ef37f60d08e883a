#include <iostream>

#include "key-user-api/cli/program.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  return sks::cli::run_program(sks::cli::take_secrets(argc, argv), std::cout, std::cerr);
}
