#include "provisioning-server/database/database.h"

namespace sks::issuer {

Result<std::unique_ptr<Database>> open_postgresql(const std::string&, std::size_t) {
  return Error{Status::option, "this program was built without PostgreSQL"};
}

}  // namespace sks::issuer
