#include "key-user-api/key_files/bcrypt_pbkdf.h"

#include <algorithm>
#include <array>
#include <vector>

#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/ossl.h"

namespace sks::key_files {
namespace {

constexpr std::size_t kSubkeys = 18;
constexpr std::size_t kBoxes = 4;
constexpr std::size_t kBoxSize = 256;
constexpr std::size_t kWords = kSubkeys + kBoxes * kBoxSize;
constexpr std::size_t kHashSize = 32;

using Words = std::array<std::uint32_t, kWords>;
using Hash = std::array<std::uint8_t, kHashSize>;

/// 2^bits times the arc tangent of 1 / x.
ossl::BigNum arctangent_of_inverse(BN_ULONG x, int bits) {
  ossl::BigNum sum(BN_new());
  ossl::BigNum power(BN_new());
  SKS_CHECK(sum != nullptr && power != nullptr && BN_set_bit(power.get(), bits) == 1);
  BN_div_word(power.get(), x);
  for (BN_ULONG odd = 1; BN_is_zero(power.get()) == 0; odd += 2) {
    ossl::BigNum term(BN_dup(power.get()));
    SKS_CHECK(term != nullptr);
    BN_div_word(term.get(), odd);
    SKS_CHECK((odd % 4 == 1 ? BN_add : BN_sub)(sum.get(), sum.get(), term.get()) == 1);
    BN_div_word(power.get(), x * x);
  }
  return sum;
}

/// What Blowfish starts from: the fraction of pi, by the formula of Machin.
Words fraction_of_pi() {
  constexpr int kGuard = 64;  // more than what thousands of divisions cut off
  constexpr int kBits = static_cast<int>(32 * kWords) + kGuard;
  const ossl::BigNum pi = arctangent_of_inverse(5, kBits);
  const ossl::BigNum less = arctangent_of_inverse(239, kBits);
  SKS_CHECK(BN_mul_word(pi.get(), 16) == 1 && BN_mul_word(less.get(), 4) == 1 &&
            BN_sub(pi.get(), pi.get(), less.get()) == 1 && BN_mask_bits(pi.get(), kBits) == 1 &&
            BN_rshift(pi.get(), pi.get(), kGuard) == 1);
  Bytes bytes(4 * kWords);
  SKS_CHECK(BN_bn2binpad(pi.get(), bytes.data(), static_cast<int>(bytes.size())) > 0);
  Words words{};
  for (std::size_t i = 0; i < bytes.size(); ++i) words.at(i / 4) = words.at(i / 4) << 8 | bytes[i];
  return words;
}

/// The words of some bytes, over and over.
class Stream {
 public:
  explicit Stream(ByteView bytes) : bytes_(bytes) {}
  std::uint32_t next() {
    std::uint32_t word = 0;
    for (int i = 0; i < 4; ++i) {
      word = word << 8 | bytes_[at_];
      at_ = (at_ + 1) % bytes_.size();
    }
    return word;
  }

 private:
  ByteView bytes_;
  std::size_t at_ = 0;
};

struct Halves {
  std::uint32_t left = 0;
  std::uint32_t right = 0;
};

class Blowfish {
 public:
  Blowfish() : words_(start()) {}
  ~Blowfish() { cleanse({reinterpret_cast<std::uint8_t*>(words_.data()), sizeof words_}); }
  Blowfish(const Blowfish&) = delete;
  Blowfish& operator=(const Blowfish&) = delete;

  void expand(ByteView salt, ByteView key) {
    add_key(key);
    Stream stream(salt);
    fill([&](Halves& halves) {
      halves.left ^= stream.next();
      halves.right ^= stream.next();
    });
  }
  void expand(ByteView key) {
    add_key(key);
    fill([](Halves&) {});
  }

