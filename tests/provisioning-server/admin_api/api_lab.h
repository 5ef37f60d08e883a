#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "provisioning-server/access/access.h"
#include "tests/provisioning-server/issuer_fixture.h"

namespace sks::test {

/// What somebody sends to the REST API.
struct ApiRequest {
  std::string method = "GET";
  std::string path;  ///< behind /api/v1, with its query
  std::string token = {};
  std::string cookie = {};
  Bytes certificate = {};
  std::string body = {};   ///< sent as JSON when there is one
  bool confirmed = false;  ///< X-SKS-Request: 1
};

/// An issuer with one account of each role, and a device that has got its keys.
class ApiLab {
 public:
  ApiLab();

  issuer::Response send(const ApiRequest& request);
  /// By the token of the account that is named as its role.
  issuer::Response as(const std::string& role, const std::string& method, const std::string& path,
                      const std::string& body = "");
  issuer::Response as_account(const std::string& account, const std::string& method, const std::string& path,
                              const std::string& body = "");
  /// The JSON of a response; checks its status.
  nlohmann::json json(const issuer::Response& response, unsigned status = 200);
  std::string token_of(const std::string& account) const { return "token-of-" + account; }
  void add_account(const std::string& name, issuer::RoleSet roles, const Bytes& certificate = {},
                   std::int64_t seconds = 86400);
  /// The cookie of a new login.
  std::string log_in(const std::string& account);
  std::string fingerprint();

  IssuerLab issuer;
  Device device{issuer};
};

}  // namespace sks::test
