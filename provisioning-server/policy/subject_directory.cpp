#include "provisioning-server/policy/subject_directory.h"

#include <algorithm>
#include <vector>

#include "keygen2/json_reader.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/log.h"

namespace sks::issuer {
namespace {

constexpr std::size_t kMaxDirectory = 8 << 20;
constexpr std::size_t kMaxJsonDirectory = 1 << 20;  // its members are searched one after the other

Error at_line(const std::string& file, std::size_t line, const std::string& sentence) {
  return {Status::option, file + ':' + std::to_string(line) + ": " + sentence};
}

using Record = std::vector<std::string>;

/// Takes one record off the front of `content`, and counts the lines it had. Fails with option.
Result<Record> take_record(std::string_view& content, std::size_t& line, const std::string& file) {
  Record record(1);
  const std::size_t first = line;
  bool quoted = false;
  while (!content.empty()) {
    const char c = content.front();
    content.remove_prefix(1);
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"') {
        record.back() += c;
      } else if (content.starts_with('"')) {
        record.back() += c;
        content.remove_prefix(1);
      } else {
        quoted = false;
        const bool ends =
            content.empty() || content.starts_with(',') || content.starts_with('\n') || content.starts_with("\r\n");
        if (!ends) return at_line(file, line, "text stands behind a closing quotation mark");
      }
    } else if (c == ',') {
      record.emplace_back();
    } else if (c == '\n') {
      return record;
    } else if (c == '"') {
      if (!record.back().empty()) return at_line(file, line, "a quotation mark stands inside of a field");
      quoted = true;
    } else if (c != '\r' || !content.starts_with('\n')) {
      record.back() += c;
    }
  }
  if (quoted) return at_line(file, first, "a quotation mark is not closed");
  return record;
}

Result<void> check_header(const Record& header, const std::string& file) {
  for (const std::string& name : header)
    if (!is_data_name(name))
      return at_line(file, 1, "a column is named by letters, digits, '-', '_' and '.', at most 64");
  Record sorted = header;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) return at_line(file, 1, "two columns have the same name");
  return {};
}

Result<DirectoryUsers> load(const std::string& file) {
  SKS_LET(const std::string content, read_file(file, kMaxDirectory));
  return file.ends_with(".csv") ? parse_csv_directory(content, file) : parse_json_directory(content, file);
}

}  // namespace

DirectoryConfig read_directory(TomlTable& root) {
  DirectoryConfig config;
  if (!root.has("directory")) return config;
  TomlTable table = root.table("directory");
  config.file = table.text("file");
  if (!config.file.ends_with(".json") && !config.file.ends_with(".csv"))
    table.refuse("file", "file must end in .json or .csv, which tells how it is read");
  return config;
}

Result<DirectoryUsers> parse_json_directory(std::string_view content, const std::string& file) {
  auto document = keygen2::JsonDocument::parse(content, kMaxJsonDirectory);
  if (!document) return Error{Status::option, file + ": " + document.error().detail};
  keygen2::JsonReader root = document->root();
  DirectoryUsers users;
  for (const std::string& user : root.member_names()) {
    keygen2::JsonReader entry = root.object(user);
    SubjectData& data = users[user];
    for (const std::string& name : entry.member_names()) {
      if (!is_data_name(name)) return Error{Status::option, file + ": \"" + name + "\" cannot be the name of a value"};
      data[name] = entry.text(name);
    }
  }
  if (const auto end = document->finish(); !end) return Error{Status::option, file + ": " + end.error().detail};
  for (const auto& [user, data] : users)
    for (const auto& [name, value] : data)
      if (!is_data_value(value))
        return Error{Status::option, file + ": \"" + name + "\" of \"" + user +
                                         "\" must be 1 to 1000 bytes of text without control characters"};
  return users;
}

Result<DirectoryUsers> parse_csv_directory(std::string_view content, const std::string& file) {
  std::size_t line = 1;
  SKS_LET(const Record header, take_record(content, line, file));
  SKS_TRY(check_header(header, file));
  DirectoryUsers users;
  while (!content.empty()) {
    const std::size_t at = line;
    SKS_LET(const Record record, take_record(content, line, file));
    if (record.size() == 1 && record.front().empty()) continue;
    if (record.size() != header.size())
      return at_line(
          file, at,
          "there are " + std::to_string(record.size()) + " fields, and " + std::to_string(header.size()) + " columns");
    if (!is_data_value(record.front())) return at_line(file, at, "a user has no name, or one that is no text");
    const auto [user, is_new] = users.try_emplace(record.front());
    if (!is_new) return at_line(file, at, "the user " + record.front() + " is there twice");
    for (std::size_t i = 1; i < record.size(); ++i) {
      if (record[i].empty()) continue;
      if (!is_data_value(record[i]))
        return at_line(file, at, header[i] + " must be at most 1000 bytes of text without control characters");
      user->second[header[i]] = record[i];
    }
  }
  return users;
}

Result<std::unique_ptr<FileDirectory>> FileDirectory::open(std::string file) {
  std::unique_ptr<FileDirectory> directory(new FileDirectory(std::move(file)));
  SKS_TRY(directory->current());
  return directory;
}

Result<std::shared_ptr<const DirectoryUsers>> FileDirectory::current() {
  const std::lock_guard lock(mutex_);
  std::string stamp = file_stamp(file_);
  if (users_ != nullptr && stamp == stamp_) return users_;
  Result<DirectoryUsers> users = load(file_);
  if (!users && users_ == nullptr) return users.error();
  if (users) {
    users_ = std::make_shared<const DirectoryUsers>(std::move(users).value());
  } else {
    log_error("directory-not-used", {{"reason", users.error().detail}});
  }
  stamp_ = std::move(stamp);
  return users_;
}

Result<std::optional<SubjectData>> FileDirectory::find(const std::string& user) {
  SKS_LET(const std::shared_ptr<const DirectoryUsers> users, current());
  const auto found = users->find(user);
  if (found == users->end()) return std::optional<SubjectData>();
  return std::optional(found->second);
}

std::size_t FileDirectory::size() {
  const auto users = current();
  return users ? (*users)->size() : 0;
}

}  // namespace sks::issuer
