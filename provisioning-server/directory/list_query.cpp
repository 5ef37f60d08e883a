#include "provisioning-server/directory/list_query.h"

#include <algorithm>
#include <charconv>

#include "provisioning-server/directory/cursor.h"
#include "sks-core/base/byte_reader.h"

namespace sks::issuer {
namespace {

constexpr std::size_t kChunk = 500;

Result<SqlValue> key_value(const ListKey& key, const std::string& text) {
  if (key.type == ListKey::Type::text) return SqlValue(text);
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size())
    return Error{Status::option, "this is no cursor of that list"};
  return SqlValue(number);
}

std::string joined(const std::vector<ListKey>& keys, const std::string& behind) {
  std::string text;
  for (const ListKey& key : keys) text += (text.empty() ? "" : ", ") + key.column + behind;
  return text;
}

/// The next rows along the path behind `after`, which is empty at the beginning. The keys stand behind the columns.
Result<SqlRows> read_chunk(SqlTransaction& transaction, const ListPath& path, const std::string& columns,
                           const std::vector<SqlValue>& after, std::size_t limit) {
  const bool is_down = path.direction == ListPath::Direction::down;
  SqlValues parameters = path.parameters;
  const auto add = [&](SqlValue value) {
    parameters.push_back(std::move(value));
    return "$" + std::to_string(parameters.size());
  };
  std::string where = path.where;
  if (!after.empty()) {
    std::string places;
    for (const SqlValue& value : after) places += (places.empty() ? "" : ", ") + add(value);
    where += std::string(where.empty() ? "" : " AND ") + "(" + joined(path.keys, "") + (is_down ? ") < (" : ") > (") +
             places + ")";
  }
  const std::string order = " ORDER BY " + joined(path.keys, is_down ? " DESC" : "");
  const std::string end =
      (where.empty() ? "" : " WHERE " + where) + order + " LIMIT " + add(static_cast<std::int64_t>(limit));
  const std::string keys = joined(path.keys, "");
  // What is joined is looked up for the rows of the page alone.
  const std::string statement = path.join.empty() ? "SELECT " + columns + ", " + keys + " FROM " + path.from + end
                                                  : "SELECT " + columns + ", " + keys + " FROM (SELECT " + keys +
                                                        " FROM " + path.from + end + ") AS page " + path.join + order;
  return transaction.query(statement, parameters);
}

/// Commas inside of parentheses do not count.
std::size_t count_columns(const std::string& columns) {
  std::size_t count = 1;
  int depth = 0;
  for (const char c : columns) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 0) ++count;
  }
  return count;
}

/// A page as it is being filled.
struct Progress {
  std::size_t taken = 0;
  std::size_t looked = 0;
  std::vector<std::string> last;
  bool is_over = false;
};

void note_place(Progress& progress, const ListPath& path, const SqlRow& row, std::size_t first_key) {
  progress.last.clear();
  for (std::size_t i = 0; i < path.keys.size(); ++i) {
    const std::size_t column = first_key + i;
    progress.last.push_back(path.keys[i].type == ListKey::Type::text ? row.text(column)
                                                                     : std::to_string(row.integer(column)));
  }
  ++progress.looked;
}

}  // namespace

Result<std::string> read_list(Database& database, const ListPath& path, const std::string& columns,
                              const PageRequest& page, const std::function<void()>& restart,
                              const std::function<Result<bool>(const SqlRow&)>& take) {
  if (page.size == 0 || page.size > kMaxPage)
    return Error{Status::option, "a page has 1 to " + std::to_string(kMaxPage) + " rows"};
  std::vector<std::string> start;
  if (!page.cursor.empty()) {
    SKS_LET(start, parse_cursor(page.cursor, path.keys.size()));
  }
  const std::size_t first_key = count_columns(columns);
  Progress progress;
  SKS_TRY(database.read([&](SqlTransaction& transaction) -> Result<void> {
    restart();
    progress = {};
    progress.last = start;
    // One more than the page has tells whether there is another page; a filter without an index needs more.
    std::size_t limit = page.size + 1;
    while (progress.taken < page.size && progress.looked < kMaxLooked && !progress.is_over) {
      std::vector<SqlValue> after;
      for (std::size_t i = 0; i < progress.last.size(); ++i) {
        SKS_LET(SqlValue value, key_value(path.keys[i], progress.last[i]));
        after.push_back(std::move(value));
      }
      SKS_LET(const SqlRows rows, read_chunk(transaction, path, columns, after, limit));
      std::size_t used = 0;
      for (; used < rows.size() && progress.taken < page.size; ++used) {
        SKS_LET(const bool belongs, take(rows[used]));
        if (belongs) ++progress.taken;
        note_place(progress, path, rows[used], first_key);
      }
      progress.is_over = rows.size() < limit && used == rows.size();
      limit = std::max(limit, kChunk);
    }
    return {};
  }));
  return progress.is_over ? std::string() : make_cursor(progress.last);
}

std::string end_of_prefix(const std::string& prefix) { return prefix + "\xf4\x8f\xbf\xbf"; }

bool contains(std::string_view text, std::string_view part) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const auto same = [&](char a, char b) { return lower(a) == lower(b); };
  return part.empty() || std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

Result<void> check_texts(std::initializer_list<const std::string*> texts) {
  for (const std::string* const text : texts)
    if (!is_utf8(*text) || text->find('\0') != std::string::npos) return Error{Status::option, "a filter is no text"};
  return {};
}

}  // namespace sks::issuer
