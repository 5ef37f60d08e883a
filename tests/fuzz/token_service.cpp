#include <p11-kit/pkcs11.h>

#include "key-user-api/token/service.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/engine/engine.h"
#include "tests/fuzz/checks.h"
#include "tests/fuzz/device.h"

/// Requests to the token service: the input is one request body after the other, each behind its length (2 bytes).
/// Whatever they hold, each is answered in the form of spec/sksd.md 3, and nothing but the PIN logs in.
namespace {

using namespace sks;

constexpr std::size_t kMaxRequests = 64;
constexpr std::uint8_t kLastStatus = 0x0D;
constexpr std::uint8_t kRefused = 0x80;

/// The keys that an application finds. Made once: what a request does to them is kept in memory for the next input.
class Store {
 public:
  Store() {
    auto opened = Engine::open({storage_, identity_, system_key_source(), system_random(), clock_});
    fuzz::require(static_cast<bool>(opened), "a store opens");
    engine_ = std::move(opened).value();
    provision("");
    provision("1234");
    auto service = token::Service::open(
        {*engine_, [this](KeyHandle key) { return engine_->pin_group(key); }, clock_, system_random(), dialog_});
    fuzz::require(static_cast<bool>(service), "a service opens");
    service_ = std::move(service).value();
  }

  token::Service& service() { return *service_; }

 private:
  class NobodyThere final : public token::TrustedDialog {
   public:
    std::optional<SecureBytes> ask(const Question&) override { return std::nullopt; }
  };

  void provision(std::string_view pin) {
    test::TestIssuer issuer(*engine_);
    fuzz::require(static_cast<bool>(issuer.open()), "a session opens");
    KeyEntryRequest key;
    key.id = "Key";
    key.key_entry_algorithm = "https://webpki.github.io/sks/algorithm#key.1";
    key.key_algorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
    key.app_usage = 3;
    if (!pin.empty()) {
      PinPolicyRequest policy;
      policy.id = "PIN";
      policy.user_defined = true;
      policy.retry_limit = 3;
      policy.min_length = 4;
      policy.max_length = 8;
      policy.grouping = 1;
      key.pin_policy = issuer.create_pin_policy(policy).value();
      key.pin_value = SecureBytes::copy_of(as_bytes(pin));
    }
    fuzz::require(static_cast<bool>(issuer.create_certified_key(std::move(key))), "a key is made");
    fuzz::require(static_cast<bool>(issuer.close()), "a session closes");
  }

  test::InMemoryStorage storage_;
  test::TestIdentity identity_;
  test::FakeClock clock_{1700000000};
  NobodyThere dialog_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<token::Service> service_;
};

void check_answer(ByteView answer) {
  ByteReader in(answer);
  const std::uint8_t status = in.u8();
  fuzz::require(status <= kLastStatus || status == kRefused, "an answer has a status");
  if (status == 0) return;
  if (status == kRefused) fuzz::require(in.u64() != CKR_OK, "a refusal has a code");
  fuzz::require(in.text().size() <= 2000, "an error text is short");
  fuzz::require(static_cast<bool>(in.finish()), "a refusal is nothing more");
}

/// Key generation takes the time of a thousand other requests, and a store that fills up that of the next inputs.
bool is_slow(ByteView request) { return !request.empty() && request[0] >= 173 && request[0] <= 176; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::make_checks_fatal();
  static auto& store = *new Store;
  const auto application = store.service().new_application();
  ByteReader in({data, size});
  int slow = 0;
  for (std::size_t i = 0; i < kMaxRequests && !in.at_end() && !in.failed(); ++i) {
    const ByteView request = in.array();
    if (in.failed() || (is_slow(request) && ++slow > 2)) break;
    token::UseRecord record;
    const SecureBytes answer = store.service().answer(application.get(), {}, request, record);
    fuzz::require(!answer.empty(), "every request is answered");
    check_answer(answer.view());
  }
  return 0;
}
