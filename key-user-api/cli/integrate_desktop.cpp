#include "key-user-api/cli/integrate_desktop.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "key-user-api/cli/child_process.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/own_files.h"
#include "key-user-api/dialog/program_path.h"
#include "sealed-storage/files.h"

namespace sks::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileName = "sks-enroll.desktop";
constexpr std::string_view kMimeType = "x-scheme-handler/keygen2";
constexpr auto kToolPatience = std::chrono::seconds(10);

/// One argument of an Exec key. What has a meaning within quotes gets a backslash, which is doubled because the whole
/// value is a string with escapes; so a backslash itself becomes four. A '%' would begin a field code.
std::string quoted_argument(std::string_view argument) {
  std::string out = "\"";
  for (const char c : argument) {
    if (c == '\\') out += R"(\\\)";
    if (c == '"' || c == '`' || c == '$') out += R"(\\)";
    out += c;
    if (c == '%') out += c;
  }
  return out + "\"";
}

/// Runs a tool of the desktop. `otherwise` is what it means for the user when it does not do its work.
void run_tool(const std::string& name, std::vector<std::string> arguments, std::string_view otherwise,
              std::ostream& out) {
  const auto program = dialog::find_in_path(name);
  if (!program) {
    out << "There is no " << name << " here: " << otherwise << ".\n";
    return;
  }
  const auto exit_code = run_quietly(*program, std::move(arguments), kToolPatience);
  if (!exit_code) out << exit_code.error().detail << ": " << otherwise << ".\n";
  if (exit_code && exit_code->value_or(1) != 0) out << name << " has failed: " << otherwise << ".\n";
}

void update_database(const std::string& applications, std::ostream& out) {
  run_tool("update-desktop-database", {"--quiet", applications}, "the desktop may notice only after the next login",
           out);
}

/// A line of mimeapps.list without our entry; nothing when there is no other entry in it.
std::optional<std::string> without_our_entry(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos || line.substr(0, equals) != kMimeType) return std::string(line);
  std::string kept;
  for (std::string_view rest = line.substr(equals + 1); !rest.empty();) {
    const std::string_view entry = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    if (!entry.empty() && entry != kFileName) kept += std::string(entry) + ";";
  }
  if (kept.empty()) return std::nullopt;
  return std::string(kMimeType) + "=" + kept;
}

/// xdg-mime can choose a program for a kind of URL, and cannot take that back.
Result<void> remove_default(const std::string& config_folder, std::ostream& out) {
  std::error_code error;
  const std::string path = fs::weakly_canonical(config_folder + "/mimeapps.list", error).string();
  const auto before = error ? std::nullopt : read_text(path);
  if (!before) return {};
  std::string after;
  for (std::string_view rest = *before; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const bool ended = line.size() < rest.size();
    rest.remove_prefix(line.size() + (ended ? 1 : 0));
    if (const auto kept = without_our_entry(line)) after += *kept + (ended ? "\n" : "");
  }
  if (after == *before) return {};
  SKS_TRY(write_text(path, after));
  out << "Took the entry out of " << path << ".\n";
  return {};
}

/// Whether `pinentry` opens windows: its name usually leads to one of several programs, of which two need a terminal.
bool has_graphical_pinentry() {
  const auto named = dialog::find_in_path("pinentry");
  std::error_code error;
  const std::string program = named ? fs::canonical(*named, error).string() : "";
  return named && !error && !program.ends_with("-curses") && !program.ends_with("-tty");
}

}  // namespace

Result<DesktopFolders> find_desktop_folders(const Environment& environment) {
  const std::string home = environment("HOME").value_or("");
  const auto folder = [&](const char* variable, const char* in_home) -> Result<std::string> {
    std::string value = environment(variable).value_or("");
    const bool named = !value.empty();
    if (!named && home.empty())
      return Error{Status::not_available, std::string("neither ") + variable + " nor HOME says where your folders are"};
    if (!named) value = home + in_home;
    if (value.starts_with('/')) return value;
    return Error{Status::not_available, std::string(named ? variable : "HOME") + " is no absolute path"};
  };
  DesktopFolders folders;
  SKS_LET(folders.data, folder("XDG_DATA_HOME", "/.local/share"));
  SKS_LET(folders.config, folder("XDG_CONFIG_HOME", "/.config"));
  return folders;
}

Result<std::string> desktop_entry(const DesktopStart& start) {
  std::string command;
  for (const std::string& argument : start.command) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::ranges::any_of(argument, is_control) || (command.empty() && argument.find('=') != std::string::npos))
      return Error{Status::option, "a desktop cannot start '" + argument +
                                       "': there is a control character in it, or a '=' in the path of the program"};
    command += quoted_argument(argument) + " ";
  }
  return "[Desktop Entry]\n"
         "Type=Application\n"
         "Name=OpenSKS\n"
         "Comment=Get keys and certificates from an issuer\n"
         "Exec=" +
         command +
         "%u\n"
         "Terminal=" +
         (start.in_terminal ? "true" : "false") +
         "\n"
         "NoDisplay=true\n"
         "StartupNotify=false\n"
         "MimeType=" +
         std::string(kMimeType) + ";\n";
}

Result<void> add_url_handler(const DesktopStart& start, const DesktopFolders& folders, std::ostream& out) {
  SKS_LET(const std::string entry, desktop_entry(start));
  const std::string applications = folders.data + "/applications";
  const std::string path = applications + "/" + std::string(kFileName);
  SKS_TRY(make_folder(applications));
  const bool there = read_text(path) == entry;
  if (!there) SKS_TRY(write_text(path, entry));
  out << (there ? "Found " : "Wrote ") << path << (there ? " as it should be.\n" : ".\n");
  update_database(applications, out);
  SKS_TRY(make_folder(folders.config));
  run_tool("xdg-mime", {"default", std::string(kFileName), std::string(kMimeType)},
           "if another program opens keygen2:// links, choose this one in the settings of the desktop", out);
  out << "Links with keygen2:// are opened by " << start.command.front() << ".\n";
  return {};
}

Result<void> remove_url_handler(const DesktopFolders& folders, std::ostream& out) {
  const std::string applications = folders.data + "/applications";
  const std::string path = applications + "/" + std::string(kFileName);
  const bool removed = ::unlink(path.c_str()) == 0;
  if (!removed && errno != ENOENT && errno != ENOTDIR) return sealed::system_error("cannot remove " + path);
  SKS_TRY(remove_default(folders.config, out));
  if (!removed) {
    out << "There is no " << path << ".\n";
    return {};
  }
  out << "Removed " << path << ".\n";
  update_database(applications, out);
  return {};
}

Result<void> run_integrate_desktop(const IntegrateDesktopOptions& options, std::ostream& out) {
  SKS_LET(const DesktopFolders folders, find_desktop_folders(process_environment()));
  if (options.remove) return remove_url_handler(folders, out);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return Error{Status::not_available, "cannot tell where this program is: " + error.message()};
  // A window can ask without a terminal; everything else needs one.
  const bool windows = has_graphical_pinentry();
  DesktopStart start{{program.string()}, !windows};
  start.command.insert(start.command.end(), options.start_options.begin(), options.start_options.end());
  start.command.insert(start.command.end(), {"enroll", "--open", "--dialog", windows ? "pinentry" : "terminal"});
  start.command.emplace_back("--");  // nothing in a link may be taken for an option
  return add_url_handler(start, folders, out);
}

}  // namespace sks::cli
