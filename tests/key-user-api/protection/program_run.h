#pragma once

#include <functional>
#include <string>
#include <vector>

namespace sks::test {

/// How a program ended.
struct ProgramRun {
  int exit_code = -1;
  std::string out;
  std::string err;
};

/// Runs a program as a process of its own in a session without terminal. `prepare` runs in the process before it.
ProgramRun run_program_process(
    const char* program, std::vector<std::string> arguments, const std::function<void()>& prepare = [] {});

/// The same with a terminal, at which somebody types each answer as soon as its question is there. `out` is what the
/// terminal showed.
struct Answer {
  std::string question;
  std::string typed;
};
ProgramRun run_at_terminal(const char* program, std::vector<std::string> arguments, const std::vector<Answer>& answers);

}  // namespace sks::test
