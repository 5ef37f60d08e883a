#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// A word of a configuration file and the byte it stands for.
struct Choice {
  std::string_view word;
  std::uint8_t value;
};
/// The word for a value; "unknown" if there is none.
std::string_view word_of(std::span<const Choice> choices, std::uint8_t value);

/// Reads a TOML file strictly. A failure sticks: later reads return defaults, and finish() reports the first one as
/// "file:line: sentence". Values may be used only after finish().
///
/// Keys that nobody has asked for are refused by finish().
class TomlFile;

class TomlTable {
 public:
  std::string text(std::string_view key);
  std::string text_or(std::string_view key, std::string_view fallback);
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high);
  std::int64_t integer_or(std::string_view key, std::int64_t low, std::int64_t high, std::int64_t fallback);
  bool boolean_or(std::string_view key, bool fallback);
  std::uint8_t choice(std::string_view key, std::span<const Choice> choices);
  std::uint8_t choice_or(std::string_view key, std::span<const Choice> choices, std::uint8_t fallback);
  std::vector<std::string> texts_or_none(std::string_view key);
  std::vector<std::uint8_t> choices_or_none(std::string_view key, std::span<const Choice> choices);

  bool has(std::string_view key) const;
  TomlTable table(std::string_view key);                ///< [key]; empty when absent
  std::vector<TomlTable> tables(std::string_view key);  ///< [[key]]; empty when absent

  /// Records `sentence` as the failure, at the line of `key` or of the table.
  void refuse(std::string_view key, const std::string& sentence);

 private:
  friend class TomlFile;
  struct Node;
  explicit TomlTable(std::shared_ptr<Node> node) : node_(std::move(node)) {}

  std::shared_ptr<Node> node_;
};

class TomlFile {
 public:
  /// `name` is only for messages. Fails with option when `content` is not TOML.
  static Result<TomlFile> parse(std::string_view content, std::string name);

  TomlTable root();
  /// Fails with option: the first failure, or a key that was not read.
  Result<void> finish();

 private:
  struct Document;
  explicit TomlFile(std::shared_ptr<Document> document) : document_(std::move(document)) {}

  friend class TomlTable;
  std::shared_ptr<Document> document_;
};

}  // namespace sks::issuer
