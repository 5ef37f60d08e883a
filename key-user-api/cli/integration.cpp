#include "key-user-api/cli/integration.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "key-user-api/cli/integrate_desktop.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/cli/own_files.h"
#include "key-user-api/dialog/pin_text.h"

namespace sks::cli {
namespace {

namespace fs = std::filesystem;

/// As people and as JSON read it, by IntegrationState.
struct StateName {
  const char* text;
  const char* json;
};
constexpr auto kStates = std::to_array<StateName>({{"in place", "inPlace"},
                                                   {"missing", "missing"},
                                                   {"outdated", "outdated"},
                                                   {"broken", "broken"},
                                                   {"not installed", "notInstalled"}});
const StateName& name_of(IntegrationState state) { return kStates.at(static_cast<std::size_t>(state)); }

/// Where an installation has the module, seen from the program, and where a build folder has it.
Result<std::string> installed_module() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return Error{Status::not_available, "cannot tell where this program is: " + error.message()};
  const fs::path prefix = program.parent_path().parent_path();
  const std::string installed = (prefix / SKS_MODULE_FOLDER / std::string(kModuleFile)).string();
  const std::string built = (prefix / "lib" / std::string(kModuleFile)).string();
  return ::access(installed.c_str(), R_OK) != 0 && ::access(built.c_str(), R_OK) == 0 ? built : installed;
}

/// Settings files have no common way to quote.
bool is_plain_path(const std::string& path) {
  return path.starts_with('/') && std::ranges::none_of(path, [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"' || c == '\\' || c == '#' || c == '$';
         });
}

bool exists(const std::string& path) { return ::access(path.c_str(), R_OK) == 0; }

Error with_path(const std::string& path, const Error& error) { return {error.status, path + ": " + error.detail}; }

Result<std::string> planned_text(const Setting& setting) {
  const auto text = read_text(setting.path);
  if (text && !setting.contradictions.empty()) {
    const auto lines = own_lines_with(*text, setting.contradictions);
    if (!lines.empty())
      return Error{Status::option,
                   setting.path + " has a line of its own that would contradict: " + dialog::printable(lines.front()) +
                       "; take it out, or add " +
                       dialog::printable(setting.content.substr(0, setting.content.find('\n'))) + " to it by hand"};
  }
  auto planned = setting.form->add(text, setting.content);
  if (!planned) return with_path(setting.path, planned.error());
  return planned;
}

/// What was done to a file, as people and as JSON read it.
enum class Action : std::uint8_t { wrote, kept, took_entry, removed, nothing };
struct ActionName {
  const char* text;
  const char* json;
};
constexpr auto kActions = std::to_array<ActionName>({{"Wrote", "wrote"},
                                                     {"Found as it should be:", "kept"},
                                                     {"Took the entry out of", "tookEntry"},
                                                     {"Removed", "removed"},
                                                     {"Found nothing of sks in", "nothing"}});
struct Done {
  std::string path;
  Action action;

