#include "sks-core/capi/ports.h"

#include <new>

#include "sks-core/capi/boundary.h"

namespace sks::capi {
namespace {

// The device certificate is a byte[] of what sessions attest, and the answer of getDeviceInfo holds the path.
constexpr std::size_t kMaxCertificate = 65'535;
constexpr std::size_t kMaxPath = 786'432;

/// What a visiting callback hands records to. Keeps every exception from the C code in between.
class Visitor {
 public:
  using Take = std::function<Result<void>(std::uint32_t handle, ByteView value)>;
  explicit Visitor(const Take& take) : take_(take) {}

  static int visit(void* visitor, std::uint32_t handle, const std::uint8_t* value, std::size_t size) {
    return static_cast<Visitor*>(visitor)->take(handle, value, size) ? kGoOn : kStop;
  }

  /// What the visits came to. `code`: what the callback returned.
  Result<void> finish(std::string_view callback, int code) && {
    if (!done_) return std::move(done_).error();
    if (code != kGoOn) return callback_failed(callback, code);
    return {};
  }

 private:
  static constexpr int kGoOn = 0;
  static constexpr int kStop = -1;

  bool take(std::uint32_t handle, const std::uint8_t* value, std::size_t size) noexcept {
    if (!done_) return false;
    try {
      done_ = try_to_take(handle, value, size);
    } catch (...) {
      done_ = Error{Status::internal, "Out of memory"};  // short enough to need none
    }
    return static_cast<bool>(done_);
  }

  Result<void> try_to_take(std::uint32_t handle, const std::uint8_t* value, std::size_t size) {
    if (value == nullptr && size != 0) return Error{Status::storage, "the storage visits a record without data"};
    if (last_ && handle <= *last_) return Error{Status::storage, "the storage does not visit in ascending order"};
    last_ = handle;
    return take_(handle, ByteView(value, size));
  }

  const Take& take_;
  std::optional<std::uint32_t> last_;
  Result<void> done_;
};

sks_record_id to_c(RecordId id) { return {id.handle, static_cast<std::uint8_t>(id.kind)}; }

Result<void> check(std::string_view callback, int code) {
  if (code != 0) return callback_failed(callback, code);
  return {};
}

}  // namespace

Error callback_failed(std::string_view name, int code) {
  return {Status::storage, "the storage's " + std::string(name) + " failed with code " + std::to_string(code)};
}

class CallbackStorage::CallbackTransaction final : public Storage::Transaction {
 public:
  explicit CallbackTransaction(CallbackStorage& storage) : storage_(storage), calls_(storage.callbacks_) {}
  CallbackTransaction(const CallbackTransaction&) = delete;
  CallbackTransaction& operator=(const CallbackTransaction&) = delete;
  ~CallbackTransaction() override {
    if (!ended_) calls_.rollback(calls_.context);
    storage_.in_transaction_ = false;
  }

  Result<std::optional<SecureBytes>> get(RecordId id) override {
    std::optional<SecureBytes> found;
    const Visitor::Take keep = [&](std::uint32_t handle, ByteView value) -> Result<void> {
      if (handle != id.handle) return Error{Status::storage, "the storage visits another record"};
      found = SecureBytes::copy_of(value);
      return {};
    };
    Visitor visitor(keep);
    const int code = calls_.get(calls_.context, to_c(id), Visitor::visit, &visitor);
    SKS_TRY(std::move(visitor).finish("get", code));
    return found;
  }

  Result<void> put(RecordId id, ByteView value) override {
    static constexpr std::uint8_t kNothing = 0;
    const std::uint8_t* const data = value.empty() ? &kNothing : value.data();
    return check("put", calls_.put(calls_.context, to_c(id), data, value.size()));
  }

  Result<void> erase(RecordId id) override { return check("erase", calls_.erase(calls_.context, to_c(id))); }

  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    Visitor visitor(visit);
    const int code = calls_.scan(calls_.context, static_cast<std::uint8_t>(kind), Visitor::visit, &visitor);
    return std::move(visitor).finish("scan", code);
  }

  Result<void> commit() override {
    ended_ = true;
    return check("commit", calls_.commit(calls_.context));
  }

 private:
  CallbackStorage& storage_;
  const sks_storage& calls_;
  bool ended_ = false;
};

