#include "key-user-api/cli/integrate_desktop.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>

#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::cli;

namespace {

const DesktopStart kStart{{"/usr/bin/sks", "enroll", "--open", "--"}, true};

/// Folders of a user, where the desktop's real tools are told to work too.
struct Home {
  Home() {
    ::setenv("XDG_DATA_HOME", folders.data.c_str(), 1);
    ::setenv("XDG_CONFIG_HOME", folders.config.c_str(), 1);
    ::unsetenv("XDG_CURRENT_DESKTOP");
  }
  ~Home() {
    ::unsetenv("XDG_DATA_HOME");
    ::unsetenv("XDG_CONFIG_HOME");
  }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  std::string entry() const { return folders.data + "/applications/sks-enroll.desktop"; }
  std::string cache() const { return folders.data + "/applications/mimeinfo.cache"; }
  std::string choices() const { return folders.config + "/mimeapps.list"; }

  std::string add(const DesktopStart& start = kStart) {
    std::ostringstream out;
    const auto done = add_url_handler(start, folders, out);
    if (!done) FAIL(done.error().detail);
    return out.str();
  }
  std::string remove() {
    std::ostringstream out;
    const auto done = remove_url_handler(folders, out);
    if (!done) FAIL(done.error().detail);
    return out.str();
  }

