#include <exception>
#include <iostream>

#include "key-user-api/daemon/options.h"
#include "key-user-api/daemon/program.h"

int main(int argc, char** argv) {
  try {
    return sks::daemon::run_program(argc, argv);
  } catch (const std::exception& exception) {
    sks::daemon::complain(std::cerr, exception.what());
    return sks::daemon::kExitRefused;
  }
}
