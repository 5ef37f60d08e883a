#include <nlohmann/json.hpp>

#include "key-user-api/cli/commands.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::cli {

std::string device_line(ByteView certificate) {
  return "device certificate SHA-256 " + to_hex(crypto::sha256(certificate));
}

Result<void> run_device(const DeviceOptions& options, SecureKeyStore& store, std::ostream& out) {
  SKS_LET(const DeviceInfo device, store.get_device_info());
  const Bytes& certificate = device.certificate_path[0];
  if (options.format == Format::json) {
    const nlohmann::ordered_json json{{"certificateFingerprint", to_hex(crypto::sha256(certificate))},
                                      {"certificate", to_pem(certificate, "CERTIFICATE")}};
    out << json.dump(2) << "\n";
  } else if (options.pem) {
    out << to_pem(certificate, "CERTIFICATE");
  } else {
    out << device_line(certificate) << "\n";
  }
  return {};
}

}  // namespace sks::cli
