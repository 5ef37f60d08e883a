#include "key-user-api/cli/settings_text.h"

#include <doctest/doctest.h>

using namespace sks::cli;

namespace {

using Text = std::optional<std::string>;

const std::vector<std::string> kTexts{
    "", "\n", "a=b", "a=b\n", "a=b\n\n", "a=b\nc=d\n\n\n", "# comment\na=b\n\nc=d\n\n"};

std::string add(const SettingsForm& form, const Text& text, const char* content) {
  auto added = form.add(text, content);
  REQUIRE(added);
  return *added;
}

Text remove(const SettingsForm& form, const std::string& text) {
  auto removed = form.remove(text);
  REQUIRE(removed);
  return *removed;
}

}  // namespace

TEST_CASE("settings: what is taken out leaves every byte of the user's as it was") {
  struct Case {
    const SettingsForm& form;
    const char* content;
    const char* other;
  };
  for (const Case& c :
       {Case{block_form(), "x y\n", "z\n"}, Case{nss_form(), "/lib/libsks-pkcs11.so", "/libsks-pkcs11.so"}})
    for (const std::string& text : kTexts) {
      CAPTURE(text);
      const std::string added = add(c.form, text, c.content);
      CHECK(*c.form.find(text, c.content) == Presence::absent);
      CHECK(*c.form.find(added, c.content) == Presence::same);
      CHECK(*c.form.find(added, c.other) == Presence::other);
      CHECK(remove(c.form, added) == text);
      CHECK(remove(c.form, text) == text);
      CHECK(add(c.form, added, c.content) == added);
      CHECK(remove(c.form, add(c.form, added, c.other)) == text);
    }
}

TEST_CASE("settings: a file that was made goes with its block, unless the user has written into it") {
  const std::string made = add(block_form(), std::nullopt, "x\n");
  CHECK(remove(block_form(), made) == std::nullopt);
  CHECK(remove(block_form(), made + "mine\n") == "mine\n");
  CHECK(remove(block_form(), "mine\n" + made) == "mine\n");
  CHECK(remove(block_form(), add(block_form(), made, "y\n")) == std::nullopt);
  CHECK(remove(block_form(), add(block_form(), "", "x\n")) == "");  // it was there, and empty
  const std::string whole = add(whole_file_form(), std::nullopt, "x\n");
  CHECK(remove(whole_file_form(), whole) == std::nullopt);
  CHECK_FALSE(whole_file_form().add("mine\n", "x\n"));
  CHECK(remove(whole_file_form(), "mine\n") == "mine\n");
}

TEST_CASE("settings: an NSS module is one among those of the user") {
  const std::string others =
      "library=\nname=NSS Internal PKCS #11 Module\nparameters=x\nNSS=y\n\nlibrary=/opt/other.so\nname=Other\n\n";
  const std::string added = add(nss_form(), others, "/lib/libsks-pkcs11.so");
  CHECK(added == others + "library=/lib/libsks-pkcs11.so\nname=OpenSKS\n\n");
  // NSS has written it again, and something behind it.
  const std::string later =
      others + "library=/lib/libsks-pkcs11.so\nname=OpenSKS\nNSS=trustOrder=100\n\nlibrary=/z.so\nname=Z\n\n";
  CHECK(remove(nss_form(), later) == others + "library=/z.so\nname=Z\n\n");
  // A module of another program by the same name is not ours.
  const std::string foreign = "library=/lib/other.so\nname=OpenSKS\n\n";
  CHECK(*nss_form().find(foreign, "/lib/libsks-pkcs11.so") == Presence::absent);
  CHECK_FALSE(nss_form().add(std::nullopt, "/lib/libsks-pkcs11.so"));
}

TEST_CASE("settings: what cannot be parsed is refused") {
  const std::string good = add(block_form(), "a\n", "x\n");
  const std::string end = "# END sks integrate\n";
  for (const std::string& bad : {good.substr(0, good.find(end)), end + good, good + good,
                                 good.substr(good.find('\n') + 1), std::string("a\0b", 3)}) {
    CAPTURE(bad);
    CHECK_FALSE(block_form().add(bad, "x\n"));
    CHECK_FALSE(block_form().remove(bad));
    CHECK_FALSE(block_form().find(bad, "x\n"));
  }
  for (const std::string& bad : {std::string("no list\n"), std::string("a=b\n\0", 5), std::string("a=b\n[x]\n")}) {
    CHECK_FALSE(nss_form().add(bad, "/lib/libsks-pkcs11.so"));
    CHECK_FALSE(nss_form().remove(bad));
  }
}

TEST_CASE("settings: the user's own lines are found, comments and ours are not") {
  const std::string text = add(block_form(), "# provider a\n  Provider=b\nHost c\n\tprovider d\n", "Provider ours\n");
  CHECK(own_lines_with(text, {"Provider"}) == std::vector<std::string>{"  Provider=b", "\tprovider d"});
  CHECK(own_lines_with(text, {"Providers"}).empty());
}
