#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "key-user-api/local_store.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/socket_channel.h"
#include "tests/key-user-api/daemon/sksd_process.h"
#include "tests/sks-core/engine/device.h"
#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

struct Place {
  TempDir folder;
  std::string store = folder.file("store");
  std::string socket = folder.file("socket");
  std::string listen = "unix:" + socket;
};

std::unique_ptr<wire::RemoteKeyStore> connect(std::string_view address) {
  const Result<wire::Address> parsed = wire::parse_address(address);
  REQUIRE(parsed);
  auto channel = wire::SocketChannel::connect(*parsed);
  REQUIRE_MESSAGE(static_cast<bool>(channel), channel.error().detail);
  return std::make_unique<wire::RemoteKeyStore>(std::move(*channel));
}

/// The address behind " on " in a ready line.
std::string served_address(const std::string& ready_line) {
  const std::size_t at = ready_line.rfind(" on ");
  REQUIRE(at != std::string::npos);
  return ready_line.substr(at + 4, ready_line.find_first_of(",\n", at) - at - 4);
}

/// Exit code and complaint of a program that does not get to serve.
struct Ending {
  std::optional<int> exit_code;
  std::string complaint;
};
Ending run(std::vector<std::string> arguments) {
  SksdProcess process(std::move(arguments));
  CHECK(process.ready_line().empty());
  const std::optional<int> exit_code = process.exit_code();
  return {exit_code, process.complaint()};
}

bool exists(const std::string& path) { return std::filesystem::exists(path); }

}  // namespace

TEST_CASE("sksd: serves a fresh conformance device in memory") {
  struct Case {
    const char* option;
    KeyKind kind;
  };
  for (const Case& c : {Case{"--attestation-key=p256", KeyKind::ec}, Case{"--attestation-key=rsa2048", KeyKind::rsa}}) {
    CAPTURE(c.option);
    SksdProcess process({"--store", "memory:", "--listen", "tcp:127.0.0.1:0", "--conformance", c.option});
    const std::string line = process.ready_line();
    CHECK(line.starts_with("sksd: serving memory: on tcp:127.0.0.1:"));
    const auto store = connect(served_address(line));
    const DeviceInfo info = store->get_device_info().value();
    CHECK(info.vendor_name.find("WebPKI.org") == std::string::npos);
    CHECK(info.device_pin_support);
    CHECK(info.biometric_support);
    const auto certificate = crypto::Certificate::from_der(info.certificate_path.at(0)).value();
    CHECK(certificate.public_key().value().kind() == c.kind);
    TestIssuer issuer(*store);
    issuer.request.privacy_enabled = false;
    REQUIRE(issuer.open(info.certificate_path[0]));
    const crypto::PublicKey device_key = certificate.public_key().value();
    CHECK(issuer.session_attestation_holds(&device_key));
    CHECK(all_keys(*store).empty());
    process.signal(SIGTERM);
    CHECK(process.exit_code() == 0);
    CHECK(process.complaint().empty());
  }
}

TEST_CASE("sksd: in conformance mode the device PIN is 1234") {
  SksdProcess process({"--store", "memory:", "--listen", "tcp:[::1]:0", "--conformance"});
  const auto store = connect(served_address(process.ready_line()));
  KeyEntryRequest request = key_request();
  request.device_pin_protection = true;
  const KeyHandle key = provision_plain_key(*store, std::move(request));
  CHECK(try_to_sign(*store, key, with_pin("1235")) == Status::authorization);
  CHECK(try_to_sign(*store, key, with_pin("1234")) == std::nullopt);
}

TEST_CASE("sksd: announces neither device PIN nor biometrics otherwise") {
  const Place place;
  SksdProcess process({"--store", "memory:", "--listen", place.listen});
  CHECK(process.ready_line() == "sksd: serving memory: on " + place.listen + "\n");
  const DeviceInfo info = connect(place.listen)->get_device_info().value();
  CHECK_FALSE(info.device_pin_support);
  CHECK_FALSE(info.biometric_support);
}

