#pragma once

#include <functional>
#include <string>
#include <vector>

#include "provisioning-server/directory/directory.h"

/// How a list is read page by page along an index. Private to directory/.
namespace sks::issuer {

/// A column that a list is in the order of.
struct ListKey {
  enum class Type : std::uint8_t { integer, text };
  std::string column;
  Type type = Type::text;
};

/// A way through a table: an index leads from row to row in the order of `keys`, and `where` says which rows count.
struct ListPath {
  enum class Direction : std::uint8_t { up, down };
  std::string from;   ///< "credentials"
  std::string where;  ///< with $1, $2, ...; empty for all rows
  SqlValues parameters;
  std::vector<ListKey> keys;  ///< together unique
  Direction direction = Direction::down;
  std::string join = {};  ///< what belongs to each row, in other tables
};

/// Rows that are looked at for one page at most, where a filter has no index: some milliseconds.
inline constexpr std::size_t kMaxLooked = 5000;

/// Reads a page: `columns` of each row go to `take`, which says whether the row belongs to the list. `restart` is
/// called before the first row, again if the reading has to be repeated. Returns the cursor of the next page.
Result<std::string> read_list(Database& database, const ListPath& path, const std::string& columns,
                              const PageRequest& page, const std::function<void()>& restart,
                              const std::function<Result<bool>(const SqlRow&)>& take);

/// A page of what `read` makes of the rows, apart from those that `belongs` refuses. Fails with option (size, cursor)
/// or storage.
template <class Row, class Belongs>
Result<Page<Row>> read_page(Database& database, const ListPath& path, const std::string& columns,
                            const PageRequest& page, Result<Row> (*read)(const SqlRow&), const Belongs& belongs) {
  Page<Row> result;
  Result<std::string> next = read_list(
      database, path, columns, page, [&] { result.rows.clear(); },
      [&](const SqlRow& row) -> Result<bool> {
        Result<Row> made = read(row);
        if (!made) return made.error();
        if (!belongs(*made, row)) return false;
        result.rows.push_back(std::move(made).value());
        return true;
      });
  if (!next) return next.error();
  result.next = std::move(next).value();
  return result;
}

/// The texts that begin with `prefix` are those from itself to this one, exclusive.
std::string end_of_prefix(const std::string& prefix);
/// Whether `text` contains `part`, capitals or not (of ASCII). Everything contains an empty part.
bool contains(std::string_view text, std::string_view part);
/// Whether `value` is what a filter asks for; an empty one asks for nothing.
inline bool fits(const std::string& filter, const std::string& value) { return filter.empty() || filter == value; }
/// Fails with option: a text that no database takes.
Result<void> check_texts(std::initializer_list<const std::string*> texts);

}  // namespace sks::issuer
