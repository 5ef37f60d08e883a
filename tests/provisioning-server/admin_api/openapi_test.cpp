#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "provisioning-server/admin_api/admin_api.h"

using namespace sks::issuer;

namespace {

/// "GET /tickets" and the right it takes.
using Operations = std::map<std::string, std::string>;

Operations of_program() {
  // Those that need no account are no rows.
  Operations operations{{"POST /login", "none"}, {"POST /logout", "none"}, {"GET /openapi.json", "none"}};
  for (const ApiRoute& row : api_rows()) {
    const bool added =
        operations.emplace(std::string(row.method) + ' ' + std::string(row.path), row_of(row.right).name).second;
    CHECK(added);
  }
  return operations;
}

Operations of_document(const nlohmann::json& document) {
  Operations operations;
  for (const auto& [path, methods] : document.at("paths").items())
    for (const auto& [method, operation] : methods.items()) {
      std::string name = method;
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      operations.emplace(name.append(" ").append(path), operation.at("x-right").get<std::string>());
    }
  return operations;
}

nlohmann::json document() { return nlohmann::json::parse(kOpenApiDocument); }

}  // namespace

TEST_CASE("openapi.json: it has the rows of the program with their rights, and no others") {
  const Operations program = of_program();
  const Operations described = of_document(document());
  for (const auto& operation : program) {
    CAPTURE(operation.first);
    REQUIRE(described.contains(operation.first));
    CHECK(described.at(operation.first) == operation.second);
  }
  for (const auto& operation : described) {
    CAPTURE(operation.first);
    CHECK(program.contains(operation.first));
  }
}

TEST_CASE("openapi.json: bodies and path parameters are those of the rows") {
  const nlohmann::json paths = document().at("paths");
  for (const ApiRoute& row : api_rows()) {
    const std::string path(row.path);
    CAPTURE(path);
    std::string method(row.method);
    std::ranges::transform(method, method.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const nlohmann::json& operation = paths.at(path).at(method);
    CHECK(operation.contains("requestBody") == (row.body == ApiBody::json));
    std::set<std::string> named;
    for (const nlohmann::json& parameter : operation.value("parameters", nlohmann::json::array()))
      if (parameter.at("in") == "path") named.insert(parameter.at("name").get<std::string>());
    CHECK(named.size() == static_cast<std::size_t>(std::ranges::count(path, '{')));
    for (const std::string& name : named) CHECK(path.find('{' + name + '}') != std::string::npos);
  }
}

TEST_CASE("API: every right is the key to something, or belongs to a part that is built on top") {
  std::set<Right> used;
  for (const ApiRoute& row : api_rows()) used.insert(row.right);
  // Checked by handlers: what a session may do to a key differs by the action.
  const std::set<Right> by_handlers{Right::manage_credentials, Right::unlock_credentials, Right::show_puk};
  for (const RightRow& row : kRights) {
    CAPTURE(row.name);
    CHECK((used.contains(row.right) || by_handlers.contains(row.right)));
  }
}
