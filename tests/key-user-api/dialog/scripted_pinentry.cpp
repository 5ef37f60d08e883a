#include "tests/key-user-api/dialog/scripted_pinentry.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

namespace sks::test {

ScriptedPinentry::ScriptedPinentry(const Script& script, std::chrono::milliseconds limit) {
  write_file(dir_.file("script.json"), nlohmann::json(script).dump());
  write_file(dir_.file("pinentry"), "#!/bin/sh\nexec " PYTHON3 " -S -E " +
                                        source_file("tests/key-user-api/dialog/scripted_pinentry.py") + " " +
                                        dir_.path() + " \"$@\"\n");
  REQUIRE(::chmod(dir_.file("pinentry").c_str(), 0700) == 0);
  settings_.program = dir_.file("pinentry");
  settings_.answer_limit = limit;
  settings_.ending_limit = limit;
  use(settings_);
}

std::vector<std::string> ScriptedPinentry::log() const {
  std::vector<std::string> lines;
  std::istringstream in(read_file(dir_.file("log")));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string ScriptedPinentry::logged(const std::string& start) const {
  std::vector<std::string> found;
  for (const std::string& line : log())
    if (line.starts_with(start)) found.push_back(line.substr(start.size()));
  REQUIRE_MESSAGE(found.size() == 1, start << " is there " << found.size() << " times");
  return found[0];
}

bool ScriptedPinentry::has_logged(const std::string& start) const {
  return std::ranges::any_of(log(), [&](const std::string& line) { return line.starts_with(start); });
}

std::string ScriptedPinentry::complaint() const {
  const std::string start = "the pinentry program " + settings_.program + " ";
  const std::string whole = dialog_->failure();
  return whole.starts_with(start) ? whole.substr(start.size()) : whole;
}

}  // namespace sks::test
