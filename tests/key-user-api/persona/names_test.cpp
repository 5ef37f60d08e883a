#include <doctest/doctest.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "key-user-api/persona.h"

/// Names of personas, and which store a program chooses.
namespace sks::test {
namespace {

/// Sets or removes an environment variable, and puts the old value back.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* const old = std::getenv(name)) old_ = old;
    had_ = std::getenv(name) != nullptr;
    if (value == nullptr) {
      ::unsetenv(name);
    } else {
      ::setenv(name, value, 1);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    if (had_) {
      ::setenv(name_, old_.c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

/// The variables that choose a store, all unset.
struct NoVariables {
  Environment home{"HOME", "/home/jo"};
  Environment data{"XDG_DATA_HOME", nullptr};
  Environment store{"SKS_STORE", nullptr};
  Environment persona{"SKS_PERSONA", nullptr};
};

std::string chosen(const std::optional<std::string>& store = {}, const std::optional<std::string>& persona = {}) {
  const Result<ChosenStore> found = choose_store(store, persona);
  return found ? found->folder + " " + found->persona : found.error().detail;
}

}  // namespace

TEST_CASE("choose_store: the nearest setting wins") {
  const NoVariables none;
  CHECK(chosen() == "/home/jo/.local/share/sks/default default");
  const Environment data("XDG_DATA_HOME", "/data");
  CHECK(chosen() == "/data/sks/default default");
  const Environment persona("SKS_PERSONA", "work");
  CHECK(chosen() == "/data/sks/work work");
  const Environment store("SKS_STORE", "/elsewhere");
  CHECK(chosen() == "/elsewhere ");
  CHECK(chosen({}, "club") == "/data/sks/club club");
  CHECK(chosen("/given") == "/given ");
}

TEST_CASE("choose_store: an empty variable is none") {
  const NoVariables none;
  const Environment store("SKS_STORE", "");
  const Environment persona("SKS_PERSONA", "");
  CHECK(chosen() == "/home/jo/.local/share/sks/default default");
}

TEST_CASE("choose_store: a bad name is refused, and not taken for a path") {
  const NoVariables none;
  const Environment persona("SKS_PERSONA", "../work");
  CHECK(chosen() ==
        "'../work' cannot name a persona: a name has 1 to 64 lower-case letters, digits, '-' and '_', and starts with "
        "a letter or digit");
  CHECK(chosen({}, "Work").starts_with("'Work' cannot name a persona"));
  CHECK(chosen("/given") == "/given ");
}

TEST_CASE("choose_store: without $HOME it is in the home folder of the user, not in the root folder") {
  const NoVariables none;
  const Environment home("HOME", nullptr);
  const passwd* const user = ::getpwuid(::geteuid());
  REQUIRE(user != nullptr);
  CHECK(chosen() == std::string(user->pw_dir) + "/.local/share/sks/default default");
}

TEST_CASE("check_persona_name: takes what every file system tells apart, and nothing that is a path or hidden") {
  for (const char* const name : {"a", "0", "work", "my-club_2", "a--", "z_"}) {
    CAPTURE(name);
    CHECK(check_persona_name(name));
  }
  CHECK(check_persona_name(std::string(64, 'x')));
  using namespace std::string_literals;
  for (const std::string& name :
       {""s, "."s, ".."s, "-a"s, "_a"s, ".a"s, "a.b"s, "a/b"s, "/"s, "A"s, "a b"s, "a\0b"s, "\n"s, "\x7F"s, "\xC3\xA4"s,
        "a:b"s, "a*"s, std::string(65, 'x'), std::string(5000, 'x')}) {
    CAPTURE(name);
    const Result<void> refused = check_persona_name(name);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::option);
    CHECK(refused.error().detail.size() < 300);
  }
}

}  // namespace sks::test
