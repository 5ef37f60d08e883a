#include <algorithm>

#include "key-user-api/token/operations/operation.h"
#include "key-user-api/token/operations/verification.h"

/// RSA encryption with public keys, and decryption with private ones.
namespace sks::token {
namespace {

/// Everything is done at the end.
class RsaOperation : public Operation {
 public:
  explicit RsaOperation(Start&& start)
      : mechanism_(start.mechanism), parameter_(std::move(start.parameter)), key_(std::move(*start.key)) {}

  Outcome<SecureBytes> update(Call&, ByteView part) override {
    SKS_TRY(check_room(collected_.size(), part.size(), key_.function()));
    collected_.add(part);
    return SecureBytes();
  }
  Outcome<SecureBytes> finish(Call& call, ByteView last) override {
    if (collected_.empty()) return run(call, last);
    SKS_TRY(update(call, last));
    return run(call, collected_.view());
  }
  std::size_t held() const override { return parameter_.size() + collected_.size(); }

 protected:
  virtual Outcome<SecureBytes> run(Call& call, ByteView data) = 0;
  Refusal wrong_length() const { return {key_.function().wrong_length, "data of a length that does not fit the key"}; }

  const Mechanism& mechanism_;
  Parameter parameter_;
  KeyUse key_;

 private:
  Collected collected_;
};

class RsaEncryption final : public RsaOperation {
 public:
  using RsaOperation::RsaOperation;
  Outcome<SecureBytes> run(Call&, ByteView data) override {
    const std::size_t overhead = mechanism_.scheme == Scheme::rsa_oaep ? 2 * parameter_.hash->size + 2 : kPkcs1Overhead;
    if (data.size() + overhead > modulus_size(key_.public_key())) return wrong_length();
    SKS_LET(const Bytes encrypted,
            outcome_of(encrypt_rsa(mechanism_, parameter_, key_.public_key(), data), key_.function()));
    return SecureBytes::copy_of(encrypted);
  }
};

class RsaDecryption final : public RsaOperation {
 public:
  RsaDecryption(Start&& start, std::string_view algorithm) : RsaOperation(std::move(start)), algorithm_(algorithm) {}
  Outcome<SecureBytes> run(Call& call, ByteView data) override {
    if (data.size() != modulus_size(key_.public_key())) return wrong_length();
    // The algorithms with a hash of their own take no parameters.
    const bool takes_parameters = find_algorithm(algorithm_)->parameters == Parameters::oaep;
    return key_.decrypt(call, algorithm_, takes_parameters ? ByteView(parameter_.sks) : ByteView(), data);
  }

 private:
  std::string_view algorithm_;
};

/// Whether the algorithm of the key store does what the parameter asks for.
bool suits(const SksAlgorithm& algorithm, const Parameter& parameter) {
  if (algorithm.hash == HashId::none) return true;
  return parameter.hash->id == algorithm.hash && parameter.mgf->id == algorithm.hash && oaep_label(parameter).empty();
}

}  // namespace

Outcome<std::unique_ptr<Operation>> start_public_encryption(Start&& start) {
  return std::unique_ptr<Operation>(std::make_unique<RsaEncryption>(std::move(start)));
}

Outcome<std::unique_ptr<Operation>> start_private_decryption(Start&& start) {
  const KeyUse& key = *start.key;
  const auto algorithms =
      start.mechanism.scheme == Scheme::rsa_oaep ? start.mechanism.algorithms : start.mechanism.decryption_algorithms;
  const auto found = std::ranges::find_if(
      algorithms, [&](const SksAlgorithm& each) { return key.permits(each.uri) && suits(each, start.parameter); });
  if (found == algorithms.end()) return Refusal{key.function().not_permitted, "the key is not for this algorithm"};
  const std::string_view uri = found->uri;
  return std::unique_ptr<Operation>(std::make_unique<RsaDecryption>(std::move(start), uri));
}

}  // namespace sks::token