Result<std::unique_ptr<Storage>> CallbackStorage::make(const sks_storage& callbacks) {
  const bool complete = callbacks.begin != nullptr && callbacks.get != nullptr && callbacks.put != nullptr &&
                        callbacks.erase != nullptr && callbacks.scan != nullptr && callbacks.commit != nullptr &&
                        callbacks.rollback != nullptr;
  if (!complete) return Error{Status::option, "options->storage lacks a function"};
  return std::unique_ptr<Storage>(new CallbackStorage(callbacks));
}

Result<std::unique_ptr<Storage::Transaction>> CallbackStorage::begin() {
  SKS_CHECK(!in_transaction_);  // the engine promises it to storages
  SKS_TRY(check("begin", callbacks_.begin(callbacks_.context)));
  in_transaction_ = true;
  try {
    return std::unique_ptr<Transaction>(std::make_unique<CallbackTransaction>(*this));
  } catch (...) {
    callbacks_.rollback(callbacks_.context);
    in_transaction_ = false;
    throw;
  }
}

bool CallbackStorage::make_room() {
  return callbacks_.make_room != nullptr && callbacks_.make_room(callbacks_.context) == 1;
}

Result<std::unique_ptr<DeviceIdentity>> CallerIdentity::make(const sks_identity& identity) {
  if (identity.certificate_path == nullptr || identity.certificate_count == 0)
    return Error{Status::option, "the identity has no certificate"};
  SKS_LET(const ByteView pkcs8, read_bytes(identity.private_key, "private_key"));
  if (pkcs8.empty() == (identity.sign == nullptr))
    return Error{Status::option, "the identity needs either private_key or sign"};

  std::vector<Bytes> path;
  std::size_t size = 0;
  for (std::size_t i = 0; i < identity.certificate_count; ++i) {
    SKS_LET(const ByteView certificate, read_bytes(identity.certificate_path[i], "a certificate of the identity"));
    size += sizeof(std::uint16_t) + certificate.size();
    if (certificate.size() > kMaxCertificate || size > kMaxPath)
      return Error{Status::option, "the certificates of the identity are too long"};
    path.push_back(to_bytes(certificate));
  }
  SKS_LET(const std::vector<crypto::Certificate> certificates, crypto::parse_path(path));
  SKS_LET(crypto::PublicKey certified, certificates.front().public_key());
  if (certified.kind() != KeyKind::rsa && certified.kind() != KeyKind::ec)
    return Error{Status::option, "an attestation key is an RSA or EC key"};

  std::optional<crypto::PrivateKey> key;
  if (!pkcs8.empty()) {
    SKS_LET(key, crypto::PrivateKey::from_pkcs8(pkcs8));
    if (!equal(key->public_key().spki(), certified.spki()))
      return Error{Status::option, "the private key is not that of the device certificate"};
  }
  sks_identity kept = identity;
  kept.certificate_path = nullptr;
  kept.private_key = {};
  return std::unique_ptr<DeviceIdentity>(
      new CallerIdentity(kept, std::move(path), std::move(certified), std::move(key)));
}

Result<Bytes> CallerIdentity::sign(ByteView data) const {
  if (key_) return key_->sign(data);
  SKS_LET(Bytes signature, call_sign(data));
  // An issuer would refuse the session with no word about the reason.
  if (!crypto::verify_signature(certified_, data, signature))
    return Error{Status::crypto, "the identity's sign made a signature that does not verify"};
  return signature;
}

Result<Bytes> CallerIdentity::call_sign(ByteView data) const {
  const bool is_rsa = certified_.kind() == KeyKind::rsa;
  std::size_t size =
      is_rsa ? certified_.rsa_modulus_bytes() : std::size_t{2} * curve_info(certified_.curve()).field_bytes;
  Bytes signature(size);
  const int code = callbacks_.sign(callbacks_.context, data.data(), data.size(), signature.data(), &size);
  if (code != 0) return Error{Status::crypto, "the identity's sign failed with code " + std::to_string(code)};
  if (size != signature.size()) return Error{Status::crypto, "the identity's sign made a signature of a wrong size"};
  return signature;
}

void CallbackRandom::fill(std::span<std::uint8_t> out) const {
  if (callbacks_.random == nullptr) return system_random().fill(out);
  SKS_CHECK(callbacks_.random(callbacks_.context, out.data(), out.size()) == 0);
}

std::int64_t CallbackClock::now() const {
  return callbacks_.now == nullptr ? system_clock().now() : callbacks_.now(callbacks_.context);
}

void CallbackClock::sleep_seconds(unsigned seconds) const {
  if (callbacks_.sleep == nullptr) return system_clock().sleep_seconds(seconds);
  callbacks_.sleep(callbacks_.context, seconds);
}

}  // namespace sks::capi
