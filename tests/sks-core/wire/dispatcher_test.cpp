#include "sks-core/wire/dispatcher.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"
#include "sks-core/wire/error_text.h"
#include "sks-core/wire/frame.h"
#include "sks-core/wire/methods.h"
#include "tests/sks-core/engine/device.h"
#include "tests/sks-core/wire/exchanges.h"
#include "tests/sks-core/wire/spy_store.h"

namespace sks::test {
namespace {

using wire::dispatch;

constexpr std::uint8_t kOption = 0x09;
constexpr std::uint8_t kInternal = 0x0A;

/// The status of a response that is well-formed: 0, or an error with a text.
int status_in(const SecureBytes& response) {
  REQUIRE_FALSE(response.empty());
  if (response.view()[0] == 0) return 0;
  ByteReader in(response.view());
  const std::uint8_t status = in.u8();
  const std::string text = in.text();
  REQUIRE(in.finish());
  CHECK_FALSE(text.empty());
  CHECK(text.size() <= wire::kMaxErrorText);
  return status;
}

int status_of_request(SecureKeyStore& store, ByteView request) { return status_in(dispatch(store, request)); }

std::string error_text_in(const SecureBytes& response) {
  ByteReader in(response.view());
  REQUIRE(in.u8() != 0);
  std::string text = in.text();
  REQUIRE(in.finish());
  return text;
}

const Exchange& exchange(std::string_view name) {
  const auto found = std::ranges::find(exchanges(), name, &Exchange::name);
  REQUIRE(found != exchanges().end());
  return *found;
}

}  // namespace

TEST_CASE("dispatch: every method takes its arguments and gives its results as the tables say") {
  REQUIRE(exchanges().size() == wire::kMethodNames.size());
  for (std::size_t i = 0; i < exchanges().size(); ++i) {
    const Exchange& e = exchanges()[i];
    CAPTURE(e.name);
    const Bytes request = wire_bytes(e.request);
    CHECK(wire::kMethodNames.at(i).name == e.name);
    CHECK(wire::kMethodNames.at(i).id == request[0]);
    SpyStore store;
    CHECK(to_hex(dispatch(store, request).view()) == to_hex(wire_bytes(e.response)));
    CHECK(store.call == e.call);
  }
}

TEST_CASE("dispatch: nothing follows handle 0 at the end of an enumeration") {
  SpyStore store;
  store.at_end = true;
  CHECK(to_hex(dispatch(store, wire_bytes("04 00000000 00")).view()) == "0000000000");
  CHECK(store.call == "enumerateProvisioningSessions previous=0 open=0");
  CHECK(to_hex(dispatch(store, wire_bytes("46 00000000")).view()) == "0000000000");
}

TEST_CASE("dispatch: symmetricKeyEncrypt with mode false decrypts") {
  SpyStore store;
  Bytes request = wire_bytes(exchange("symmetricKeyEncrypt").request);
  request.at(10) = 0;
  CHECK(status_of_request(store, request) == 0);
  CHECK(store.call.ends_with("encrypt=0"));
}

TEST_CASE("dispatch: a request cut short or too long is refused before any method runs") {
  for (const Exchange& e : exchanges()) {
    CAPTURE(e.name);
    const Bytes whole = wire_bytes(e.request);
    SpyStore store;
    for (std::size_t size = 1; size < whole.size(); ++size) {
      CAPTURE(size);
      CHECK(status_of_request(store, ByteView(whole).first(size)) == kOption);
    }
    Bytes longer = whole;
    longer.push_back(0);
    CHECK(status_of_request(store, longer) == kOption);
    CHECK(store.calls == 0);
  }
}

TEST_CASE("dispatch: an empty request and every unknown id are refused") {
  SpyStore store;
  CHECK(status_of_request(store, {}) == kOption);
  for (unsigned id = 0; id <= 0xFF; ++id) {
    if (std::ranges::find(wire::kMethodNames, id, &wire::MethodName::id) != wire::kMethodNames.end()) continue;
    CAPTURE(id);
    CHECK(status_of_request(store, Bytes{static_cast<std::uint8_t>(id)}) == kOption);
    CHECK(status_of_request(store, Bytes{static_cast<std::uint8_t>(id), 0, 0, 0, 1}) == kOption);
  }
  CHECK(store.calls == 0);
}

TEST_CASE("dispatch: the ids are those of the specifications") {
  // sks-byte-stream.md and sks-extensions.md
  const Bytes expected{1,  2,  3,  4,  5,  7,  8,  9,  10, 11, 12, 13, 14,  15,  24,  25,  50,  51,  52,
                       53, 70, 71, 72, 73, 74, 80, 81, 82, 83, 84, 90, 100, 101, 102, 103, 104, 105, 106};
  Bytes ids;
  for (const wire::MethodName& method : wire::kMethodNames) ids.push_back(method.id);
  CHECK(ids == expected);
}

TEST_CASE("works_on_session: tells calls in a session from those of users") {
  for (const char* const request : {"02", "03 00000001", "08 00000001", "0b 00000001", "0f 00000001", "35 00000001",
                                    "18 00000001 00000002", "19 00000001 00000002"})
    CHECK(wire::works_on_session(wire_bytes(request)));
  for (const char* const request : {"", "01", "04 00000000 01", "18 00000000 00000002", "19 00000000 00000002", "18",
                                    "36", "46 00000000", "69", "ff"})
    CHECK_FALSE(wire::works_on_session(wire_bytes(request)));
}

TEST_CASE("dispatch: a bool that is neither 0 nor 1 is refused") {
  struct Case {
    const char* method;
    std::size_t offset;
  };
  const Case cases[] = {
      {"createProvisioningSession", 5},
      {"enumerateProvisioningSessions", 5},
      {"createPinPolicy", 14},
      {"createPinPolicy", 15},
      {"createKeyEntry", 18},
      {"createKeyEntry", 29},
      {"signHashedData", 14},
      {"asymmetricKeyDecrypt", 14},
      {"keyAgreement", 14},
      {"performHmac", 14},
      {"symmetricKeyEncrypt", 10},
      {"symmetricKeyEncrypt", 15},
      {"signData", 14},
  };
  SpyStore store;
  for (const Case& c : cases) {
    CAPTURE(c.method);
    CAPTURE(c.offset);
    Bytes request = wire_bytes(exchange(c.method).request);
    const std::uint8_t right = request.at(c.offset);
    REQUIRE(right <= 1);
    request[c.offset] = right == 0 ? 1 : 0;
    CHECK(status_of_request(store, request) == 0);  // so that this is a bool
    const int calls = store.calls;
    for (const std::uint8_t wrong : Bytes{0x02, 0x80, 0xFF}) {
      request[c.offset] = wrong;
      CHECK(status_of_request(store, request) == kOption);
    }
    CHECK(store.calls == calls);
  }
}

TEST_CASE("dispatch: text that is not UTF-8 is refused, in every place where there is text") {
  // What stands for the byte 0xFF in these requests is text elsewhere.
  const char* const requests[] = {
      "02 0002 73ff 01 0003'srv' 0001 e0 0003'uri' 0000 60000001 2710 ffff 0000",
      "02 0002's1' 01 0003 73ff76 0001 e0 0003'uri' 0000 60000001 2710 ffff 0000",
      "02 0002's1' 01 0003'srv' 0001 e0 0003 75ff69 0000 60000001 2710 ffff 0000",
      "08 00000005 0003 50ff4b 0000 02 2710 0002 4d41",
      "09 00000005 0003 50ff4b 00000021 01 00 01 2710 02 1f 0004 0080 03 0000",
      "0a 00000005 0001 ff 0002'k1' 0000 00 00000000 0000 00 00 00 00 00 0000 0004'p256' 0000 0000 0000",
      "0a 00000005 0001'K' 0002 6bff 0000 00 00000000 0000 00 00 00 00 00 0000 0004'p256' 0000 0000 0000",
      "0a 00000005 0001'K' 0002'k1' 0000 00 00000000 0000 00 00 00 00 00 0001 ff 0004'p256' 0000 0000 0000",
      "0a 00000005 0001'K' 0002'k1' 0000 00 00000000 0000 00 00 00 00 00 0000 0004 70ff3536 0000 0000 0000",
      "0a 00000005 0001'K' 0002'k1' 0000 00 00000000 0000 00 00 00 00 00 0000 0004'p256' 0000 0001 0001 ff 0000",
      "0b 00000005 0003 4bff79",
      "0f 00000021 0001 ff 00 0000 00000000 0000",
      "0f 00000021 0001'x' 03 0001 ff 00000000 0000",
      "49 00000021 0001 ff",
      "4a 00000021 0001 ff 0001'n' 0001'v'",
      "4a 00000021 0001'x' 0001 ff 0001'v'",
      "4a 00000021 0001'x' 0001'n' 0001 ff",
      "64 00000021 0001 ff 0000 00 0000 0000",
      "65 00000021 0001 ff 0000 00 0000 0000",
      "66 00000021 0001 ff 0000 00 0000 0000",
      "67 00000021 0001 ff 0000 00 0000 00000000",
      "68 00000021 0001 ff 01 0000 00 0000 00000000",
      "69 00000021 0001 ff 0000 00 0000 00000000",
  };
  SpyStore store;
  for (const char* const notation : requests) {
    CAPTURE(notation);
    Bytes request = wire_bytes(notation);
    CHECK(status_of_request(store, request) == kOption);
    // limits of sessions are ff as well: the byte that is wrong is the last or the only one inside text
    Bytes healed = request;
    for (std::size_t i = 1; i < healed.size(); ++i)
      if (healed[i] == 0xFF && (i + 1 == healed.size() || healed[i + 1] != 0xFF) && healed[i - 1] != 0xFF)
        healed[i] = 'x';
    const int calls = store.calls;
    CHECK(status_of_request(store, healed) == 0);
    CHECK(store.calls == calls + 1);
  }
  // Overlong, a surrogate, above U+10FFFF, cut short.
  for (const char* const text : {"0002 c080", "0003 eda080", "0004 f4908080", "0002 e282"}) {
    CAPTURE(text);
    CHECK(status_of_request(store, wire_bytes(std::string("0b 00000005 ") + text)) == kOption);
  }
}

TEST_CASE("dispatch: a list that announces more than there is costs nothing") {
  SpyStore store;
  CHECK(status_of_request(store, wire_bytes("0c 00000021 ffff")) == kOption);
  CHECK(status_of_request(store, wire_bytes("0c 00000021 ffff 0001 c1")) == kOption);
  CHECK(status_of_request(store, wire_bytes("5a ffffffff 01")) == kOption);
  CHECK(store.calls == 0);
}

TEST_CASE("dispatch: lists and blobs may be as long as a frame holds") {
  SpyStore store;
  ByteWriter path;
  path.u8(12).u32(1).u16(0xFFFF);
  for (int i = 0; i < 0xFFFF; ++i) path.array({});
  path.array({});
  CHECK(status_of_request(store, path.view()) == 0);
  ByteWriter chunk;
  chunk.u8(90).blob(Bytes(wire::kMaxBodySize - 5));
  REQUIRE(chunk.view().size() == wire::kMaxBodySize);
  CHECK(status_of_request(store, chunk.view()) == 0);
}

TEST_CASE("dispatch: errors of the store travel with status and text") {
  for (int status = 0x01; status <= 0x0D; ++status) {
    SpyStore store;
    store.error = Error{static_cast<Status>(status), "what went wrong"};
    for (const Exchange& e : exchanges()) {
      CAPTURE(e.name);
      Bytes expected = wire_bytes("000f'what went wrong'");
      expected.insert(expected.begin(), static_cast<std::uint8_t>(status));
      CHECK(equal(dispatch(store, wire_bytes(e.request)).view(), expected));
    }
  }
}

TEST_CASE("dispatch: an exception of the store is an internal error and tells nothing") {
  const std::function<void()> thrown[] = {[] { throw std::bad_alloc(); },
                                          [] { throw std::runtime_error("the PIN is 1234"); }, [] { throw 1; }};
  for (const auto& thrower : thrown) {
    SpyStore store;
    store.before_result = thrower;
    const SecureBytes response = dispatch(store, wire_bytes("01"));
    CHECK(status_in(response) == kInternal);
    CHECK(error_text_in(response).find("1234") == std::string::npos);
  }
}

TEST_CASE("dispatch: an answer that cannot be expressed is an error and no broken frame") {
  SpyStore store;
  store.exported_size = 0xFFFF;
  CHECK(dispatch(store, wire_bytes("51 00000021 0000")).size() == 1 + 2 + 0xFFFF);
  store.exported_size = 0x10000;
  CHECK(status_of_request(store, wire_bytes("51 00000021 0000")) == kInternal);
  store.exported_size = 2 * wire::kMaxBodySize;
  CHECK(status_of_request(store, wire_bytes("51 00000021 0000")) == kInternal);
}

TEST_CASE("dispatch: no request that cannot be decoded aborts an open session") {
  Device device;
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  const KeyHandle key = issuer.create_certified_key(key_request()).value().handle;
  for (const Exchange& e : exchanges()) {
    CAPTURE(e.name);
    Bytes request = wire_bytes(e.request);
    // Sessions and keys alike have the handle 1.
    if (request.size() >= 5) std::ranges::copy(Bytes{0, 0, 0, 1}, request.begin() + 1);
    CHECK(status_of_request(*device.engine, ByteView(request).first(request.size() - 1)) == kOption);
    request.push_back(0);
    CHECK(status_of_request(*device.engine, request) == kOption);
  }
  CHECK(is_open(*device.engine, issuer.handle()));
  CHECK(key == KeyHandle{1});
  CHECK(issuer.close());
}

TEST_CASE("dispatch: answers whatever bytes come with a well-formed response") {
  Device device;
  provision_pin_key(*device.engine);
  for (int i = 0; i < 3000; ++i) {
    const Exchange& e = exchanges()[static_cast<std::size_t>(i) % exchanges().size()];
    Bytes request = wire_bytes(e.request);
    const Bytes noise = system_random().bytes(2);
    request[noise[0] % request.size()] = noise[1];
    CAPTURE(to_hex(request));
    static_cast<void>(status_of_request(*device.engine, request));
  }
}

TEST_CASE("error_text: keeps text, and makes control characters and broken UTF-8 harmless") {
  struct Case {
    std::string_view text;
    std::string_view expected;
  };
  const Case cases[] = {
      {"", ""},
      {"Unknown key 5", "Unknown key 5"},
      {"J\xC3\xBCrg \xE2\x82\xAC \xF0\x9F\x94\x91", "J\xC3\xBCrg \xE2\x82\xAC \xF0\x9F\x94\x91"},
      {"a\nb\tc\x1B[2Jd\x7F", "a?b?c?[2Jd?"},
      {std::string_view("a\0b", 3), "a?b"},
      {"a\xC2\x9B"
       "2J\xC2\xA0",
       "a?2J\xC2\xA0"},  // CSI as one character of C1; U+00A0 is none
      {"a\xFF"
       "b\xC3",
       "a?b?"},
      {"\xED\xA0\x80", "???"},
  };
  for (const Case& c : cases) CHECK(wire::error_text(c.text) == c.expected);
}

TEST_CASE("error_text: is cut to 2000 bytes between two characters") {
  CHECK(wire::error_text(std::string(2000, 'a')) == std::string(2000, 'a'));
  CHECK(wire::error_text(std::string(2001, 'a')) == std::string(2000, 'a'));
  CHECK(wire::error_text(std::string(1998, 'a') + "\xE2\x82\xAC") == std::string(1998, 'a'));
  CHECK(wire::error_text(std::string(1997, 'a') + "\xE2\x82\xAC"
                                                  "b") == std::string(1997, 'a') + "\xE2\x82\xAC");
}

TEST_CASE("dispatch: long error texts arrive cut") {
  SpyStore store;
  store.error = Error{Status::crypto, std::string(100'000, 'x')};
  CHECK(error_text_in(dispatch(store, wire_bytes("01"))) == std::string(2000, 'x'));
}

}  // namespace sks::test
