#include "sealed-storage/tpm2/counter.h"
#include "sealed-storage/tpm2/provider.h"

/// What a program that was built without TPM support has in the place of it.
namespace sks::sealed {
namespace {

Error absent() { return {Status::not_available, "this program was built without TPM support"}; }

}  // namespace

Result<SecureBytes> wrap_with_tpm(ByteView /*master_key*/, const ProviderContext& /*context*/) { return absent(); }

Result<SecureBytes> unwrap_with_tpm(ByteView /*part*/, const ProviderContext& /*context*/) { return absent(); }

Result<NewAnchor> create_tpm_counter(const std::string& /*place*/, const AnchorContext& /*context*/) {
  return absent();
}

Result<std::unique_ptr<Anchor>> open_tpm_counter(ByteView /*parameters*/, const AnchorContext& /*context*/) {
  return absent();
}

}  // namespace sks::sealed
