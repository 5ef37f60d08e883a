#include "bench/p11/operations.h"

#include <array>
#include <cstring>
#include <random>

#include "bench/p11/payload.h"
#include "tests/support/pkcs11/keys.h"
#include "tests/support/pkcs11/life_cycle.h"

namespace sks::bench {
namespace {

using client::Answer;
using client::Attributes;
using client::check;
using client::Session;

CK_BYTE* in(ByteView view) { return const_cast<CK_BYTE*>(view.data()); }

Attributes key_of_class(CK_OBJECT_CLASS object_class, std::string_view label) {
  Attributes wanted;
  return wanted.number(CKA_CLASS, object_class).add(CKA_LABEL, label);
}

class WithSession : public Operation {
 public:
  explicit WithSession(Session session) : session_(std::move(session)) {}

 protected:
  Session session_;
};

/// C_SignInit and C_Sign.
class Sign : public WithSession {
 public:
  Sign(Session session, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism, ByteView data)
      : WithSession(std::move(session)), key_(key), mechanism_(mechanism), data_(data) {}
  Answer<void> run() override { return session_.sign(key_, mechanism_, data_, signature_); }

 private:
  CK_OBJECT_HANDLE key_;
  CK_MECHANISM_TYPE mechanism_;
  ByteView data_;
  Bytes signature_;
};

/// C_EncryptInit and C_Encrypt, each time with another nonce.
class EncryptGcm : public WithSession {
 public:
  EncryptGcm(Session session, CK_OBJECT_HANDLE key, unsigned thread) : WithSession(std::move(session)), key_(key) {
    std::random_device random;
    for (std::uint8_t& byte : nonce_) byte = static_cast<std::uint8_t>(random());
    nonce_[0] = static_cast<std::uint8_t>(thread);
  }
  Answer<void> run() override {
    ++counter_;
    std::memcpy(nonce_.data() + nonce_.size() - sizeof counter_, &counter_, sizeof counter_);
    CK_GCM_PARAMS parameters{};
    parameters.pIv = nonce_.data();
    parameters.ulIvLen = nonce_.size();
    parameters.ulIvBits = 8 * nonce_.size();
    parameters.ulTagBits = 8 * kTagSize;
    CK_MECHANISM how{CKM_AES_GCM, &parameters, sizeof parameters};
    CK_FUNCTION_LIST& functions = session_.functions();
    SKS_TRY(check("C_EncryptInit", functions.C_EncryptInit(session_.handle(), &how, key_)));
    CK_ULONG size = out_.size();
    SKS_TRY(check("C_Encrypt", functions.C_Encrypt(session_.handle(), in(kBlock), kBlock.size(), out_.data(), &size)));
    if (size != kBlock.size() + kTagSize) return client::Refused{"C_Encrypt gives the wrong size"};
    return {};
  }

 private:
  CK_OBJECT_HANDLE key_;
  std::array<std::uint8_t, 12> nonce_{};
  std::uint32_t counter_ = 0;
  std::array<std::uint8_t, kBlock.size() + kTagSize> out_{};
};

/// One search by CKA_ID and class, among all pairs.
class Find : public WithSession {
 public:
  Find(Session session, std::size_t pairs, unsigned thread)
      : WithSession(std::move(session)), random_(thread), any_(0, pairs - 1) {}
  Answer<void> run() override {
    Attributes wanted;
    SKS_TRY(session_.find_one(wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).add(CKA_ID, pair_id(any_(random_)))));
    return {};
  }

 private:
  std::mt19937 random_;
  std::uniform_int_distribution<std::size_t> any_;
};

class SessionInfo : public WithSession {
 public:
  using WithSession::WithSession;
  Answer<void> run() override {
    CK_SESSION_INFO info{};
    return check("C_GetSessionInfo", session_.functions().C_GetSessionInfo(session_.handle(), &info));
  }
};

class TokenInfo : public WithSession {
 public:
  using WithSession::WithSession;
  Answer<void> run() override {
    CK_TOKEN_INFO info{};
    return check("C_GetTokenInfo", session_.functions().C_GetTokenInfo(session_.slot(), &info));
  }
};

class SlotList : public WithSession {
 public:
  using WithSession::WithSession;
  Answer<void> run() override {
    std::array<CK_SLOT_ID, 256> slots{};
    CK_ULONG count = slots.size();
    return check("C_GetSlotList", session_.functions().C_GetSlotList(CK_TRUE, slots.data(), &count));
  }
};

class Generate : public WithSession {
 public:
  Generate(Session session, unsigned thread)
      : WithSession(std::move(session)), id_{0xBE, static_cast<std::uint8_t>(thread)} {}
  Answer<void> run() override {
    SKS_LET(const client::KeyPair pair,
            client::generate_p256(session_, client::Lifetime::token, id_, "bench-generated"));
    made_.push_back(pair);
    return {};
  }
  Answer<void> clean() override {
    for (const client::KeyPair& pair : made_) {
      SKS_TRY(session_.destroy(pair.private_key));
      // A key store where the pair is one thing has destroyed both.
      (void)static_cast<bool>(session_.destroy(pair.public_key));
    }
    made_.clear();
    return {};
  }

