#include "tests/fuzz/device.h"

#include <array>

#include "sks-core/wire/client.h"
#include "sks-core/wire/dispatcher.h"
#include "sks-core/wire/frame.h"
#include "sks-core/wire/methods.h"
#include "tests/fuzz/checks.h"

namespace sks::fuzz {
namespace {

constexpr std::size_t kMaxErrorText = 2000;  // sks-byte-stream.md
constexpr std::uint8_t kLastStatus = 0x0D;   // sks-api.md, chapter 9
constexpr std::uint8_t kOption = 0x09;

template <class Row>
void check_result(ByteReader& in) {
  if constexpr (!std::is_void_v<typename wire::Signature<Row>::Value>) wire::Signature<Row>::ResultCodec::read(in);
}

struct Reader {
  std::uint8_t id;
  void (*read)(ByteReader&);
};

constexpr auto kReaders = std::apply(
    [](auto... methods) {
      return std::array{Reader{methods.id, check_result<decltype(methods)>}...};
    },
    wire::kMethods);

void check_answer(ByteView request, ByteView answer) {
  require(wire::is_body_size(answer.size()), "an answer fits into a frame");
  ByteReader in(answer);
  const std::uint8_t status = in.u8();
  require(status <= kLastStatus, "an answer has a status of chapter 9");
  const auto* const reader = std::ranges::find(kReaders, request.empty() ? 0 : request.front(), &Reader::id);
  if (status != 0) {
    require(in.text().size() <= kMaxErrorText, "an error text is short");
  } else {
    require(reader != kReaders.end(), "only a method succeeds");
    reader->read(in);
  }
  require(static_cast<bool>(in.finish()), "an answer is what its method returns, and nothing more");
  require(reader != kReaders.end() || status == kOption, "an unknown method is refused with option");
}

class FixedDevicePin final : public DevicePinVerifier {
 public:
  bool verify(ByteView pin) override { return equal(pin, as_bytes("1234")); }
};

}  // namespace

/// Holds the engine to what storages are promised.
class Device::OneAtATime final : public Storage {
 public:
  explicit OneAtATime(Storage& inner) : inner_(inner) {}
  Result<std::unique_ptr<Transaction>> begin() override {
    require(!is_open_, "there is one transaction at a time");
    SKS_LET(std::unique_ptr<Transaction> transaction, inner_.begin());
    is_open_ = true;
    return std::unique_ptr<Transaction>(std::make_unique<Watched>(*this, std::move(transaction)));
  }

 private:
  class Watched final : public Transaction {
   public:
    Watched(OneAtATime& storage, std::unique_ptr<Transaction> inner) : storage_(storage), inner_(std::move(inner)) {}
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    ~Watched() override { storage_.is_open_ = false; }
    Result<std::optional<SecureBytes>> get(RecordId id) override { return use().get(id); }
    Result<void> put(RecordId id, ByteView value) override { return use().put(id, value); }
    Result<void> erase(RecordId id) override { return use().erase(id); }
    Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
      return use().scan(kind, visit);
    }
    Result<void> commit() override {
      Result<void> done = use().commit();
      is_over_ = true;
      return done;
    }

   private:
    Transaction& use() {
      require(!is_over_, "nothing comes after commit");
      return *inner_;
    }
    OneAtATime& storage_;
    std::unique_ptr<Transaction> inner_;
    bool is_over_ = false;
  };

  Storage& inner_;
  bool is_open_ = false;
};

class Device::RepeatableRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) const override {
    for (std::uint8_t& byte : out) {
      state_ = state_ * 6364136223846793005U + 1442695040888963407U;
      byte = static_cast<std::uint8_t>(state_ >> 56);
    }
  }

 private:
  mutable std::uint64_t state_ = 1;
};

crypto::PrivateKey any_key_of(const Algorithm& algorithm, unsigned number) {
  if (algorithm.kind != KeyKind::rsa) return crypto::PrivateKey::generate(algorithm).value();
  // What RSA keys differ in does not matter here; what they cost to make does.
  constexpr unsigned kPoolSize = 3;
  static auto& pool = *new std::array<SecureBytes, kPoolSize>;
  SecureBytes& pkcs8 = pool[number % kPoolSize];
  if (pkcs8.empty()) pkcs8 = test::generate_key("https://webpki.github.io/sks/algorithm#rsa2048").to_pkcs8().value();
  return crypto::PrivateKey::from_pkcs8(pkcs8.view()).value();
}