  const ActionName& name() const { return kActions.at(static_cast<std::size_t>(action)); }
};

void tell(const Integration& integration, const std::vector<Done>& done, const std::string& advice, Format format,
          std::ostream& out) {
  if (format == Format::text) {
    for (const Done& row : done) out << row.name().text << " " << dialog::printable(row.path) << ".\n";
    if (!advice.empty()) out << advice << "\n";
    return;
  }
  auto files = nlohmann::ordered_json::array();
  for (const Done& row : done) files.push_back({{"path", row.path}, {"action", row.name().json}});
  nlohmann::ordered_json json{{"name", integration.name}, {"files", std::move(files)}};
  if (!advice.empty()) json["advice"] = advice;
  out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

CheckedSetting check_setting(const Setting& setting, const Surroundings& where) {
  const auto text = read_text(setting.path);
  if (!text) return {setting.path, IntegrationState::missing, ""};
  const auto found = setting.form->find(*text, setting.content);
  if (!found) return {setting.path, IntegrationState::broken, found.error().detail};
  if (*found == Presence::absent) return {setting.path, IntegrationState::missing, ""};
  if (*found == Presence::same && !exists(where.module))
    return {setting.path, IntegrationState::broken, "there is no " + where.module};
  if (*found == Presence::same) return {setting.path, IntegrationState::in_place, ""};
  return {setting.path, IntegrationState::outdated, "it is not what this version would add"};
}

/// The worst of the settings; some that are there and some that are missing are a broken whole.
IntegrationState state_of(const std::vector<CheckedSetting>& settings) {
  const auto count = [&](IntegrationState state) {
    return std::ranges::count(settings, state, &CheckedSetting::state);
  };
  if (count(IntegrationState::broken) != 0) return IntegrationState::broken;
  if (count(IntegrationState::outdated) != 0) return IntegrationState::outdated;
  if (count(IntegrationState::missing) == 0) return IntegrationState::in_place;
  return count(IntegrationState::in_place) == 0 ? IntegrationState::missing : IntegrationState::outdated;
}

void write_checks(const std::vector<CheckedIntegration>& checks, const Surroundings& where, Format format,
                  std::ostream& out) {
  std::vector<TableRow> rows{{"NAME", "STATE", "FILE", "DETAIL"}};
  auto integrations = nlohmann::ordered_json::array();
  for (const CheckedIntegration& check : checks) {
    auto files = nlohmann::ordered_json::array();
    for (const CheckedSetting& setting : check.settings) {
      files.push_back({{"path", setting.path}, {"state", name_of(setting.state).json}, {"detail", setting.detail}});
      rows.push_back({check.name, name_of(setting.state).text, setting.path, setting.detail});
    }
    if (check.settings.empty()) rows.push_back({check.name, name_of(check.state).text, "", check.detail});
    integrations.push_back({{"name", check.name},
                            {"state", name_of(check.state).json},
                            {"detail", check.detail},
                            {"files", std::move(files)}});
  }
  if (format == Format::json) {
    const nlohmann::ordered_json json{
        {"module", where.module}, {"moduleExists", exists(where.module)}, {"integrations", std::move(integrations)}};
    out << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return;
  }
  out << "The module is " << dialog::printable(where.module)
      << (exists(where.module) ? ".\n" : ", which is not there.\n");
  write_table(rows, out);
}

Result<void> run_check(const std::vector<const Integration*>& integrations, const Surroundings& where, Format format,
                       std::ostream& out) {
  std::vector<CheckedIntegration> checks;
  for (const Integration* const integration : integrations) checks.push_back(check_integration(*integration, where));
  write_checks(checks, where, format, out);
  if (!exists(where.module)) return Error{Status::not_available, "there is no module " + where.module};
  const auto has = [&](IntegrationState state) {
    return std::ranges::find(checks, state, &CheckedIntegration::state) != checks.end();
  };
  if (has(IntegrationState::broken) || has(IntegrationState::outdated))
    return Error{Status::not_available, "something is not as it should be: integrate it again"};
  if (!has(IntegrationState::in_place))
    return Error{Status::not_available,
                 checks.size() == 1 ? checks[0].name + " is not integrated" : "nothing is integrated"};
  return {};
}

}  // namespace

Result<Surroundings> find_surroundings(const std::string& module, const Environment& environment) {
  SKS_LET(DesktopFolders folders, find_desktop_folders(environment));
  Surroundings where;
  where.home = environment("HOME").value_or("");
  where.config = std::move(folders.config);
  where.data = std::move(folders.data);
  if (!where.home.starts_with('/')) return Error{Status::not_available, "HOME does not say where your folder is"};
  where.gnupg = environment("GNUPGHOME").value_or("");
  if (where.gnupg.empty()) where.gnupg = where.home + "/.gnupg";
  std::error_code error;
  if (module.empty()) {
    SKS_LET(where.module, installed_module());
  } else {
    where.module = fs::absolute(module, error).lexically_normal().string();
  }
  if (fs::path(where.module).filename() != kModuleFile)
    return Error{Status::option, "the module is called " + std::string(kModuleFile) + ", not " + where.module};
  if (error || !is_plain_path(where.module))
    return Error{Status::option, "settings files cannot name the module " + where.module};
  return where;
}

Result<void> add_integration(const Integration& integration, const Surroundings& where, Format format,
                             std::ostream& out) {
  if (!exists(where.module))
    return Error{Status::not_available, "there is no module " + where.module + "; --module says where it is"};
  if (integration.prepare != nullptr) SKS_TRY(integration.prepare(where));
  SKS_LET(const std::vector<Setting> settings, integration.settings(where));
  std::vector<std::string> planned;
  for (const Setting& setting : settings) {
    SKS_LET(std::string text, planned_text(setting));
    planned.push_back(std::move(text));
  }
  std::vector<Done> done;
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const std::string& path = settings[i].path;
    const bool there = read_text(path) == planned[i];
    if (!there) SKS_TRY(make_folder(fs::path(path).parent_path().string()));
    if (!there) SKS_TRY(write_text(path, planned[i]));
    done.push_back({path, there ? Action::kept : Action::wrote});
  }
  tell(integration, done, integration.advice(where), format, out);
  return {};
}

Result<void> remove_integration(const Integration& integration, const Surroundings& where, Format format,
                                std::ostream& out) {
  SKS_LET(const std::vector<Setting> settings, integration.settings(where));
  std::vector<Done> done;
  for (const Setting& setting : settings) {
    const auto text = read_text(setting.path);
    auto without = text ? setting.form->remove(*text) : Result<std::optional<std::string>>(text);
    if (!without) return with_path(setting.path, without.error());
    if (!text || *without == text) {
      done.push_back({setting.path, Action::nothing});
    } else if (*without) {
      SKS_TRY(write_text(setting.path, **without));
      done.push_back({setting.path, Action::took_entry});
    } else {
      SKS_TRY(remove_file(setting.path));
      done.push_back({setting.path, Action::removed});
    }
  }
  tell(integration, done, "", format, out);
  return {};
}

CheckedIntegration check_integration(const Integration& integration, const Surroundings& where) {
  const auto settings = integration.settings(where);
  if (!settings) return {integration.name, IntegrationState::unavailable, settings.error().detail, {}};
  CheckedIntegration checked{integration.name, IntegrationState::missing, "", {}};
  for (const Setting& setting : *settings) checked.settings.push_back(check_setting(setting, where));
  checked.state = state_of(checked.settings);
  return checked;
}

Result<void> run_integrate(const IntegrateOptions& options, Format format, std::ostream& out) {
  SKS_LET(const Surroundings where, find_surroundings(options.module, process_environment()));
  std::vector<const Integration*> chosen;
  for (const Integration& row : all_integrations())
    if (options.name.empty() || options.name == row.name) chosen.push_back(&row);
  SKS_CHECK(!chosen.empty());  // the table of commands has no other names
  if (options.check) return run_check(chosen, where, format, out);
  return options.remove ? remove_integration(*chosen.front(), where, format, out)
                        : add_integration(*chosen.front(), where, format, out);
}

}  // namespace sks::cli
