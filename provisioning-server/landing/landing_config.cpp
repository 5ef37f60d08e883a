#include "provisioning-server/landing/landing_config.h"

#include "sks-core/base/byte_reader.h"

namespace sks::issuer {
namespace {

constexpr std::size_t kMaxText = 200;

std::string read_line(TomlTable& table, std::string_view key) {
  std::string text = table.text_or(key, "");
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      table.refuse(key, std::string(key) + " must not hold control characters");
  if (count_code_points(text) > kMaxText)
    table.refuse(key, std::string(key) + " must not be longer than 200 characters");
  return text;
}

}  // namespace

LandingConfig read_landing(TomlTable& root) {
  TomlTable table = root.table("landing");
  LandingConfig config;
  config.issuer_name = read_line(table, "issuer_name");
  config.help = read_line(table, "help");
  return config;
}

}  // namespace sks::issuer
