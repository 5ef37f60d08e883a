#include "key-user-api/token/service.h"

namespace sks::token {

/// In builds without the token service.
Result<std::unique_ptr<Service>> Service::open(Ports /*ports*/) {
  return Error{Status::not_available, "this sksd was built without the service for applications"};
}

}  // namespace sks::token
