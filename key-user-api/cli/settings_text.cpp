#include "key-user-api/cli/settings_text.h"

#include <algorithm>

#include "key-user-api/cli/url.h"

namespace sks::cli {
namespace {

constexpr std::string_view kBegin = "# BEGIN sks integrate (--remove takes it out again)\n";
constexpr std::string_view kBeginNew = "# BEGIN sks integrate (--remove takes it out again), made this file\n";
constexpr std::string_view kEnd = "# END sks integrate\n";
constexpr std::string_view kWholeFile = "# Made by 'sks integrate', which overwrites and removes it.\n";

const char* const kDamaged = "the comments between which sks has its lines are damaged";

Result<void> check_text(std::string_view text) {
  if (text.find('\0') == std::string_view::npos) return {};
  return Error{Status::option, "it is no text"};
}

/// The text in front of our block, our lines without the comments, and the text behind it.
struct Split {
  std::string before;
  std::optional<std::string> ours;
  std::string after;
  bool made_file = false;
};

/// Where a whole line stands; npos when it does not.
std::size_t find_line(std::string_view text, std::string_view line) {
  std::size_t at = text.find(line);
  while (at != std::string_view::npos && at != 0 && text[at - 1] != '\n') at = text.find(line, at + 1);
  return at;
}

Result<Split> split_block(const std::string& text) {
  SKS_TRY(check_text(text));
  const std::size_t plain = find_line(text, kBegin);
  const std::size_t made = find_line(text, kBeginNew);
  const std::size_t end = find_line(text, kEnd);
  if (plain == std::string::npos && made == std::string::npos && end == std::string::npos)
    return Split{text, std::nullopt, "", false};
  const bool both = plain != std::string::npos && made != std::string::npos;
  const std::size_t begin = std::min(plain, made);
  const std::string_view line = begin == made ? kBeginNew : kBegin;
  if (both || begin == std::string::npos || end == std::string::npos || end < begin)
    return Error{Status::option, kDamaged};
  const std::string after = text.substr(end + kEnd.size());
  if (find_line(after, kBegin) != std::string::npos || find_line(after, kEnd) != std::string::npos)
    return Error{Status::option, kDamaged};
  const std::size_t from = begin + line.size();
  return Split{text.substr(0, begin), text.substr(from, end - from), after, begin == made};
}

Result<std::string> add_block(const std::optional<std::string>& text, std::string_view content) {
  SKS_LET(const Split split, split_block(text.value_or("")));
  const bool made = split.ours ? split.made_file : !text;
  std::string out = split.ours ? split.before : std::string();
  out.append(made ? kBeginNew : kBegin).append(content).append(kEnd);
  return out + (split.ours ? split.after : split.before);
}

Result<std::optional<std::string>> remove_block(const std::string& text) {
  SKS_LET(const Split split, split_block(text));
  std::string rest = split.before + split.after;
  if (split.made_file && rest.empty()) return std::optional<std::string>();
  return std::optional<std::string>(std::move(rest));
}

Result<Presence> find_block(const std::string& text, std::string_view content) {
  SKS_LET(const Split split, split_block(text));
  if (!split.ours) return Presence::absent;
  return *split.ours == content ? Presence::same : Presence::other;
}

Result<std::string> add_whole_file(const std::optional<std::string>& text, std::string_view content) {
  if (text && !text->starts_with(kWholeFile)) return Error{Status::option, "somebody else has made it"};
  return std::string(kWholeFile).append(content);
}

Result<std::optional<std::string>> remove_whole_file(const std::string& text) {
  if (text.starts_with(kWholeFile)) return std::optional<std::string>();
  return std::optional<std::string>(text);
}

Result<Presence> find_whole_file(const std::string& text, std::string_view content) {
  if (!text.starts_with(kWholeFile)) return Presence::absent;
  return text.substr(kWholeFile.size()) == content ? Presence::same : Presence::other;
}

/// Some lines of a pkcs11.txt that stand together: one module.
struct Stanza {
  std::size_t begin;
  std::size_t end;  ///< behind its last line
  std::string library;
  std::string name;
};

/// Lines of NAME=VALUE, modules separated by empty lines. The first module is NSS itself.
Result<std::vector<Stanza>> read_stanzas(const std::string& text) {
  SKS_TRY(check_text(text));
  std::vector<Stanza> stanzas;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    const std::size_t next = std::min(end + 1, text.size());
    const std::size_t equals = line.find('=');
    if (!line.empty() && line[0] != '#' && equals == std::string_view::npos)
      return Error{Status::option, "it is no list of modules as NSS writes it"};
    if (!line.empty()) {
      if (!inside) stanzas.push_back({at, next, "", ""});
      stanzas.back().end = next;
      if (line.starts_with("library=")) stanzas.back().library = line.substr(equals + 1);
      if (line.starts_with("name=")) stanzas.back().name = line.substr(equals + 1);
    }
    inside = !line.empty();
    at = next;
  }
  return stanzas;
}

bool is_ours(const Stanza& stanza) {
  const std::string& library = stanza.library;
  return stanza.name == kNssName && library.substr(library.rfind('/') + 1) == kModuleFile;
}

std::string nss_stanza(std::string_view module) {
  return "library=" + std::string(module) + "\nname=" + std::string(kNssName);
}

/// What separates a stanza from its neighbours was added with it: the line behind, at the end of the file that in
/// front.
std::string without_stanza(const std::string& text, const Stanza& stanza) {
  std::size_t begin = stanza.begin;
  std::size_t end = stanza.end;
  const bool ended = end > begin && text[end - 1] == '\n';
  if (end < text.size()) {
    ++end;
  } else {
    const std::size_t separators = ended ? 1 : 2;
    for (std::size_t i = 0; i < separators && begin > 0 && text[begin - 1] == '\n'; ++i) --begin;
  }
  return text.substr(0, begin) + text.substr(end);
}

/// All of ours: what was added behind another one would not be found.
Result<std::optional<std::string>> remove_nss(const std::string& text) {
  std::string rest = text;
  for (;;) {
    SKS_LET(const std::vector<Stanza> stanzas, read_stanzas(rest));
    const auto ours = std::ranges::find_if(stanzas, is_ours);
    if (ours == stanzas.end()) return std::optional<std::string>(std::move(rest));
    rest = without_stanza(rest, *ours);
  }
}

Result<std::string> add_nss(const std::optional<std::string>& text, std::string_view module) {
  if (!text) return Error{Status::not_available, "there is no such file"};
  SKS_LET(const std::optional<std::string> without, remove_nss(*text));
  const std::string stanza = nss_stanza(module);
  if (without->empty() || without->ends_with("\n\n")) return *without + stanza + "\n\n";
  if (without->ends_with('\n')) return *without + "\n" + stanza + "\n";
  return *without + "\n\n" + stanza;
}

Result<Presence> find_nss(const std::string& text, std::string_view module) {
  SKS_LET(const std::vector<Stanza> stanzas, read_stanzas(text));
  const auto ours = std::ranges::find_if(stanzas, is_ours);
  if (ours == stanzas.end()) return Presence::absent;
  return ours->library == module ? Presence::same : Presence::other;
}

}  // namespace

const SettingsForm& block_form() {
  static constexpr SettingsForm kForm{add_block, remove_block, find_block};
  return kForm;
}
const SettingsForm& whole_file_form() {
  static constexpr SettingsForm kForm{add_whole_file, remove_whole_file, find_whole_file};
  return kForm;
}
const SettingsForm& nss_form() {
  static constexpr SettingsForm kForm{add_nss, remove_nss, find_nss};
  return kForm;
}

std::vector<std::string> own_lines_with(const std::string& text, const std::vector<std::string_view>& words) {
  const auto split = split_block(text);
  std::vector<std::string> found;
  if (!split) return found;
  const std::string own = split->before + split->after;
  for (std::size_t at = 0; at < own.size();) {
    const std::size_t end = std::min(own.find('\n', at), own.size());
    const std::string line = own.substr(at, end - at);
    const std::size_t start = line.find_first_not_of(" \t");
    const std::string word =
        start == std::string::npos ? "" : line.substr(start, line.find_first_of(" \t=", start) - start);
    for (const std::string_view wanted : words)
      if (equal_ignoring_case(word, wanted)) found.push_back(line);
    at = end + 1;
  }
  return found;
}

}  // namespace sks::cli
