#include <thread>

#include "tests/sks-core/capi/c_store.h"

using namespace sks;
using namespace sks::test;

namespace {

sks_status sign_once(sks_store* store, KeyHandle key, std::string_view pin, sks_error* error) {
  const sks_operation signing = operation(key, kEcdsaSha256, pin);
  sks_buffer out{};
  const sks_status status = sks_sign_data(store, &signing, nullptr, 0, &out, error);
  sks_buffer_free(&out);
  return status;
}

}  // namespace

TEST_CASE("sks.h: threads use one store at once, each with an error of its own") {
  CDevice device;
  device.open();
  const KeyHandle plain = provision_plain_key(*device.api);
  const KeyHandle with_pin = provision_pin_key(*device.api).key;
  std::atomic<unsigned> surprises = 0;
  const auto use = [&](KeyHandle key, std::string_view pin, sks_status expected) {
    for (unsigned i = 0; i < 50; ++i) {
      sks_error error;
      if (sign_once(device.store, key, pin, &error) != expected || error.status != expected) ++surprises;
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.emplace_back(use, plain, "", SKS_OK);
    threads.emplace_back(use, plain, "", SKS_OK);
    threads.emplace_back(use, with_pin, "1234", SKS_OK);
    threads.emplace_back(use, KeyHandle{999}, "", SKS_ERROR_NO_KEY);
  }
  CHECK(surprises == 0);
}

TEST_CASE("sks.h: closing waits for the calls that run; later ones are refused and reach no callback") {
  for (unsigned round = 0; round < 5; ++round) {
    CDevice device;
    device.open();
    const KeyHandle key = provision_pin_key(*device.api).key;
    std::atomic<unsigned> successes = 0;
    std::atomic<unsigned> surprises = 0;
    std::atomic<bool> closed = false;
    device.storage.during_begin = [&] {
      if (closed) ++surprises;
    };
    const auto sign_until_closed = [&] {
      for (;;) {
        const bool was_closed = closed;
        const sks_status status = sign_once(device.store, key, "1234", nullptr);
        if (status == SKS_ERROR_OPTION) return;
        if (status != SKS_OK || was_closed) ++surprises;
        ++successes;
      }
    };
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < 3; ++i) threads.emplace_back(sign_until_closed);
      while (successes < 10) std::this_thread::yield();
      CHECK(sks_close(device.store, nullptr) == SKS_OK);
      closed = true;
    }
    CHECK(surprises == 0);
    device.storage.during_begin = nullptr;
  }
}
