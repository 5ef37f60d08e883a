#include "sks-core/engine/algorithm_rules.h"

#include <algorithm>

namespace sks::engine {
namespace {

constexpr std::size_t kMaxEndorsed = 255;  // Spec: sks-api.md appendix E8

bool is_symmetric(const Algorithm& algorithm) { return algorithm.family == KeyFamily::symmetric; }

bool is_rsa(const KeyEntry& key) { return key.certificate_kind == KeyKind::rsa; }

bool fits(const KeyEntry& key, const Algorithm& algorithm) {
  if (algorithm.uri == kNoneAlgorithm) return true;
  if (is_symmetric(algorithm) != key.symmetric_key_length.has_value()) return false;
  if (key.symmetric_key_length) return takes_key_length(algorithm, *key.symmetric_key_length);
  return (algorithm.family == KeyFamily::rsa) == is_rsa(key);
}

}  // namespace

bool takes_key_length(const Algorithm& algorithm, std::size_t length) {
  if (algorithm.category != Category::cipher) return true;
  return algorithm.size == 0 ? length == 16 || length == 24 || length == 32 : length == algorithm.size;
}

const Algorithm* find_key_generation(std::string_view uri) {
  const Algorithm* const found = find_algorithm(uri);
  return found != nullptr && found->category == Category::key_generation ? found : nullptr;
}

const Algorithm* find_key_generation(Curve curve) {
  const auto rows = all_algorithms();
  const auto found = std::ranges::find_if(rows, [curve](const Algorithm& row) { return row.curve == curve; });
  return found == rows.end() ? nullptr : &*found;
}

Result<void> check_supported(const crypto::PublicKey& key, std::string_view argument) {
  const auto rows = all_algorithms();
  if (key.kind() == KeyKind::rsa) {
    const std::size_t bits = 8 * key.rsa_modulus_bytes();
    const bool known = std::ranges::any_of(
        rows, [bits](const Algorithm& row) { return row.kind == KeyKind::rsa && row.size == bits; });
    const bool any_exponent = std::ranges::any_of(rows, [](const Algorithm& row) { return row.takes_parameters; });
    if (!known)
      return Error{Status::option, std::string(argument) + ": RSA size " + std::to_string(bits) + " not supported"};
    if (!any_exponent && key.rsa_exponent() != Bytes{1, 0, 1})
      return Error{Status::option, std::string(argument) + ": RSA exponent not supported"};
    return {};
  }
  return check_supported_curve(key, argument);
}

Result<void> check_supported_curve(const crypto::PublicKey& key, std::string_view argument) {
  if (key.kind() != KeyKind::ec || find_key_generation(key.curve()) == nullptr)
    return Error{Status::option, std::string(argument) + ": EC curve not supported"};
  return {};
}

Result<void> check_endorsed(const std::vector<std::string>& uris) {
  if (uris.size() > kMaxEndorsed) return Error{Status::option, "too many endorsed algorithms"};
  std::string_view previous;
  for (const std::string& uri : uris) {
    if (uri <= previous) return Error{Status::option, "endorsed algorithms are not in ascending order: " + uri};
    if (find_algorithm(uri) == nullptr || uri == kSessionAlgorithm || uri == kKeyEntryAlgorithm)
      return Error{Status::option, "Algorithm not supported: " + uri};
    if (uri == kNoneAlgorithm && uris.size() > 1)
      return Error{Status::option, "#none must be the only endorsed algorithm"};
    previous = uri;
  }
  return {};
}

Result<void> check_endorsed_fit(const KeyEntry& key) {
  for (const std::string& uri : key.endorsed_algorithms) {
    const Algorithm* const algorithm = find_algorithm(uri);
    if (algorithm == nullptr || !fits(key, *algorithm))
      return Error{Status::option, "Key " + key.id + " does not fit endorsed algorithm " + uri};
  }
  return {};
}

Result<const Algorithm*> check_usable(const KeyEntry& key, std::string_view uri, std::string_view method,
                                      bool (*belongs)(const Algorithm&)) {
  const std::string name(uri);
  const std::string handle = std::to_string(key.handle.value);
  const Algorithm* const algorithm = find_algorithm(uri);
  if (algorithm == nullptr) return Error{Status::algorithm, "Algorithm not supported: " + name};
  if (!belongs(*algorithm))
    return Error{Status::algorithm, "Algorithm unsuitable for " + std::string(method) + ": " + name};
  if (is_symmetric(*algorithm) != key.symmetric_key_length.has_value())
    return Error{Status::algorithm, "Key " + handle + " does not fit " + name};
  if (key.symmetric_key_length) {
    if (!takes_key_length(*algorithm, *key.symmetric_key_length))
      return Error{Status::option, "Key " + handle + " has the wrong length for " + name};
  } else if ((algorithm->family == KeyFamily::rsa) != is_rsa(key)) {
    return Error{Status::algorithm, "Key " + handle + " does not fit " + name};
  }
  if (!key.endorsed_algorithms.empty() &&
      std::ranges::find(key.endorsed_algorithms, uri) == key.endorsed_algorithms.end())
    return Error{Status::algorithm, name + " is not endorsed for key " + handle};
  return algorithm;
}

}  // namespace sks::engine
