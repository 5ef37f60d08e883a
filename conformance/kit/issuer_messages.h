#pragma once

#include "conformance/kit/issuer_role.h"

namespace sks::conformance {

/// How each message of an issuer is made, and the response to it judged.
struct IssuerRole::Message {
  std::string_view request;
  bool has_client_session_id;
  Result<void> (IssuerRole::*fill)(Json& message);      ///< what is absent and can stand alone
  Result<void> (IssuerRole::*complete)(Json& message);  ///< what covers the rest: signatures and MACs
  void (IssuerRole::*check)(const Node& response);
};

}  // namespace sks::conformance
