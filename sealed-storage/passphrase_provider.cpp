#include "sealed-storage/passphrase_provider.h"

#include "sealed-storage/passphrase_envelope.h"
#include "sealed-storage/record.h"

namespace sks::sealed {
namespace {

EnvelopeContext envelope_context(const ProviderContext& context) {
  return {context.file_header, context.path, "the key store", context.store, context.secrets};
}

}  // namespace

Result<SecureBytes> wrap_with_passphrase(ByteView master_key, const ProviderContext& context) {
  return seal_envelope(master_key, envelope_context(context), context.random);
}

Result<SecureBytes> unwrap_with_passphrase(ByteView part, const ProviderContext& context) {
  if (part.size() != kMasterKeySize + kEnvelopeOverhead) return Error{Status::crypto, context.path + " is damaged"};
  return open_envelope(part, envelope_context(context));
}

}  // namespace sks::sealed
