#include "provisioning-server/directory/subject_words.h"

#include <algorithm>

#include "sks-core/base/byte_reader.h"

namespace sks::issuer {
namespace {

constexpr std::size_t kMaxWords = 24;
constexpr std::size_t kMaxWord = 64;
/// 64 bits tell apart more credentials than an issuer makes, and a few that share them are found together.
constexpr std::size_t kShortFingerprint = 16;

bool is_letter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

void add_words(std::vector<std::string>& words, std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && words.size() < kMaxWords) {
    std::string word;
    for (; at < text.size() && is_letter(text[at]); ++at) {
      const char c = text[at];
      if (word.size() < kMaxWord) word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    ++at;
    // The limit may have cut a character.
    while (!is_utf8(word)) word.pop_back();
    if (!word.empty() && std::ranges::find(words, word) == words.end()) words.push_back(std::move(word));
  }
}

}  // namespace

std::vector<std::string> words_of_query(std::string_view text) {
  std::vector<std::string> words;
  add_words(words, text);
  return words;
}

std::vector<std::string> words_of_subject(std::string_view subject) {
  std::vector<std::string> words;
  while (!subject.empty()) {
    std::size_t end = subject.find(',');
    // A comma behind a backslash belongs to the value.
    while (end != std::string_view::npos && end > 0 && subject[end - 1] == '\\') end = subject.find(',', end + 1);
    const std::string_view attribute = subject.substr(0, end);
    const std::size_t equals = attribute.find('=');
    add_words(words, equals == std::string_view::npos ? attribute : attribute.substr(equals + 1));
    subject.remove_prefix(end == std::string_view::npos ? subject.size() : end + 1);
  }
  return words;
}

Result<void> insert_words(SqlTransaction& transaction, const WordTarget& target) {
  for (const std::string& word : words_of_subject(target.subject))
    SKS_TRY(transaction.enqueue(
        "INSERT INTO credential_words (word, row_created, credential) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        {word, target.created, target.fingerprint.substr(0, kShortFingerprint)}));
  return {};
}

}  // namespace sks::issuer
