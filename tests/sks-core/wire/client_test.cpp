#include "sks-core/wire/client.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "sks-core/base/encoding.h"
#include "sks-core/wire/frame.h"
#include "tests/sks-core/wire/exchanges.h"
#include "tests/sks-core/wire/spy_store.h"

namespace sks::test {
namespace {

using wire::RemoteKeyStore;

/// Notes requests and gives a prepared answer.
struct Script {
  std::vector<Bytes> requests;
  Result<Bytes> response = Bytes();
};

class ScriptedChannel final : public wire::Channel {
 public:
  explicit ScriptedChannel(Script& script) : script_(script) {}
  Result<SecureBytes> transact(ByteView request) override {
    script_.requests.push_back(to_bytes(request));
    if (!script_.response) return script_.response.error();
    return SecureBytes::copy_of(*script_.response);
  }

 private:
  Script& script_;
};

RemoteKeyStore remote(Script& script) { return RemoteKeyStore(std::make_unique<ScriptedChannel>(script)); }

/// What a client makes of a response to a method.
Result<std::string> ask(const Exchange& exchange, ByteView response) {
  Script script;
  script.response = to_bytes(response);
  RemoteKeyStore store = remote(script);
  return exchange.ask(store);
}

Bytes error_response(int status, std::string_view text) {
  Bytes response{static_cast<std::uint8_t>(status), static_cast<std::uint8_t>(text.size() >> 8),
                 static_cast<std::uint8_t>(text.size() & 0xFF)};
  response.insert(response.end(), text.begin(), text.end());
  return response;
}

template <class T>
std::optional<Status> status_of(const Result<T>& result) {
  if (result) return std::nullopt;
  return result.error().status;
}

}  // namespace

TEST_CASE("RemoteKeyStore: every method sends its arguments and reads its results as the tables say") {
  for (const Exchange& e : exchanges()) {
    CAPTURE(e.name);
    Script script;
    script.response = wire_bytes(e.response);
    RemoteKeyStore store = remote(script);
    const Result<std::string> result = e.ask(store);
    REQUIRE(result);
    CHECK(*result == e.result);
    REQUIRE(script.requests.size() == 1);
    CHECK(to_hex(script.requests[0]) == to_hex(wire_bytes(e.request)));
  }
}

TEST_CASE("RemoteKeyStore: a response cut short or too long is an external error") {
  for (const Exchange& e : exchanges()) {
    CAPTURE(e.name);
    const Bytes whole = wire_bytes(e.response);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CAPTURE(size);
      CHECK(status_of(ask(e, ByteView(whole).first(size))) == Status::external);
    }
    Bytes longer = whole;
    longer.push_back(0);
    CHECK(status_of(ask(e, longer)) == Status::external);
  }
}

TEST_CASE("RemoteKeyStore: bools and text in results are checked") {
  const auto changed = [](std::string_view method, std::size_t offset, std::uint8_t value) {
    const auto e = std::ranges::find(exchanges(), method, &Exchange::name);
    Bytes response = wire_bytes(e->response);
    response.at(offset) = value;
    return status_of(ask(*e, response));
  };
  CHECK(changed("enumerateProvisioningSessions", 10, 0) == std::nullopt);
  CHECK(changed("enumerateProvisioningSessions", 10, 2) == Status::external);
  CHECK(changed("getDeviceInfo", 6, 0xFF) == Status::external);
  CHECK(changed("getKeyProtectionInfo", 7, 0xFF) == Status::external);
}

TEST_CASE("RemoteKeyStore: handle 0 ends an enumeration, and nothing may follow it") {
  for (const char* const method : {"enumerateKeys", "enumerateProvisioningSessions"}) {
    const auto e = std::ranges::find(exchanges(), std::string_view(method), &Exchange::name);
    CHECK(ask(*e, wire_bytes("00 00000000")).value() == "end");
    CHECK(status_of(ask(*e, wire_bytes("00 00000000 00000001"))) == Status::external);
  }
}

TEST_CASE("RemoteKeyStore: errors come back as the store gave them") {
  for (const Exchange& e : exchanges()) {
    CAPTURE(e.name);
    for (int status = 0x01; status <= 0x0D; ++status) {
      CAPTURE(status);
      const Result<std::string> result = ask(e, error_response(status, "J\xC3\xBCrg"));
      CHECK(status_of(result) == static_cast<Status>(status));
      CHECK(result.error().detail == "J\xC3\xBCrg");
    }
  }
}

