#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// What a subject such as "CN=Jo Doe,O=Example" can be found by: the words of its values in lower case, each once.
/// Bytes above 0x7f count as letters and stay as they are. At most 24 words of at most 64 bytes.
std::vector<std::string> words_of_subject(std::string_view subject);
/// The same for what somebody has typed: no attribute names are expected.
std::vector<std::string> words_of_query(std::string_view text);

/// A credential as table credential_words refers to it: by the time of its row and the beginning of its fingerprint.
/// With the time in front, words that most subjects have grow at one place.
struct WordTarget {
  std::string subject;
  std::int64_t created = 0;
  std::string fingerprint;
};

/// Makes a credential known by the words of its subject. Fails as SqlTransaction::enqueue().
Result<void> insert_words(SqlTransaction& transaction, const WordTarget& target);

}  // namespace sks::issuer
