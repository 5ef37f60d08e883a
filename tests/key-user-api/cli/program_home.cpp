#include "tests/key-user-api/cli/program_home.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "key-user-api/cli/program.h"

namespace sks::test {

ProgramHome::ProgramHome() { REQUIRE(run({"init"}).exit_code == 0); }

std::string ProgramHome::secret(const std::string& name, const std::string& text) const {
  const std::string path = with_content(name, text);
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return path;
}

std::string ProgramHome::with_content(const std::string& name, const std::string& content) const {
  write_file(file(name), content);
  return file(name);
}

ProgramHome::Outcome ProgramHome::run(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"sks", "--store", store()});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = cli::run_program(cli::take_secrets(static_cast<int>(argv.size()), argv.data()), out, err);
  return {exit_code, out.str(), err.str()};
}

std::string ProgramHome::output_of(std::vector<std::string> arguments) const {
  const Outcome outcome = run(std::move(arguments));
  CAPTURE(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.err.empty());
  return outcome.out;
}

nlohmann::json ProgramHome::json_of(std::vector<std::string> arguments) const {
  arguments.emplace_back("--json");
  return nlohmann::json::parse(output_of(std::move(arguments)));
}

void ProgramHome::check_refused(std::vector<std::string> arguments, const std::string& part, int exit_code) const {
  const Outcome outcome = run(std::move(arguments));
  CAPTURE(outcome.out);
  CAPTURE(outcome.err);
  CHECK(outcome.exit_code == exit_code);
  CHECK(outcome.out.empty());
  CHECK(std::ranges::count(outcome.err, '\n') == 1);
  CHECK(outcome.err.find(part) != std::string::npos);
}

std::string ProgramHome::create(std::vector<std::string> options) const {
  options.insert(options.begin(), {"key", "create"});
  return std::to_string(json_of(std::move(options)).at(0).at("handle").get<std::uint32_t>());
}

bool ProgramHome::shell(const std::string& command) const {
  const std::string logged = "cd '" + dir_.path() + "' && { " + command + " ; } >said 2>&1";
  return std::system(logged.c_str()) == 0;  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
}

std::string ProgramHome::said() const { return read_file(file("said")); }

}  // namespace sks::test