TEST_CASE("sksd: reads no configuration of OpenSSL, which could name code to load") {
  const Place place;
  // Whoever opens it waits for ever: nobody writes.
  const std::string pipe = place.folder.file("openssl.cnf");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  ::setenv("OPENSSL_CONF", pipe.c_str(), 1);
  SksdProcess process({"--store", "memory:", "--listen", place.listen});
  ::unsetenv("OPENSSL_CONF");
  CHECK(process.ready_line() == "sksd: serving memory: on " + place.listen + "\n");
  const auto info = connect(place.listen)->get_device_info();
  CHECK(info);
}

TEST_CASE("sksd: keys survive a restart, and a kill") {
  const Place place;
  REQUIRE(LocalStore::create(place.store, "Test device"));
  KeyHandle key;
  for (const int end : {SIGTERM, SIGKILL, SIGINT}) {
    SksdProcess process({"--store", place.store, "--listen", place.listen});
    REQUIRE(process.ready_line() == "sksd: serving " + place.store + " on " + place.listen + "\n");
    const auto store = connect(place.listen);
    if (!key) key = provision_pin_key(*store).key;
    CHECK(all_keys(*store) == std::vector{key});
    CHECK(try_to_sign(*store, key, with_pin("1234")) == std::nullopt);
    process.signal(end);
    CHECK(process.exit_code() == (end == SIGKILL ? std::nullopt : std::optional(0)));
    CHECK(exists(place.socket) == (end == SIGKILL));
  }
}

TEST_CASE("sksd: an open session survives a restart, and a kill") {
  const Place place;
  REQUIRE(LocalStore::create(place.store, "Test device"));
  std::optional<TestIssuer> issuer;
  for (const int end : {SIGTERM, SIGKILL}) {
    SksdProcess process({"--store", place.store, "--listen", place.listen});
    if (process.ready_line().empty()) FAIL(process.complaint());
    const auto store = connect(place.listen);
    if (!issuer) REQUIRE(issuer.emplace(*store).open());
    issuer->use(*store);
    KeyEntryRequest request = key_request();
    request.id = "Key" + std::to_string(end);
    CHECK(issuer->create_certified_key(std::move(request)));
    process.signal(end);
    static_cast<void>(process.exit_code());
  }
  SksdProcess process({"--store", place.store, "--listen", place.listen});
  if (process.ready_line().empty()) FAIL(process.complaint());
  const auto store = connect(place.listen);
  issuer->use(*store);
  CHECK(issuer->close());
  CHECK(all_keys(*store).size() == 2);
}

TEST_CASE("sksd: ends at every signal that asks for it, however many clients there are") {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    const Place place;
    SksdProcess process({"--store", "memory:", "--listen", place.listen});
    process.ready_line();
    const auto idle = connect(place.listen);
    const auto busy = connect(place.listen);
    CHECK(busy->get_device_info());
    process.signal(number);
    CHECK(process.exit_code() == 0);
    CHECK_FALSE(exists(place.socket));
    CHECK_FALSE(busy->get_device_info());
  }
}

