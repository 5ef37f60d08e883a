#include "tests/provisioning-server/issuer_fixture.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <future>

#include "provisioning-server/init.h"
#include "provisioning-server/issuer_routes.h"

namespace sks::test {
namespace {

constexpr const char* kUrl = "https://localhost:8443/keygen2";

attestation::SoftwareIdentity make_identity(const Clock& clock) {
  auto identity = attestation::SoftwareIdentity::create("Test device", attestation::AttestationKeyType::p256, clock);
  REQUIRE(identity);
  return std::move(identity).value();
}

void edit_file(const std::string& file, const std::string& from, const std::string& to) {
  std::string content = read_file(file);
  const std::size_t at = content.find(from);
  REQUIRE(at != std::string::npos);
  write_file(file, content.replace(at, from.size(), to));
}

}  // namespace

IssuerLab::IssuerLab(issuer::DeviceTrustMode trust) {
  auto url = issuer::MainUrl::parse(kUrl);
  REQUIRE(url);
  REQUIRE(issuer::init_issuer({path, std::move(url).value(), trust, {}}, clock, system_random()));
  restart();
}

void IssuerLab::restart() {
  handler.reset();
  issuer.reset();
  earlier.clear();
  auto opened = issuer::Issuer::open(path, clock);
  REQUIRE(opened);
  issuer = std::move(opened).value();
  handler = std::make_unique<issuer::HttpHandler>(issuer->config().url, issuer::issuer_routes(*issuer));
}

void IssuerLab::reload() {
  auto again = issuer::Issuer::reopen(*issuer);
  REQUIRE(again);
  handler.reset();
  earlier.push_back(std::move(issuer));
  issuer = std::move(again).value();
  handler = std::make_unique<issuer::HttpHandler>(issuer->config().url, issuer::issuer_routes(*issuer));
}

std::string IssuerLab::new_ticket(const std::string& profile, const std::string& cookie) {
  const std::string secret = random_id(system_random());
  issuer::Ticket ticket{issuer::digest_of(secret), profile, "CN=Jo Doe,O=Example", "", clock.now(),
                        clock.now() + 3600,        0};
  if (!cookie.empty()) ticket.cookie_digest = issuer::digest_of(cookie);
  REQUIRE(issuer->repository().add_ticket(ticket, {clock.now(), "operator", "ticket", "", profile, "ok", ""}));
  return "/keygen2?ticket=" + secret;
}

issuer::Response IssuerLab::respond(const issuer::Request& request) {
  const auto promise = std::make_shared<std::promise<std::optional<issuer::Response>>>();
  const bool is_under_way = handler->handle_promptly(
      request, [promise](std::optional<issuer::Response> response) { promise->set_value(std::move(response)); });
  if (is_under_way) {
    std::optional<issuer::Response> response = promise->get_future().get();
    if (response) ++prompt;
    if (response) return std::move(*response);
  }
  return handler->handle(request);
}

std::string IssuerLab::target_of(const std::string& location) const {
  const std::string& origin = issuer->config().url.origin();
  REQUIRE(location.starts_with(origin));
  return location.substr(origin.size());
}

void IssuerLab::edit_profile(const std::string& name, const std::string& from, const std::string& to) const {
  edit_file(path + "/profiles/" + name + ".toml", from, to);
}

void IssuerLab::edit_config(const std::string& from, const std::string& to) const {
  edit_file(path + "/issuer.toml", from, to);
}

std::int64_t IssuerLab::count(const std::string& sql) const {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((path + "/issuer.db").c_str(), &database) == SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
  const std::int64_t number = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return number;
}

void IssuerLab::execute(const std::string& sql) const {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((path + "/issuer.db").c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

Device::Device(IssuerLab& lab) : lab_(lab), identity_(make_identity(lab.clock)) {
  auto engine = Engine::open({storage_, identity_, system_key_source(), system_random(), lab.clock});
  REQUIRE(engine);
  engine_ = std::move(engine).value();
  begin_again();
}

void Device::begin_again() {
  cookie.clear();
  client_ = std::make_unique<keygen2::ClientSession>(
      *engine_, dialog_, lab_.clock, keygen2::ClientContext{kUrl, "localhost", lab_.issuer->tls_certificate().der()});
}

issuer::Request Device::get_request(const std::string& target) const {
  issuer::Request request;
  request.method = "GET";
  request.target = target;
  request.host = "localhost:8443";
  request.cookies = cookie;
  request.peer = "127.0.0.1";
  return request;
}

issuer::Request Device::post_request(const std::string& body) const {
  issuer::Request request = get_request("/keygen2");
  request.method = "POST";
  request.content_type = "application/json";
  request.body = body;
  return request;
}

issuer::Response Device::send(const issuer::Request& request) {
  issuer::Response response = lab_.respond(request);
  const std::string set = header(response, "Set-Cookie");
  if (!set.empty()) cookie = set.substr(0, set.find(';'));
  return response;
}

std::string Device::answer(const issuer::Response& message) {
  REQUIRE(message.status == 200);
  REQUIRE(header(message, "Content-Type") == "application/json");
  auto reply = client_->receive(message.body);
  if (!reply) FAIL(reply.error().detail);
  return std::move(reply).value();
}

issuer::Response Device::enrol(const std::string& init_target) {
  issuer::Response response = get(init_target);
  while (response.status == 200) response = post(answer(response));
  return response;
}

issuer::Response Device::enrol_again(const std::string& init_target) {
  begin_again();
  return enrol(init_target);
}

std::size_t Device::key_count() {
  std::size_t count = 0;
  KeyHandle handle;
  for (auto next = engine_->enumerate_keys(handle); next && *next; next = engine_->enumerate_keys(handle)) {
    handle = (*next)->handle;
    ++count;
  }
  return count;
}

KeyHandle Device::key(std::size_t index) {
  KeyHandle handle;
  for (std::size_t i = 0; i <= index; ++i) {
    const auto next = engine_->enumerate_keys(handle);
    REQUIRE(next);
    REQUIRE(*next);
    handle = (*next)->handle;
  }
  return handle;
}

Bytes Device::certificate(std::size_t index) {
  const auto attributes = engine_->get_key_attributes(key(index));
  REQUIRE(attributes);
  return attributes->certificate_path.front();
}

std::vector<std::string> Device::extension_types(std::size_t index) {
  const auto attributes = engine_->get_key_attributes(key(index));
  REQUIRE(attributes);
  return attributes->extension_types;
}

ExtensionContent Device::extension(std::size_t index, std::string_view type) {
  auto content = engine_->get_extension(key(index), type);
  REQUIRE(content);
  return std::move(content).value();
}

std::uint8_t Device::protection(std::size_t index) {
  const auto info = engine_->get_key_protection_info(key(index));
  REQUIRE(info);
  return info->protection_status;
}

bool Device::is_locked(std::size_t index) { return (protection(index) & kPinBlocked) != 0; }

void Device::lock(std::size_t index) {
  for (int attempt = 0; attempt < 3; ++attempt)
    CHECK_FALSE(engine_->verify_pin(key(index), SecureBytes::copy_of(as_bytes("000000"))));
}

std::string header(const issuer::Response& response, const std::string& name) {
  std::string value;
  for (const auto& [key, content] : response.headers)
    if (key == name) value = content;
  return value;
}

std::string outcome(const issuer::Response& response) {
  if (response.status != 302) return {};
  const std::string location = header(response, "Location");
  if (location == "https://localhost:8443/result?outcome=complete") return "complete";
  const std::string refused = "https://localhost:8443/result?outcome=refused&reason=";
  return location.starts_with(refused) ? location.substr(refused.size()) : std::string();
}

}  // namespace sks::test
