#include "key-user-api/cli/agent.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "key-user-api/cli/child_process.h"
#include "key-user-api/dialog/program_path.h"
#include "key-user-api/ssh_agent/server.h"
#include "sks-core/wire/socket_channel.h"

namespace sks::cli {
namespace {

using namespace std::chrono_literals;

constexpr const char* kVariable = "SSH_AUTH_SOCK";
constexpr auto kConnectPatience = 5s;
/// Opening a store may have to wait for its passphrase.
constexpr auto kStartPatience = 5min;

constexpr std::string_view kPlain = "/.-_+,:@%=";

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kPlain.find(c) != std::string_view::npos;
}

/// One word for a shell.
std::string quoted(const std::string& text, bool csh) {
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else if (csh && (c == '!' || c == '\n')) {
      word.append("\\").push_back(c);  // these two are special between quotes too
    } else {
      word.push_back(c);
    }
  }
  return word + "'";
}

bool shell_is_csh() {
  const char* const shell = std::getenv("SHELL");  // NOLINT(concurrency-mt-unsafe): nothing here changes it
  return shell != nullptr && std::string_view(shell).ends_with("csh");
}

bool is_served(const std::string& socket) {
  return static_cast<bool>(wire::connect(wire::UnixAddress{socket}, kConnectPatience));
}

Result<void> start_sksd(const SocketPlace& place, const std::string& passphrase_file) {
  if (place.start_option.empty())
    return Error{Status::not_available, "no SSH agent is served beside " + place.socket + ", which SKS_SOCKET names"};
  SKS_LET(const std::string program, find_sksd());
  std::vector<std::string> arguments{place.start_option, place.start_value};
  if (!passphrase_file.empty())
    arguments.insert(arguments.end(), {"--passphrase-file", std::filesystem::absolute(passphrase_file).string()});
  SKS_LET(const std::optional<int> code, run_quietly(program, std::move(arguments), kStartPatience));
  if (code == 0) return {};
  return Error{Status::not_available,
               "sksd did not start; '" + program + " " + place.start_option + " " + place.start_value + "' tells why"};
}

/// sksd has opened its agent by the time at which it answers anybody; until then it opens the store.
Result<void> wait_for_answer(const std::string& socket) {
  constexpr auto kKeyCount = std::to_array<std::uint8_t>({151, 0, 0, 0, 0});  // spec/sksd.md 10, of no session
  SKS_LET(
      const std::unique_ptr<wire::SocketChannel> channel,
      wire::SocketChannel::connect(wire::UnixAddress{socket}, {.connect = kConnectPatience, .answer = kStartPatience}));
  const auto answer = channel->transact(kKeyCount);
  if (!answer) return Error{Status::not_available, "sksd does not answer at " + socket};
  return {};
}

Result<void> become(std::vector<std::string> command, const std::string& socket) {
  ::setenv(kVariable, socket.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): there is one thread
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  ::execvp(arguments.front(), arguments.data());
  return Error{Status::not_available, "cannot run " + command.front() + ": " + std::generic_category().message(errno)};
}

/// A name with a slash is a path, as for the PKCS#11 module.
Result<std::string> find_named_sksd(const std::string& name) {
  if (name.find('/') == std::string::npos) {
    if (std::optional<std::string> found = dialog::find_in_path(name)) return std::move(*found);
  } else if (dialog::is_program(name)) {
    return name;
  }
  return Error{Status::not_available, "SKS_SKSD names " + name + ", and there is no such program"};
}

}  // namespace

Result<std::string> find_sksd() {
  const char* const named = ::secure_getenv("SKS_SKSD");  // NOLINT(concurrency-mt-unsafe): nothing here changes it
  if (named != nullptr && *named != '\0') return find_named_sksd(named);
  std::error_code failure;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failure);
  std::string beside = (self.parent_path() / "sksd").string();
  if (!failure && dialog::is_program(beside)) return beside;
  if (std::optional<std::string> found = dialog::find_in_path("sksd")) return std::move(*found);
  return Error{Status::not_available, "there is no sksd, neither beside this program nor in the folders of PATH"};
}

void add_agent_options(CLI::App& command, AgentOptions& options) {
  CLI::Option* const csh = command.add_flag("-c,--csh", options.csh, "write the line for csh");
  command.add_flag("-s,--sh", options.sh, "write the line for sh (default: what $SHELL is)")->excludes(csh);
  command.add_option("COMMAND", options.command, "behind --: run this with the agent, and write nothing")
      ->type_name("")
      ->expected(1, -1);  // and not required: CLI11 gives "--" to commands that lack an operand
}

std::string agent_environment(const std::string& socket, bool csh) {
  const std::string word = quoted(socket, csh);
  const std::string variable = kVariable;
  return csh ? "setenv " + variable + " " + word + ";" : variable + "=" + word + "; export " + variable + ";";
}

Result<void> run_agent(const SocketPlace& place, const AgentOptions& options, std::ostream& out) {
  const std::string socket = ssh::agent_socket_of(place.socket);
  if (!is_served(socket)) {
    SKS_TRY(start_sksd(place, options.passphrase_file));
    SKS_TRY(wait_for_answer(place.socket));
    if (!is_served(socket)) return Error{Status::not_available, "sksd runs, and serves no SSH agent at " + socket};
  }
  if (!options.command.empty()) return become(options.command, socket);
  out << agent_environment(socket, options.csh || (!options.sh && shell_is_csh())) << "\n";
  return {};
}

}  // namespace sks::cli
