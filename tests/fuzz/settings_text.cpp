#include "key-user-api/cli/settings_text.h"

#include "tests/fuzz/checks.h"

/// Settings files of users: what is taken out again leaves every byte as it was, or nothing was touched.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks::cli;
  const std::string text(reinterpret_cast<const char*>(data), size);
  struct Case {
    const SettingsForm& form;
    const char* content;
  };
  for (const Case& c :
       {Case{block_form(), "line\n"}, Case{nss_form(), "/lib/libsks-pkcs11.so"}, Case{whole_file_form(), "line\n"}}) {
    const auto found = c.form.find(text, c.content);
    const auto removed = c.form.remove(text);
    const auto added = c.form.add(text, c.content);
    if (!added) continue;
    sks::fuzz::require(found && removed, "what can be added to can be looked at");
    const auto again = c.form.find(*added, c.content);
    sks::fuzz::require(again && *again == Presence::same, "what was added is found");
    const auto back = c.form.remove(*added);
    sks::fuzz::require(static_cast<bool>(back), "what was added can be removed");
    if (*found == Presence::absent) sks::fuzz::require(*back == text, "nothing of the user's is changed");
    if (*found == Presence::absent) sks::fuzz::require(*removed == text, "nothing is removed where there is nothing");
  }
  static_cast<void>(own_lines_with(text, {"Provider"}));
  return 0;
}