class Device::FewKeys final : public KeySource {
 public:
  Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView) const override {
    if (algorithm.takes_parameters && (parameters.size() > 8 || (parameters.back() & 1) == 0))
      return Error{Status::crypto, "no such exponent"};
    return any_key_of(algorithm, number_++);
  }

 private:
  mutable unsigned number_ = 0;
};

class Device::CheckedChannel final : public wire::Channel {
 public:
  explicit CheckedChannel(Device& device) : device_(device) {}
  Result<SecureBytes> transact(ByteView request) override { return device_.transact(request); }

 private:
  Device& device_;
};

Device::Device()
    : storage_(std::make_unique<OneAtATime>(memory_)),
      random_(std::make_unique<RepeatableRandom>()),
      device_pin_(std::make_unique<FixedDevicePin>()) {
  api_ = std::make_unique<wire::RemoteKeyStore>(std::make_unique<CheckedChannel>(*this));
  open();
}

Device::~Device() = default;

const test::TestIdentity& Device::identity() const {
  static const auto& identity = *new test::TestIdentity;
  return identity;
}

void Device::open() {
  static const auto& keys = *new FewKeys;
  EngineConfig config;
  config.biometric_support = true;
  config.device_pin = device_pin_.get();
  Result<std::unique_ptr<Engine>> opened =
      Engine::open({*storage_, identity(), keys, *random_, clock_}, std::move(config));
  require(static_cast<bool>(opened), "a store can be opened again");
  engine_ = std::move(opened).value();
}

void Device::restart() {
  tampering_ = Tampering::none;
  const Bytes before = everything();
  engine_.reset();
  memory_.fail_after(0);
  open();
  const Bytes after = everything();
  if (!has_failed_) require(before == after, "a store says the same after it has been opened again");
}

SecureBytes Device::transact(ByteView request) {
  const Bytes sent = tampered(request);
  if (tampering_ == Tampering::repeat) check_answer(sent, wire::dispatch(*engine_, sent).view());
  tampering_ = Tampering::none;
  SecureBytes answer = wire::dispatch(*engine_, sent);
  check_answer(sent, answer.view());
  return answer;
}

void Device::tamper(Tampering how, std::uint16_t where, std::uint8_t value) {
  tampering_ = how;
  where_ = where;
  value_ = value;
}

Bytes Device::tampered(ByteView request) {
  Bytes sent = to_bytes(request);
  const std::size_t at = sent.size() == 1 ? 0 : 1 + where_ % (sent.size() - 1);  // the method stays
  switch (tampering_) {
    case Tampering::none:
    case Tampering::repeat:
    case Tampering::count:
      break;
    case Tampering::flip_bit:
      sent[at] ^= static_cast<std::uint8_t>(1U << (value_ % 8));
      break;
    case Tampering::set_byte:
      sent[at] = value_;
      break;
    case Tampering::cut:
      sent.resize(at);
      break;
    case Tampering::append:
      sent.push_back(value_);
      break;
    case Tampering::set_handle:
      if (sent.size() >= 5) sent[4] = value_;
      break;
  }
  return sent;
}

void Device::fail_storage_after(unsigned n) {
  memory_.fail_after(static_cast<int>(n));
  has_failed_ = true;
}

/// The answers to all questions about what there is.
Bytes Device::everything() {
  Bytes all;
  const auto ask = [&](std::uint8_t method, std::uint32_t handle, std::span<const std::uint8_t> more = {}) {
    Bytes request{method, static_cast<std::uint8_t>(handle >> 24), static_cast<std::uint8_t>(handle >> 16),
                  static_cast<std::uint8_t>(handle >> 8), static_cast<std::uint8_t>(handle)};
    request.insert(request.end(), more.begin(), more.end());
    const SecureBytes answer = transact(request);
    all.insert(all.end(), answer.data(), answer.data() + answer.size());
    ByteReader in(answer.view());
    return in.u8() == 0 ? in.u32() : 0;
  };
  for (const std::uint8_t state : Bytes{0, 1})
    for (std::uint32_t session = 0; (session = ask(4, session, std::array{state})) != 0;) continue;
  for (std::uint32_t key = 0; (key = ask(70, key)) != 0;) {
    ask(71, key);
    ask(72, key);
  }
  return all;
}

}  // namespace sks::fuzz
