#include "key-user-api/cli/completion.h"

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "key-user-api/cli/key_use.h"
#include "key-user-api/cli/parser.h"
#include "key-user-api/cli/runners.h"

namespace sks::cli {
namespace {

/// Values that options of a type take, for types with a fixed set of them or with files.
struct Values {
  std::string_view type;
  const char* compgen;  ///< what bash's compgen is given
};
constexpr auto kValues = std::to_array<Values>({
    {"FILE", "-f"},
    {"PEM", "-f"},
    {"DIR", "-d"},
    {"KEY", ""},
});

/// The words that the check of an option lets through, as CLI11 describes them: "TYPE:{a,b}".
std::string words_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find(":{");
  if (open == std::string::npos || !type.ends_with('}')) return {};
  std::string words = type.substr(open + 2, type.size() - open - 3);
  std::ranges::replace(words, ',', ' ');
  return words;
}

std::string compgen_of(const CLI::Option& option) {
  if (const std::string words = words_of(option); !words.empty()) return "-W '" + words + "'";
  const std::string type = option.get_type_name();
  for (const Values& row : kValues)
    if (type == row.type) return row.compgen;
  return {};
}

std::string join(const std::string& words, const std::string& word) {
  return words.empty() ? word : words + " " + word;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::string options_of(const CLI::App& command) {
  std::string words;
  for (const CLI::Option* const option : command.get_options())
    for (const std::string& name : option->get_lnames()) words = join(words, "--" + name);
  return words;
}

std::string commands_of(const CLI::App& command) {
  std::string words;
  for (const CLI::App* const each : command.get_subcommands([](const CLI::App*) { return true; }))
    words = join(words, each->get_name());
  return words;
}

/// One arm for the command `path` ("", "list", "pin change"), and those of its commands.
void write_words(const CLI::App& command, const std::string& path, std::ostream& out) {
  out << "    '" << path << "') commands='" << commands_of(command) << "' options='" << options_of(command) << "' ;;\n";
  for (const CLI::App* const each : command.get_subcommands([](const CLI::App*) { return true; }))
    write_words(*each, path.empty() ? each->get_name() : path + " " + each->get_name(), out);
}

void write_values(const CLI::App& command, const std::string& path, std::ostream& out) {
  for (const CLI::Option* const option : command.get_options()) {
    if (!takes_value(*option) || option->get_lnames().empty()) continue;
    for (const std::string& name : option->get_lnames())
      out << "    '" << path << " --" << name << "') found=1 values=(" << compgen_of(*option) << ") ;;\n";
  }
  for (const CLI::App* const each : command.get_subcommands([](const CLI::App*) { return true; }))
    write_values(*each, path.empty() ? each->get_name() : path + " " + each->get_name(), out);
}

}  // namespace

void write_bash_completion(std::ostream& out) {
  CLI::App app(kDescription, "sks");
  Arguments arguments;
  Chosen chosen;
  declare_program(app, arguments, chosen);
  out << R"(# bash completion for sks, made by 'sks completion bash'

# What may stand behind the command $1: sets commands and options.
_sks_words() {
  case "$1" in
)";
  write_words(app, "", out);
  out << R"(    *) return 1 ;;
  esac
}

# What may stand behind the option $2 of the command $1: sets values. Fails when the option takes none.
_sks_values() {
  local found=
  case "$1 $2" in
)";
  write_values(app, "", out);
  out << R"(  esac
  [ -n "$found" ]
}

_sks() {
  local commands options path='' word i current=${COMP_WORDS[COMP_CWORD]}
  local -a values
  COMPREPLY=()
  _sks_words ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == -* ]]; then
      # The value of an option is no command.
      { _sks_values "$path" "$word" || _sks_values '' "$word"; } && i=$((i + 1))
    elif [[ " $commands " == *" $word "* ]]; then
      path=${path:+$path }$word
      _sks_words "$path"
    fi
  done
  word=${COMP_WORDS[COMP_CWORD - 1]}
  if [[ $word == -* ]] && { _sks_values "$path" "$word" || _sks_values '' "$word"; }; then
    [ ${#values[@]} -eq 0 ] || mapfile -t COMPREPLY < <(compgen "${values[@]}" -- "$current")
  elif [[ $current == -* ]]; then
    local of_command=$options
    _sks_words ''
    mapfile -t COMPREPLY < <(compgen -W "$of_command $options" -- "$current" | sort -u)
  elif [ -n "$commands" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _sks sks
)";
}

Outcome complete_bash(Arguments& /*arguments*/, std::ostream& out) {
  write_bash_completion(out);
  return {};
}

}  // namespace sks::cli
