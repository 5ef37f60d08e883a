#include "key-user-api/dialog/question_text.h"

#include <algorithm>
#include <array>

#include "key-user-api/dialog/pin_text.h"

namespace sks::dialog {
namespace {

constexpr std::size_t kMaxSentence = 300;  // bytes
constexpr std::size_t kMaxHost = 255;      // bytes, the longest name of the DNS

struct Attribute {
  std::string_view uri;
  std::string_view text;
};
constexpr auto kAttributes = std::to_array<Attribute>({
    {"https://webpki.github.io/keygen2/clientattr#imei-number", "its IMEI number"},
    {"https://webpki.github.io/keygen2/clientattr#ip-address", "its IP addresses"},
    {"https://webpki.github.io/keygen2/clientattr#mac-address", "the MAC addresses of its network interfaces"},
    {"https://webpki.github.io/keygen2/clientattr#os-vendor", "who made its operating system"},
    {"https://webpki.github.io/keygen2/clientattr#os-version", "the version of its operating system"},
});

}  // namespace

std::string describe_consent(const keygen2::ConsentRequest& request) {
  return shorten(printable(request.host), kMaxHost) + " (checked by TLS) wants to " + printable(request.action) +
         " keys of this key store.\n" +
         (request.device_identified ? "It will learn the identity of this device."
                                    : "It will not learn the identity of this device.");
}

std::string describe_consequence(const std::string& consequence) {
  return shorten(printable(consequence), kMaxSentence);
}

std::string describe_attribute(const std::string& uri) {
  const auto row = std::ranges::find(kAttributes, uri, &Attribute::uri);
  return row == kAttributes.end() ? shorten(printable(uri), kMaxSentence) : std::string(row->text);
}

std::string describe_many_keys(std::size_t count) {
  return "The issuer wants to create " + std::to_string(count) + " keys.";
}

std::string describe_progress(const keygen2::KeyCreationProgress& progress) {
  const std::string algorithm = progress.algorithm.substr(progress.algorithm.find('#') + 1);
  return "Creating key " + std::to_string(progress.number) + " of " + std::to_string(progress.total) + ": " +
         printable(progress.key_name) + " (" + printable(algorithm) + ")";
}

std::string for_window(const std::string& text) {
  std::string out = text;
  std::ranges::replace(out, '<', '(');
  std::ranges::replace(out, '>', ')');
  return out;
}

}  // namespace sks::dialog
