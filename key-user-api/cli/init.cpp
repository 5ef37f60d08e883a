#include <unistd.h>

#include <array>
#include <fstream>

#include "key-user-api/cli/commands.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/local_store.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

constexpr std::size_t kMaxDeviceName = 64;  ///< of a common name (RFC 5280)

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "OpenSKS";
  return std::string(name.data()).substr(0, kMaxDeviceName);
}

}  // namespace

Result<void> run_init(const InitOptions& options, SecretSource& secrets, std::ostream& out) {
  const std::string name = options.name.empty() ? host_name() : options.name;
  if (name.size() > kMaxDeviceName) return Error{Status::option, "the device name is longer than 64 bytes"};
  if (!is_utf8(name) || dialog::printable(name) != name)
    return Error{Status::option, "the device name must be text in UTF-8, without control characters"};
  SKS_TRY(LocalStore::create(options.store, name, options.protection, secrets, options.anchor));
  SKS_LET(LocalStore store, LocalStore::open(options.store, secrets));
  SKS_LET(const DeviceInfo device, store.engine().get_device_info());
  out << "Key store made in " << options.store << "; " << device_line(device.certificate_path[0]) << "\n";
  if (options.anchor.kind != nullptr) describe_anchor(options.anchor, options.store, out);
  if (options.certificate_file.empty()) return {};
  std::ofstream file(options.certificate_file);
  file << to_pem(device.certificate_path[0], "CERTIFICATE") << std::flush;
  if (file) return {};
  return Error{Status::storage,
               "cannot write '" + options.certificate_file + "'; 'sks device --pem' prints the certificate"};
}

}  // namespace sks::cli
