#pragma once

#include "key-user-api/token/key_record.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"

/// What a service knows of neighbouring keys, as it notes it down in the key store for the next time. An implementation
/// detail that may change at any time: a page of another form counts as none, and its keys are looked at.
namespace sks::token {

inline constexpr std::uint32_t kKeysPerPage = 256;
constexpr std::uint32_t page_of(KeyHandle key) { return key.value / kKeysPerPage; }

struct NotedKey {
  KeyHandle key;
  std::uint32_t slot = 0;
  KeyRecord record;                  ///< without its session
  std::vector<Digests> authorities;  ///< as many as in `record`
};

class PageWriter {
 public:
  /// `digester`: that has made the digests.
  explicit PageWriter(const Digester& digester);

  /// In ascending order of keys. `authorities`: as many as in the record.
  void add(KeyHandle key, std::uint32_t slot, const KeyRecord& record, const std::vector<const Digests*>& authorities);
  /// Empty without keys.
  SecureBytes take() &&;

 private:
  ByteWriter out_;
  bool empty_ = true;
};

/// The keys of one page, one after the other.
class PageReader {
 public:
  /// `number`: of the page.
  PageReader(std::uint32_t number, ByteView page);

  /// Whose digests these are; none when the page is malformed.
  std::optional<ByteView> digester_key() const { return digester_key_; }
  /// None at the end of what is well-formed.
  std::optional<NotedKey> next();

 private:
  std::uint32_t number_;
  ByteReader in_;
  std::optional<ByteView> digester_key_;
  KeyHandle last_;
};

}  // namespace sks::token