TEST_CASE("RemoteKeyStore: errors that are none of the specification's are external") {
  const Exchange& e = exchanges().front();
  CHECK(status_of(ask(e, error_response(0x0E, "text"))) == Status::external);
  CHECK(status_of(ask(e, error_response(0xFF, "text"))) == Status::external);
  CHECK(status_of(ask(e, Bytes{0x04})) == Status::external);
  CHECK(status_of(ask(e, wire_bytes("04 0001"))) == Status::external);
  CHECK(status_of(ask(e, wire_bytes("04 0001'a' 00"))) == Status::external);
  CHECK(status_of(ask(e, wire_bytes("04 0001 ff"))) == Status::external);
  CHECK(status_of(ask(e, error_response(0x04, std::string(2000, 'a')))) == Status::mac);
  CHECK(status_of(ask(e, error_response(0x04, std::string(2001, 'a')))) == Status::external);
}

TEST_CASE("RemoteKeyStore: error texts cannot steer a terminal") {
  CHECK(ask(exchanges().front(), error_response(0x04, "a\x1B[2J")).error().detail == "a?[2J");
}

TEST_CASE("RemoteKeyStore: a broken channel is reported as it is") {
  for (const Status status : {Status::external, Status::not_available}) {
    Script script;
    script.response = Error{status, "gone"};
    RemoteKeyStore store = remote(script);
    for (const Exchange& e : exchanges()) {
      CAPTURE(e.name);
      const Result<std::string> result = e.ask(store);
      CHECK(status_of(result) == status);
      CHECK(result.error().detail == "gone");
    }
  }
}

TEST_CASE("RemoteKeyStore: arguments that no request can hold are refused and not sent") {
  Script script;
  script.response = Bytes{0};
  RemoteKeyStore store = remote(script);
  const Bytes too_long(0x10000);
  const Bytes longest(0xFFFF);
  CHECK(status_of(store.import_private_key({1}, too_long, {})) == Status::option);
  CHECK(status_of(store.verify_pin({1}, SecureBytes(0x10000))) == Status::option);
  CHECK(status_of(store.get_key_handle({1}, std::string(0x10000, 'a'))) == Status::option);
  CHECK(status_of(store.set_certificate_path({1}, std::vector<Bytes>(0x10000), {})) == Status::option);
  CHECK(status_of(store.set_certificate_path({1}, std::vector<Bytes>(17, longest), {})) == Status::option);
  CHECK(status_of(store.update_firmware(Bytes(wire::kMaxBodySize - 4))) == Status::option);
  CHECK(status_of(store.add_extension({1}, {"t", 0, "", Bytes(wire::kMaxBodySize), {}})) == Status::option);
  CHECK(script.requests.empty());

  CHECK(store.import_private_key({1}, longest, {}));
  CHECK(store.set_certificate_path({1}, std::vector<Bytes>(15, longest), {}));
  script.response = wire_bytes("00 0000");
  CHECK(store.update_firmware(Bytes(wire::kMaxBodySize - 5)));
  CHECK(script.requests.back().size() == wire::kMaxBodySize);
}

TEST_CASE("RemoteKeyStore: text that is not UTF-8 is for the store to refuse") {
  SpyStore spy;
  RemoteKeyStore store(std::make_unique<wire::LocalChannel>(spy));
  CHECK(status_of(store.get_key_handle({1}, "\xFF")) == Status::option);
  CHECK(spy.calls == 0);
}

TEST_CASE("RemoteKeyStore: calls of several threads follow one another on the channel") {
  class Narrow final : public wire::Channel {
   public:
    explicit Narrow(std::atomic<int>& most) : most_(most) {}
    Result<SecureBytes> transact(ByteView request) override {
      if (++inside_ > most_) most_ = inside_.load();
      std::this_thread::yield();
      --inside_;
      // The handle comes back, so that mixed-up answers would show.
      return SecureBytes::copy_of(concat({Bytes{0}, request.subspan(1, 4)}));
    }

   private:
    std::atomic<int> inside_ = 0;
    std::atomic<int>& most_;
  };
  std::atomic<int> most = 0;
  std::atomic<int> mixed_up = 0;
  RemoteKeyStore store(std::make_unique<Narrow>(most));
  std::vector<std::thread> threads;
  for (std::uint32_t t = 1; t <= 4; ++t)
    threads.emplace_back([&store, &mixed_up, t] {
      for (int i = 0; i < 200; ++i)
        if (store.get_key_handle({t}, "x").value() != KeyHandle{t}) ++mixed_up;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(most == 1);
  CHECK(mixed_up == 0);
}

}  // namespace sks::test
