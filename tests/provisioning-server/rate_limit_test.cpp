#include "provisioning-server/operations/rate_limit.h"

#include <doctest/doctest.h>

#include <array>

using namespace sks::issuer;

TEST_CASE("RateLimit: a burst, then the rate, for each key on its own") {
  RateLimit limit(2, 3, 10);
  for (int i = 0; i < 3; ++i) CHECK(limit.take("a", 100));
  CHECK_FALSE(limit.take("a", 100));
  CHECK(limit.take("b", 100));
  CHECK_FALSE(limit.take("a", 100.4));
  CHECK(limit.take("a", 100.5));
  CHECK_FALSE(limit.take("a", 100.5));
  // A pause refills the bucket to the burst and no further.
  for (int i = 0; i < 3; ++i) CHECK(limit.take("a", 1000));
  CHECK_FALSE(limit.take("a", 1000));
  // A clock that goes back gives nothing.
  CHECK_FALSE(limit.take("a", 10));
  CHECK_FALSE(limit.take("a", 1000.4));
}

TEST_CASE("RateLimit: has() tells what take() would do, and takes nothing") {
  RateLimit limit(2, 1, 10);
  CHECK(limit.has("a", 100));
  CHECK(limit.size() == 0);
  CHECK(limit.take("a", 100));
  CHECK_FALSE(limit.has("a", 100));
  CHECK_FALSE(limit.has("a", 100.4));
  CHECK(limit.has("a", 100.5));
  CHECK(limit.has("a", 100.5));
  CHECK(limit.take("a", 100.5));
  CHECK(RateLimit(0, 0, 3).has("a", 0));
}

TEST_CASE("RateLimit: the memory is bounded, and the key that was used last is kept") {
  RateLimit limit(0.001, 1, 3);
  CHECK(limit.take("a", 0));
  CHECK(limit.take("b", 0));
  CHECK(limit.take("c", 0));
  CHECK_FALSE(limit.take("a", 0));
  CHECK(limit.take("d", 0));  // b goes
  CHECK(limit.size() == 3);
  CHECK_FALSE(limit.take("a", 0));
  CHECK_FALSE(limit.take("c", 0));
  CHECK(limit.take("b", 0));
  CHECK(limit.size() == 3);
}

TEST_CASE("RateLimit: a rate of 0 is no limit and remembers nobody") {
  RateLimit limit(0, 0, 3);
  for (int i = 0; i < 100; ++i) CHECK(limit.take("a", 0));
  CHECK(limit.size() == 0);
}

TEST_CASE("rate_key: one key for what one client has") {
  struct Case {
    const char* address;
    const char* key;
  };
  const std::array<Case, 6> cases{{
      {"192.0.2.1", "192.0.2.1"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
      {"2001:db8:1:2::", "2001:db8:1:2::/64"},
      {"fe80::1%eth0", "fe80::/64"},
      {"::1", "::/64"},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.address);
    CHECK(rate_key(c.address) == c.key);
  }
}