TEST_CASE("sksd: serves several addresses, and its socket files are for their owner alone") {
  const Place place;
  const std::string second = "unix:" + place.folder.file("second");
  SksdProcess process({"--store", "memory:", "--listen", place.listen, "--listen", second});
  CHECK(process.ready_line() == "sksd: serving memory: on " + place.listen + ", " + second + "\n");
  const auto store = connect(place.listen);
  TestIssuer issuer(*store);
  REQUIRE(issuer.open());
  CHECK(is_open(*connect(second), issuer.handle()));
  struct stat info {};
  REQUIRE(::stat(place.socket.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("sksd: says in one line why it cannot serve, and ends with 1") {
  const Place place;
  const auto refused = [](std::vector<std::string> arguments, const std::string& complaint) {
    const Ending ending = run(std::move(arguments));
    CHECK(ending.exit_code == 1);
    CHECK(ending.complaint == "sksd: " + complaint + "\n");
  };
  refused({"--store", place.store, "--listen", place.listen},
          "no key store in " + place.store + "; make one with 'sks init'");
  refused({"--store", "memory:", "--listen", "unix:" + place.folder.file("no/folder")},
          "Cannot serve unix:" + place.folder.file("no/folder") + ": No such file or directory");
  refused({"--store", place.folder.file("a\nb\x1B[2J"), "--listen", place.listen},
          "no key store in " + place.folder.file("a?b?[2J") + "; make one with 'sks init'");

  REQUIRE(LocalStore::create(place.store, "Test device"));
  SksdProcess first({"--store", place.store, "--listen", place.listen});
  REQUIRE_FALSE(first.ready_line().empty());
  refused({"--store", "memory:", "--listen", place.listen}, place.listen + " is served by another process already");
  const Ending in_use = run({"--store", place.store, "--listen", "unix:" + place.folder.file("other")});
  CHECK(in_use.exit_code == 1);
  CHECK(in_use.complaint.find("in use by process") != std::string::npos);
  CHECK(std::ranges::count(in_use.complaint, '\n') == 1);
  CHECK(connect(place.listen)->get_device_info());
}

TEST_CASE("sksd: says in one line what is wrong with its usage, and ends with 2") {
  const std::vector<std::vector<std::string>> usages{
      {},
      {"--listen"},
      {"--listen", ""},
      {"--listen="},
      {"--listen", "/run/sksd"},
      {"--listen", "tcp:127.0.0.1:7788"},
      {"--listen", "tcp:127.0.0.1:7788", "--conformance"},
      {"--listen", "unix:/nowhere/a", "--conformance"},
      {"--store", "memory:", "--listen", "tcp:0.0.0.0:7788", "--conformance"},
      {"--store", "memory:", "--listen", "tcp:192.168.0.1:7788", "--conformance"},
      {"--store", "memory:", "--listen", "unix:/nowhere/a", "tcp:127.0.0.1:1"},
      {"--store", "", "--listen", "unix:/nowhere/a"},
      {"--store=", "--listen", "unix:/nowhere/a"},
      {"--persona", "", "--listen", "unix:/nowhere/a"},
      {"--persona", "a/b", "--listen", "unix:/nowhere/a"},
      {"--persona", "work", "--store", "memory:", "--listen", "unix:/nowhere/a"},
      {"--listen", "unix:/nowhere/a", "--attestation-key", "rsa2048"},
      {"--store", "memory:", "--listen", "unix:/nowhere/a", "--attestation-key", "rsa1024"},
      {"--listen", "unix:/nowhere/a", "--verbose"},
      {"--listen", "unix:/nowhere/a", "serve"},
  };
  for (const std::vector<std::string>& usage : usages) {
    std::string all;
    for (const std::string& argument : usage) all += argument + ' ';
    CAPTURE(all);
    const Ending ending = run(usage);
    CHECK(ending.exit_code == 2);
    CHECK(ending.complaint.starts_with("sksd: "));
    CHECK(ending.complaint.ends_with("(see 'sksd --help')\n"));
    CHECK(std::ranges::count(ending.complaint, '\n') == 1);
  }
}

TEST_CASE("sksd: explains itself") {
  for (const char* const option : {"--help", "--version"}) {
    SksdProcess process({option});
    CHECK_FALSE(process.ready_line().empty());
    CHECK(process.exit_code() == 0);
    CHECK(process.complaint().empty());
  }
}

TEST_CASE("sksd: warns when it makes a kept store a conformance device") {
  const Place place;
  REQUIRE(LocalStore::create(place.store, "Test device"));
  SksdProcess process({"--store", place.store, "--listen", place.listen, "--conformance"});
  REQUIRE_FALSE(process.ready_line().empty());
  process.signal(SIGTERM);
  CHECK(process.exit_code() == 0);
  CHECK(process.complaint() ==
        "sksd: conformance mode: the device PIN of " + place.store + " is 1234, and biometrics are believed\n");
}

}  // namespace sks::test