  void encrypt(Halves& halves) const {
    std::uint32_t left = halves.left;
    std::uint32_t right = halves.right;
    for (std::size_t i = 0; i + 2 < kSubkeys; i += 2) {
      left ^= words_[i];
      right ^= mix(left) ^ words_[i + 1];
      left ^= mix(right);
    }
    halves = {right ^ words_[kSubkeys - 1], left ^ words_[kSubkeys - 2]};
  }

 private:
  static const Words& start() {
    static const Words kStart = fraction_of_pi();
    return kStart;
  }

  std::uint32_t box(std::size_t number, std::uint32_t word) const {
    const std::uint32_t byte = word >> (24 - 8 * number) & 0xff;
    return words_[kSubkeys + number * kBoxSize + byte];
  }
  std::uint32_t mix(std::uint32_t word) const { return ((box(0, word) + box(1, word)) ^ box(2, word)) + box(3, word); }

  void add_key(ByteView key) {
    Stream stream(key);
    for (std::size_t i = 0; i < kSubkeys; ++i) words_[i] ^= stream.next();
  }
  template <class Change>
  void fill(const Change& change) {
    Halves halves;
    for (std::size_t i = 0; i < kWords; i += 2) {
      change(halves);
      encrypt(halves);
      words_[i] = halves.left;
      words_[i + 1] = halves.right;
    }
  }

  Words words_;
};

/// bcrypt of two SHA-512 values, with its own text and its words in the order of little-endian machines.
Hash bcrypt(ByteView salt, ByteView key) {
  constexpr std::string_view kText = "OxychromaticBlowfishSwatDynamite";
  constexpr int kTurns = 64;
  static_assert(kText.size() == kHashSize);
  Blowfish blowfish;
  blowfish.expand(salt, key);
  for (int i = 0; i < kTurns; ++i) {
    blowfish.expand(salt);
    blowfish.expand(key);
  }
  Stream text(as_bytes(kText));
  Hash hash{};
  for (std::size_t i = 0; i < kHashSize; i += 8) {
    Halves halves;
    halves.left = text.next();
    halves.right = text.next();
    for (int turn = 0; turn < kTurns; ++turn) blowfish.encrypt(halves);
    for (std::size_t byte = 0; byte < 4; ++byte) {
      hash.at(i + byte) = static_cast<std::uint8_t>(halves.left >> 8 * byte);
      hash.at(i + 4 + byte) = static_cast<std::uint8_t>(halves.right >> 8 * byte);
    }
  }
  return hash;
}

Bytes sha512(ByteView data) { return crypto::digest(HashId::sha512, data); }

/// Block `number` of PBKDF2, from 1.
Hash block_of(ByteView key, ByteView salt, std::uint32_t number, std::uint32_t rounds) {
  Bytes numbered = to_bytes(salt);
  for (int shift = 24; shift >= 0; shift -= 8) numbered.push_back(static_cast<std::uint8_t>(number >> shift));
  Hash last = bcrypt(sha512(numbered), key);
  Hash sum = last;
  for (std::uint32_t round = 1; round < rounds; ++round) {
    last = bcrypt(sha512(last), key);
    for (std::size_t i = 0; i < kHashSize; ++i) sum.at(i) ^= last.at(i);
  }
  cleanse(last);
  return sum;
}

}  // namespace

SecureBytes bcrypt_pbkdf(ByteView passphrase, ByteView salt, std::uint32_t rounds, std::size_t size) {
  SKS_CHECK(!passphrase.empty() && rounds > 0 && size > 0 && size <= kHashSize * kHashSize);
  Bytes key = sha512(passphrase);
  const std::size_t blocks = (size + kHashSize - 1) / kHashSize;
  SecureBytes made(size);
  for (std::size_t block = 0; block < blocks; ++block) {
    Hash hash = block_of(key, salt, static_cast<std::uint32_t>(block + 1), rounds);
    // One byte of each block in turn.
    for (std::size_t i = 0; i < kHashSize && i * blocks + block < size; ++i)
      made.span()[i * blocks + block] = hash.at(i);
    cleanse(hash);
  }
  cleanse(key);
  return made;
}

}  // namespace sks::key_files
