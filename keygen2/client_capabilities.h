#pragma once

#include "keygen2/client_session.h"

/// The client's answers to capability queries. Spec: keygen2.md 4.2, 4.3.
namespace sks::keygen2 {

/// What a client has to answer with.
struct CapabilitySources {
  SecureKeyStore& store;
  UserDialog& dialog;
  const DeviceInfo& device;
  const ClientContext& context;
};

/// One answer for each query of the request, in its order. Attributes of the device are in them only as far as the user
/// agrees to disclose them now; what the client does not know or may not tell is answered "supported: false".
std::vector<ClientCapability> answer_queries(const InvocationRequest& request, const CapabilitySources& sources);

}  // namespace sks::keygen2
