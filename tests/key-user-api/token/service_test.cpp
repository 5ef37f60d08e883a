#include <doctest/doctest.h>

#include "tests/key-user-api/token/lab.h"

/// Requests and their refusals. Spec: spec/sksd.md 2 to 4.
namespace sks::test {
namespace {

constexpr std::uint8_t kNotAllowed = 0x02;
constexpr std::uint8_t kOption = 0x09;

Bytes with_attributes(std::uint16_t claimed, const Attributes& attributes) {
  ByteWriter out = request(170);
  out.u32(0).u16(claimed).raw(attributes.encoded.view()).u64(0).u16(1);
  return out.take();
}

}  // namespace

TEST_CASE("token service: what does not decode is refused with ERROR_OPTION, and nothing happens") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const std::vector<Bytes> requests{
      {},
      {1},
      {160},
      {168},
      {191},
      {255},
      {161, 0},                                          // bytes behind it
      {162},                                             // none
      {162, 0, 0, 0},                                    // cut off
      {163, 0, 0, 0, 0, 1, 2, 0, 0},                     // no bool
      {163, 0, 0, 0, 0, 1, 0, 0, 9, '1'},                // a PIN that is cut off
      {171, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 65},  // more types than there are
      {184, 0},
  };
  for (const Bytes& body : requests) {
    CAPTURE(body.size());
    const Answer answer = client.call(body);
    CHECK(answer.status == kOption);
    CHECK(answer.sentence.substr(0, 23) == "Request decoding failed");
    CHECK(client.record.result != CKR_OK);
  }
}

TEST_CASE("token service: templates have at most 64 attributes of at most 65,536 bytes") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  Attributes attributes;
  for (int i = 0; i < 64; ++i) attributes.number(CKA_CLASS, CKO_DATA);
  CHECK(client.call(with_attributes(64, attributes)).ok());
  attributes.number(CKA_CLASS, CKO_DATA);
  CHECK(client.call(with_attributes(65, attributes)).status == kOption);
  CHECK(client.call(with_attributes(65, Attributes())).status == kOption);

  CHECK(client.call(with_attributes(1, Attributes().bytes(CKA_ID, Bytes(65536)))).ok());
  CHECK(client.call(with_attributes(1, Attributes().bytes(CKA_ID, Bytes(65537)))).status == kOption);

  ByteWriter types = request(171);
  types.u32(0).u64(0).u16(65);
  for (int i = 0; i < 65; ++i) types.u64(CKA_CLASS);
  CHECK(client.call(types.view()).status == kOption);
}

TEST_CASE("token service: without an application only generateRandom is served") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  for (const Bytes& body : std::vector<Bytes>{{161}, {162, 0, 0, 0, 0}, {165, 0, 0, 0, 0}, {184}}) {
    const Answer answer = client.call_without_application(body);
    CHECK(answer.status == kNotAllowed);
  }
  const Answer random = client.call_without_application(request(190).u32(3).view());
  CHECK(random.body == Bytes{0, 0, 0, 3, 7, 7, 7});
}

TEST_CASE("token service: refusals of operations come with their CK_RV and at most 2,000 bytes of text") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const Answer answer = client.call(request(184).view());
  CHECK(answer.status == 0x80);
  CHECK(answer.rv == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(answer.sentence == std::string(2000, 'x'));
  CHECK(client.record.method == "finish");
  CHECK(client.record.result == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(client.record.is_use);
}

TEST_CASE("token service: an answer that does not fit into a frame is refused") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const Answer answer = client.call(request(190).u32(1 << 20).view());
  CHECK(answer.rv == CKR_DEVICE_MEMORY);
}

TEST_CASE("token service: what was done is told for the log, without secrets") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}, WantedPin{Lab::kPin}).front();
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(key);
  Client client(*lab.service);
  client.find(slot);
  CHECK(client.record.method == "findObjects");
  CHECK(!client.record.is_use);
  CHECK(client.record.subject == slot);
  CHECK(client.login(slot, "4321") == CKR_PIN_INCORRECT);
  CHECK(client.record.method == "login");
  CHECK(client.record.is_use);
  CHECK(client.record.subject == slot);
  CHECK(client.record.result == CKR_PIN_INCORRECT);
  CHECK(client.call(request(171).u32(slot).u64(object_of(key, 1)).u16(0).view()).rv == CKR_OBJECT_HANDLE_INVALID);
  CHECK(client.record.is_use);  // a refusal
  CHECK(client.record.subject == object_of(key, 1));
}

TEST_CASE("token service: a store that does not answer is not opened") {
  Lab lab;
  token::Ports ports{*lab.device.real_engine,
                     [](KeyHandle) -> Result<std::optional<PinGroupHandle>> {
                       return Error{Status::storage, "broken"};
                     },
                     lab.device.clock, system_random(), lab.dialog};
  lab.provision({{"ec"}});
  const auto opened = token::Service::open(std::move(ports));
  REQUIRE(!opened);
  CHECK(opened.error().status == Status::storage);
}

}  // namespace sks::test
