#pragma once

namespace sks::daemon {

/// sksd. Returns its exit code.
int run_program(int argc, char** argv);

}  // namespace sks::daemon
