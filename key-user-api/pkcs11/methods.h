#pragma once

#include <chrono>
#include <cstdint>

/// The methods of spec/sksd.md, and how a call of each is treated.
namespace sks::p11 {

enum class Repeat : std::uint8_t {
  never,      ///< when its answer is lost the application must know
  harmlessly  ///< reads only: asked once more when its answer is lost
};

struct Method {
  std::uint8_t id;
  Repeat repeat;
  std::chrono::seconds patience{120};  ///< making an RSA key of 4096 bits takes its time
};

inline constexpr std::chrono::seconds kPatienceWithPeople{600};

inline constexpr Method kOpenApplication{160, Repeat::never, std::chrono::seconds(10)};
inline constexpr Method kListTokens{161, Repeat::harmlessly};
inline constexpr Method kListMechanisms{162, Repeat::harmlessly};
inline constexpr Method kLogin{163, Repeat::never, kPatienceWithPeople};
inline constexpr Method kLoginForOperation{164, Repeat::never, kPatienceWithPeople};
inline constexpr Method kLogout{165, Repeat::never};
inline constexpr Method kChangePin{166, Repeat::never, kPatienceWithPeople};
inline constexpr Method kInitPin{167, Repeat::never, kPatienceWithPeople};
inline constexpr Method kFindObjects{170, Repeat::harmlessly};
inline constexpr Method kGetAttributes{171, Repeat::harmlessly};
inline constexpr Method kSetAttributes{172, Repeat::never};
inline constexpr Method kCreateObject{173, Repeat::never};
inline constexpr Method kGenerateKey{174, Repeat::never};
inline constexpr Method kGenerateKeyPair{175, Repeat::never};
inline constexpr Method kCopyObject{176, Repeat::never};
inline constexpr Method kDestroyObject{177, Repeat::never};
// sksd may ask the user before a use of a key.
inline constexpr Method kOperate{180, Repeat::never, kPatienceWithPeople};
inline constexpr Method kVerify{181, Repeat::harmlessly};
inline constexpr Method kBegin{182, Repeat::never, kPatienceWithPeople};
inline constexpr Method kUpdate{183, Repeat::never};
inline constexpr Method kFinish{184, Repeat::never, kPatienceWithPeople};
inline constexpr Method kFinishVerify{185, Repeat::never};
inline constexpr Method kAbandon{186, Repeat::never};
inline constexpr Method kDeriveKey{187, Repeat::never, kPatienceWithPeople};
inline constexpr Method kWrapKey{188, Repeat::never, kPatienceWithPeople};
inline constexpr Method kUnwrapKey{189, Repeat::never, kPatienceWithPeople};
inline constexpr Method kGenerateRandom{190, Repeat::harmlessly};

}  // namespace sks::p11
