#include "tests/fuzz/checks.h"
#include "tests/fuzz/device.h"
#include "tests/key-user-api/token_operations/harness.h"

namespace sks::fuzz {
namespace {

using token::test::Bench;

/// Objects 1 to 9: a P-256 key, an RSA key, an AES key and an Ed25519 key of the key store, the public halves of the
/// first two behind each, and three session keys.
Bench& bench() {
  static Bench& made = *[] {
    auto* const all = new Bench;
    const auto ec = all->stored("ec.nist.p256");
    all->public_of(ec);
    const auto rsa = all->stored("rsa1024");
    all->public_of(rsa);
    all->stored_secret(Bytes(16, 1));
    all->stored("ed25519");
    all->session_secret(Bytes(32, 2));
    all->session_secret(Bytes(20, 3), CKK_GENERIC_SECRET);
    all->session_private(test::generate_key("https://webpki.github.io/sks/algorithm#x25519").to_pkcs8()->view());
    return all;
  }();
  return made;
}

}  // namespace
}  // namespace sks::fuzz

/// Requests of spec/sksd.md 7 by one application: method - 180, length (2 bytes), body, as often as there are bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  constexpr std::uint8_t kFirst = 180;
  constexpr std::size_t kMethods = 11;
  constexpr std::size_t kMostRequests = 20;
  fuzz::make_checks_fatal();
  token::test::Bench& bench = fuzz::bench();
  bench.application = std::make_shared<token::Application>();
  bench.keys.made.clear();
  fuzz::Input in({data, size});
  for (std::size_t i = 0; i < kMostRequests && !in.at_end(); ++i) {
    const auto method = static_cast<std::uint8_t>(kFirst + in.below(kMethods));
    const token::test::Answer answer = bench.send(method, in.take(in.u16()));
    fuzz::require(answer.code != CKR_GENERAL_ERROR && answer.code != CKR_DEVICE_ERROR, "an operation is in a fault");
    fuzz::require(answer.decodable || answer.code == CKR_ARGUMENTS_BAD, "what cannot be decoded is refused");
  }
  return 0;
}
