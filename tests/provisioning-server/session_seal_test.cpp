#include "provisioning-server/session_seal.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace sks;
using issuer::SessionSeal;

namespace {

SecureBytes kek(std::uint8_t first) {
  SecureBytes key(issuer::kKekSize);
  key.data()[0] = first;
  return key;
}

}  // namespace

TEST_CASE("SessionSeal: opens only under the same key, session, purpose and version") {
  const SessionSeal seal(kek(1), system_random());
  const Bytes sealed = seal.seal("session", "state", 7, as_bytes("content"));
  const auto opened = seal.open("session", "state", 7, sealed);
  REQUIRE(opened);
  CHECK(sks::to_string(opened->view()) == "content");

  CHECK_FALSE(seal.open("session2", "state", 7, sealed));
  CHECK_FALSE(seal.open("session", "puk", 7, sealed));
  CHECK_FALSE(seal.open("session", "state", 8, sealed));
  CHECK_FALSE(SessionSeal(kek(2), system_random()).open("session", "state", 7, sealed));
}

TEST_CASE("SessionSeal: refuses every altered or shortened record") {
  const SessionSeal seal(kek(1), system_random());
  const Bytes sealed = seal.seal("session", "state", 1, as_bytes("content"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    CAPTURE(i);
    Bytes altered = sealed;
    altered[i] ^= 1;
    CHECK_FALSE(seal.open("session", "state", 1, altered));
    CHECK_FALSE(seal.open("session", "state", 1, ByteView(sealed).first(i)));
  }
}

TEST_CASE("SessionSeal: shows nothing of the content and never the same bytes twice") {
  const SessionSeal seal(kek(1), system_random());
  const Bytes content(64, 0x5a);
  const Bytes first = seal.seal("session", "state", 1, content);
  CHECK(first != seal.seal("session", "state", 1, content));
  const Bytes part(8, 0x5a);
  CHECK(std::search(first.begin(), first.end(), part.begin(), part.end()) == first.end());
}