 private:
  Bytes id_;
  std::vector<client::KeyPair> made_;
};

class Cycle : public Operation {
 public:
  explicit Cycle(Session session) : cycle_(std::move(session)) {}
  Answer<void> run() override { return cycle_.run(); }

 private:
  client::LifeCycle cycle_;
};

using Made = Answer<std::unique_ptr<Operation>>;

template <class T, class... Arguments>
std::unique_ptr<Operation> made(Arguments&&... arguments) {
  return std::make_unique<T>(std::forward<Arguments>(arguments)...);
}

Made signing(const Scene& scene, CK_OBJECT_CLASS object_class, std::string_view label, CK_MECHANISM_TYPE mechanism,
             ByteView data) {
  SKS_LET(Session session, Session::open(scene.module, scene.token));
  SKS_LET(const CK_OBJECT_HANDLE key, session.find_one(key_of_class(object_class, label)));
  return made<Sign>(std::move(session), key, mechanism, data);
}

template <class T>
Made with_session(const Scene& scene, unsigned) {
  SKS_LET(Session session, Session::open(scene.module, scene.token));
  return made<T>(std::move(session));
}
template <class T>
Made with_thread(const Scene& scene, unsigned thread) {
  SKS_LET(Session session, Session::open(scene.module, scene.token));
  return made<T>(std::move(session), thread);
}

struct Row {
  std::string_view figure;
  Made (*make)(const Scene&, unsigned thread);
};
constexpr auto kRows = std::to_array<Row>({
    {"sign-p256",
     [](const Scene& scene, unsigned) { return signing(scene, CKO_PRIVATE_KEY, kP256Label, CKM_ECDSA, kHash); }},
    {"sign-rsa2048", [](const Scene& scene,
                        unsigned) { return signing(scene, CKO_PRIVATE_KEY, kRsaLabel, CKM_RSA_PKCS, kDigestInfo); }},
    {"hmac-1k",
     [](const Scene& scene, unsigned) { return signing(scene, CKO_SECRET_KEY, kHmacLabel, CKM_SHA256_HMAC, kBlock); }},
    {"gcm-1k",
     [](const Scene& scene, unsigned thread) -> Made {
       SKS_LET(Session session, Session::open(scene.module, scene.token));
       SKS_LET(const CK_OBJECT_HANDLE key, session.find_one(key_of_class(CKO_SECRET_KEY, kAesLabel)));
       return made<EncryptGcm>(std::move(session), key, thread);
     }},
    {"find-by-id",
     [](const Scene& scene, unsigned thread) -> Made {
       if (scene.pairs == 0) return client::Refused{"no pairs to search"};
       SKS_LET(Session session, Session::open(scene.module, scene.token));
       return made<Find>(std::move(session), scene.pairs, thread);
     }},
    {"null-call", with_session<SessionInfo>},
    {"token-info", with_session<TokenInfo>},
    {"slot-list", with_session<SlotList>},
    {"generate-p256", with_thread<Generate>},
    {"cycle", with_session<Cycle>},
});

}  // namespace

Bytes pair_id(std::size_t number) {
  Bytes id{0xA0, 0, 0, 0, 0};
  for (std::size_t i = id.size() - 1; i > 0; --i) {
    id[i] = static_cast<std::uint8_t>(number);
    number >>= 8;
  }
  return id;
}

Made make_operation(std::string_view figure, const Scene& scene, unsigned thread) {
  for (const Row& row : kRows)
    if (row.figure == figure) return row.make(scene, thread);
  return client::Refused{"there is no figure " + std::string(figure)};
}

std::string make_keys(const Scene& scene) {
  auto session = Session::open(scene.module, scene.token);
  if (!session) return session.error().text();
  std::string refused;
  const auto ensure = [&](CK_OBJECT_CLASS object_class, std::string_view label, const auto& make) {
    if (session->find_one(key_of_class(object_class, label))) return;
    const Answer<void> answer = make(std::string(label));
    if (!answer) refused += (refused.empty() ? "" : "; ") + std::string(label) + ": " + answer.error().text();
  };
  const auto drop = [](const auto& answer) -> Answer<void> {
    if (!answer) return answer.error();
    return {};
  };
  ensure(CKO_PRIVATE_KEY, kP256Label, [&](const std::string& label) {
    return drop(client::generate_p256(*session, client::Lifetime::token, Bytes{0xB0, 1}, label));
  });
  ensure(CKO_PRIVATE_KEY, kRsaLabel, [&](const std::string& label) {
    return drop(client::generate_rsa2048(*session, Bytes{0xB0, 2}, label));
  });
  ensure(CKO_SECRET_KEY, kAesLabel,
         [&](const std::string& label) { return drop(client::make_aes256(*session, label)); });
  ensure(CKO_SECRET_KEY, kHmacLabel,
         [&](const std::string& label) { return drop(client::make_hmac_key(*session, label)); });
  return refused;
}

}  // namespace sks::bench