  test::TempDir dir;
  DesktopFolders folders{dir.file("data"), dir.file("config")};
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string exec_line(std::vector<std::string> command) {
  const auto entry = desktop_entry({std::move(command), true});
  if (!entry) FAIL(entry.error().detail);
  const std::size_t begin = entry->find("\nExec=") + 6;
  return entry->substr(begin, entry->find('\n', begin) - begin);
}

}  // namespace

// Quoting and escapes: Desktop Entry Specification 1.5, chapters "The Exec key" and "Value types".
TEST_CASE("desktop_entry: a command is quoted as its specification says") {
  CHECK(exec_line({"/usr/bin/sks", "enroll", "--"}) == R"("/usr/bin/sks" "enroll" "--" %u)");
  CHECK(exec_line({"/opt/My programs/sks"}) == R"("/opt/My programs/sks" %u)");
  CHECK(exec_line({"/a$b"}) == R"("/a\\$b" %u)");
  CHECK(exec_line({"/a`b"}) == R"("/a\\`b" %u)");
  CHECK(exec_line({"/a\"b"}) == R"("/a\\"b" %u)");
  CHECK(exec_line({"/a\\b"}) == R"("/a\\\\b" %u)");
  CHECK(exec_line({"/100%u"}) == R"("/100%%u" %u)");
  CHECK(exec_line({"/sks", "a=b"}) == R"("/sks" "a=b" %u)");
}

TEST_CASE("desktop_entry: what no desktop could start is refused") {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"/a=b/sks"}, {"/a\nb"}, {"/sks", "a\tb"}, {"/sks", "a\x7f"}}) {
    const auto entry = desktop_entry({command, true});
    REQUIRE_FALSE(entry);
    CHECK(entry.error().status == Status::option);
  }
}

TEST_CASE("desktop_entry: desktop-file-validate has nothing to say") {
  for (const bool in_terminal : {true, false}) {
    const test::TempDir dir;
    const auto entry = desktop_entry({{"/opt/My $programs/100%/sks", "--store", "/a\\b", "enroll", "--"}, in_terminal});
    REQUIRE(entry);
    CHECK(contains(*entry, in_terminal ? "\nTerminal=true\n" : "\nTerminal=false\n"));
    test::write_file(dir.file("sks-enroll.desktop"), *entry);
    const std::string command =
        "desktop-file-validate " + dir.file("sks-enroll.desktop") + " > " + dir.file("said") + " 2>&1";
    CHECK(std::system(command.c_str()) == 0);  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
    CHECK(test::read_file(dir.file("said")).empty());
  }
}

TEST_CASE("find_desktop_folders: as the base directory specification says") {
  std::map<std::string, std::string> variables{{"HOME", "/home/jo"}};
  const auto find = [&] {
    return find_desktop_folders([&](const char* name) -> std::optional<std::string> {
      if (!variables.contains(name)) return std::nullopt;
      return variables[name];
    });
  };
  CHECK(find()->data == "/home/jo/.local/share");
  CHECK(find()->config == "/home/jo/.config");
  variables["XDG_DATA_HOME"] = "/data";
  variables["XDG_CONFIG_HOME"] = "";
  CHECK(find()->data == "/data");
  CHECK(find()->config == "/home/jo/.config");
  variables["XDG_DATA_HOME"] = "data";
  CHECK(find().error().detail == "XDG_DATA_HOME is no absolute path");
  variables = {};
  CHECK(contains(find().error().detail, "neither XDG_DATA_HOME nor HOME"));
  variables["HOME"] = "jo";
  CHECK(find().error().detail == "HOME is no absolute path");
}

TEST_CASE("add_url_handler: the desktop's own tools know the handler afterwards, and no longer when it is removed") {
  Home home;
  const std::string told = home.add();
  CAPTURE(told);
  CHECK(contains(told, "Wrote " + home.entry()));
  CHECK(contains(told, "keygen2:// are opened by /usr/bin/sks"));
  CHECK_FALSE(contains(told, "has failed"));
  CHECK_FALSE(contains(told, "There is no"));
  CHECK(test::read_file(home.entry()) == *desktop_entry(kStart));
  CHECK(contains(test::read_file(home.cache()), "x-scheme-handler/keygen2=sks-enroll.desktop;"));
  const std::string query = "xdg-mime query default x-scheme-handler/keygen2 > " + home.dir.file("answer");
  CHECK(std::system(query.c_str()) == 0);  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
  CHECK(test::read_file(home.dir.file("answer")) == "sks-enroll.desktop\n");

  const std::string removed = home.remove();
  CHECK(contains(removed, "Removed " + home.entry()));
  CHECK_FALSE(std::filesystem::exists(home.entry()));
  CHECK_FALSE(contains(test::read_file(home.cache()), "keygen2"));
  CHECK_FALSE(contains(test::read_file(home.choices()), "keygen2"));
}

TEST_CASE("add_url_handler: done again it changes nothing, and a changed command replaces the old one") {
  Home home;
  home.add();
  const std::string choices = test::read_file(home.choices());
  CHECK(contains(home.add(), "Found " + home.entry() + " as it should be."));
  CHECK(test::read_file(home.choices()) == choices);
  const DesktopStart moved{{"/opt/sks", "enroll", "--"}, false};
  CHECK(contains(home.add(moved), "Wrote "));
  CHECK(test::read_file(home.entry()) == *desktop_entry(moved));
  CHECK(std::distance(std::filesystem::directory_iterator(home.folders.data + "/applications"), {}) == 2);
}

TEST_CASE("remove_url_handler: takes out its own entry and leaves the choices of others as they are") {
  Home home;
  std::filesystem::create_directories(home.folders.config);
  const std::string others =
      "# mine\n[Default Applications]\ntext/html=browser.desktop\nx-scheme-handler/keygen2x=sks-enroll.desktop\n";
  test::write_file(home.choices(), others +
                                       "x-scheme-handler/keygen2=sks-enroll.desktop;other.desktop;\n"
                                       "[Added Associations]\nx-scheme-handler/keygen2=sks-enroll.desktop\nlast");
  home.remove();
  CHECK(test::read_file(home.choices()) ==
        others + "x-scheme-handler/keygen2=other.desktop;\n[Added Associations]\nlast");
}

TEST_CASE("remove_url_handler: where nothing was added there is nothing to remove, and nothing is made") {
  Home home;
  CHECK(contains(home.remove(), "There is no " + home.entry()));
  CHECK_FALSE(std::filesystem::exists(home.folders.data));
  CHECK_FALSE(std::filesystem::exists(home.folders.config));
}

TEST_CASE("add_url_handler: without the desktop's tools the entry is made all the same, and it says what is missing") {
  Home home;
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", home.dir.path().c_str(), 1);
  const std::string none = home.add();
  test::write_file(home.dir.file("xdg-mime"), "#!/bin/sh\nexit 4\n");
  REQUIRE(::chmod(home.dir.file("xdg-mime").c_str(), 0755) == 0);
  const std::string failing = home.add();
  ::setenv("PATH", before.c_str(), 1);
  CHECK(
      contains(none, "There is no update-desktop-database here: the desktop may notice only after the next login.\n"));
  CHECK(contains(none, "There is no xdg-mime here: "));
  CHECK(contains(failing, "xdg-mime has failed: "));
  CHECK(std::filesystem::exists(home.entry()));
}

TEST_CASE("add_url_handler: a folder that cannot be made is one sentence") {
  Home home;
  test::write_file(home.folders.data, "a file");
  std::ostringstream out;
  const auto added = add_url_handler(kStart, home.folders, out);
  REQUIRE_FALSE(added);
  CHECK(contains(added.error().detail, "cannot make the folder " + home.folders.data + "/applications"));
  const auto removed = remove_url_handler(home.folders, out);
  CHECK(removed);
}
