#include "provisioning-server/internal/toml_table.h"

#include <set>

#include "sks-core/toml/toml_reader.h"

namespace sks::issuer {

struct TomlFile::Document {
  std::string name;
  toml::table root;
  std::string failure;
  std::vector<std::shared_ptr<TomlTable::Node>> visited;

  void fail(toml::source_index line, const std::string& sentence) {
    if (failure.empty()) failure = name + ":" + std::to_string(line) + ": " + sentence;
  }
};

struct TomlTable::Node {
  std::weak_ptr<TomlFile::Document> document;  // the document owns its nodes
  const toml::table* table;                    // null: an absent table
  toml::source_index line;
  std::set<std::string, std::less<>> read;

  void fail(const toml::node* at, const std::string& sentence) {
    if (const auto owner = document.lock()) owner->fail(at == nullptr ? line : at->source().begin.line, sentence);
  }
  /// The value under `key`, counted as read.
  const toml::node* find(std::string_view key) {
    read.emplace(key);
    return table == nullptr ? nullptr : table->get(key);
  }
  const toml::node* require(std::string_view key) {
    const toml::node* const found = find(key);
    if (found == nullptr) fail(nullptr, std::string(key) + " is missing");
    return found;
  }
};

namespace {

std::string words(std::span<const Choice> choices) {
  std::string list;
  for (const Choice& choice : choices) list += (list.empty() ? "\"" : ", \"") + std::string(choice.word) + "\"";
  return list;
}

std::optional<std::uint8_t> find_choice(std::span<const Choice> choices, std::string_view word) {
  for (const Choice& choice : choices)
    if (choice.word == word) return choice.value;
  return std::nullopt;
}

}  // namespace

std::string_view word_of(std::span<const Choice> choices, std::uint8_t value) {
  for (const Choice& choice : choices)
    if (choice.value == value) return choice.word;
  return "unknown";
}

bool TomlTable::has(std::string_view key) const { return node_->table != nullptr && node_->table->contains(key); }

void TomlTable::refuse(std::string_view key, const std::string& sentence) {
  node_->fail(node_->table == nullptr ? nullptr : node_->table->get(key), sentence);
}

std::string TomlTable::text(std::string_view key) {
  const toml::node* const node = node_->require(key);
  if (node == nullptr) return {};
  if (const auto* const value = node->as_string()) return value->get();
  node_->fail(node, std::string(key) + " must be a text in quotes");
  return {};
}

std::string TomlTable::text_or(std::string_view key, std::string_view fallback) {
  return has(key) ? text(key) : std::string(fallback);
}

std::int64_t TomlTable::integer(std::string_view key, std::int64_t low, std::int64_t high) {
  const toml::node* const node = node_->require(key);
  if (node == nullptr) return low;
  const auto* const value = node->as_integer();
  if (value != nullptr && value->get() >= low && value->get() <= high) return value->get();
  node_->fail(node,
              std::string(key) + " must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  return low;
}

std::int64_t TomlTable::integer_or(std::string_view key, std::int64_t low, std::int64_t high, std::int64_t fallback) {
  return has(key) ? integer(key, low, high) : fallback;
}

bool TomlTable::boolean_or(std::string_view key, bool fallback) {
  const toml::node* const node = node_->find(key);
  if (node == nullptr) return fallback;
  if (const auto* const value = node->as_boolean()) return value->get();
  node_->fail(node, std::string(key) + " must be true or false");
  return fallback;
}

std::uint8_t TomlTable::choice(std::string_view key, std::span<const Choice> choices) {
  const std::string word = text(key);
  if (const auto value = find_choice(choices, word)) return *value;
  refuse(key, std::string(key) + " must be one of " + words(choices));
  return choices.front().value;
}

std::uint8_t TomlTable::choice_or(std::string_view key, std::span<const Choice> choices, std::uint8_t fallback) {
  return has(key) ? choice(key, choices) : fallback;
}

std::vector<std::string> TomlTable::texts_or_none(std::string_view key) {
  const toml::node* const node = node_->find(key);
  if (node == nullptr) return {};
  const toml::array* const array = node->as_array();
  std::vector<std::string> texts;
  if (array != nullptr)
    for (const toml::node& item : *array)
      if (const auto* const value = item.as_string()) texts.push_back(value->get());
  if (array == nullptr || texts.size() != array->size())
    node_->fail(node, std::string(key) + " must be a list of texts in quotes");
  return texts;
}

std::vector<std::uint8_t> TomlTable::choices_or_none(std::string_view key, std::span<const Choice> choices) {
  std::vector<std::uint8_t> values;
  for (const std::string& word : texts_or_none(key)) {
    if (const auto value = find_choice(choices, word)) {
      values.push_back(*value);
      continue;
    }
    refuse(key, std::string(key) + " may only hold " + words(choices));
  }
  return values;
}

TomlTable TomlTable::table(std::string_view key) {
  const toml::node* const node = node_->find(key);
  const auto document = node_->document.lock();
  auto child = std::make_shared<Node>(Node{document, nullptr, node_->line, {}});
  document->visited.push_back(child);
  if (node == nullptr) return TomlTable(child);
  child->table = node->as_table();
  child->line = node->source().begin.line;
  if (child->table == nullptr)
    node_->fail(node, std::string(key) + " must be a table, written [" + std::string(key) + "]");
  return TomlTable(child);
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) {
  const toml::node* const node = node_->find(key);
  if (node == nullptr) return {};
  const toml::array* const array = node->as_array();
  const auto document = node_->document.lock();
  std::vector<TomlTable> children;
  if (array != nullptr && array->is_array_of_tables()) {
    for (const toml::node& item : *array) {
      auto child = std::make_shared<Node>(Node{document, item.as_table(), item.source().begin.line, {}});
      document->visited.push_back(child);
      children.push_back(TomlTable(child));
    }
    return children;
  }
  node_->fail(node, std::string(key) + " must be a list of tables, written [[" + std::string(key) + "]]");
  return {};
}

Result<TomlFile> TomlFile::parse(std::string_view content, std::string name) {
  auto read = read_toml(content);
  if (!read)
    return Error{Status::option, name + ":" + std::to_string(read.error().line) + ": " + read.error().sentence};
  auto document = std::make_shared<Document>();
  document->name = std::move(name);
  document->root = std::move(read).value();
  return TomlFile(document);
}

TomlTable TomlFile::root() {
  auto node = std::make_shared<TomlTable::Node>(TomlTable::Node{document_, &document_->root, 1, {}});
  document_->visited.push_back(node);
  return TomlTable(node);
}

Result<void> TomlFile::finish() {
  for (const auto& node : document_->visited) {
    if (node->table == nullptr) continue;
    for (const auto& [key, value] : *node->table)
      if (!node->read.contains(key.str()))
        document_->fail(key.source().begin.line, "the key " + std::string(key.str()) + " is not known here");
  }
  if (!document_->failure.empty()) return Error{Status::option, document_->failure};
  return {};
}

}  // namespace sks::issuer
