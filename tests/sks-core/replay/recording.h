#pragma once

#include <string>
#include <vector>

#include "conformance/recording.h"
#include "sks-core/engine/secure_key_store.h"

/// The recorded sessions of tests/vectors/transcripts, as their key store saw them.
namespace sks::test {

using conformance::Json;
using conformance::RecordedCall;

struct Recording : conformance::Recording {
  ProvisioningHandle session;
};

/// All of them, in the order in which they took place.
std::vector<Recording> read_recordings();

/// Values of a recording; null stands for an absent one, which is empty.
Bytes hex(const Json& value);
Bytes base64(const Json& value);
std::string text(const Json& value);
std::vector<Bytes> certificates(const Json& values);
template <class T>
T number(const Json& value) {
  return value.is_null() ? T{} : value.get<T>();
}
template <class Handle>
Handle handle(const Json& value) {
  return Handle{value.get<std::uint32_t>()};
}

/// The results of the two getters of keys.
KeyAttributes key_attributes(const Json& out);
KeyProtectionInfo key_protection_info(const Json& out);

}  // namespace sks::test
