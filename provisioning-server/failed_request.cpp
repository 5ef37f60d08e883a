#include "provisioning-server/failed_request.h"

#include "provisioning-server/log.h"

namespace sks::issuer {

Response failed_request(const Error& reason) {
  const bool is_told = reason.status == Status::storage || reason.status == Status::not_available;
  (is_told ? log_debug : log_error)("request-failed", {{"reason", reason.detail}});
  return come_back_later(503);
}

}  // namespace sks::issuer
