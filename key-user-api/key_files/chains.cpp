#include <algorithm>

#include "key-user-api/key_files/collection.h"

namespace sks::key_files {
namespace {

constexpr std::size_t kMaxPath = 10;

std::optional<std::size_t> issuer_of(std::size_t subject, const std::vector<std::size_t>& path,
                                     const std::vector<crypto::Certificate>& certificates) {
  for (std::size_t i = 0; i < certificates.size(); ++i)
    if (std::ranges::find(path, i) == path.end() && certificates[subject].is_issued_by(certificates[i])) return i;
  return std::nullopt;
}

}  // namespace

std::vector<std::size_t> path_of(ByteView public_key, const std::vector<crypto::Certificate>& certificates) {
  std::optional<std::size_t> next;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const auto certified = certificates[i].public_key();
    if (!certified || !equal(certified->spki(), public_key)) continue;
    if (!next || certificates[i].not_after() > certificates[*next].not_after()) next = i;
  }
  std::vector<std::size_t> path;
  while (next && path.size() < kMaxPath) {
    path.push_back(*next);
    next = issuer_of(*next, path, certificates);
  }
  return path;
}

std::vector<Bytes> find_path(const std::vector<Bytes>& certificates, ByteView public_key) {
  std::vector<crypto::Certificate> decoded;
  for (const Bytes& der : certificates)
    if (auto certificate = crypto::Certificate::from_der(der)) decoded.push_back(std::move(*certificate));
  std::vector<Bytes> path;
  for (const std::size_t position : path_of(public_key, decoded)) path.push_back(decoded[position].der());
  return path;
}

}  // namespace sks::key_files
