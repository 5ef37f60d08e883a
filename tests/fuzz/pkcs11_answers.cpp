#include <algorithm>
#include <array>

#include "key-user-api/pkcs11/client.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/wire/frame.h"
#include "tests/fuzz/checks.h"

/// A lying daemon behind the PKCS#11 module: the input is a program of calls, and what each of them is answered.
namespace {

using namespace sks;

constexpr CK_SLOT_ID kSlot = 7;
constexpr CK_OBJECT_HANDLE kKey = 0x101;
constexpr std::size_t kBuffer = 300;
constexpr CK_BYTE kUntouched = 0xEE;

/// An answer that the module goes on with, so that inputs get behind it. Its content is of the input where it can be.
Bytes plausible(std::uint8_t method, ByteView request, fuzz::Input& in) {
  ByteWriter out;
  out.u8(0);
  switch (method) {
    case 160:
      out.array(Bytes(32, 1)).u32(in.flag() ? 1'000'000 : in.u16());
      break;
    case 161:
      out.u16(1).u32(kSlot).text("token").text("0123456789abcdef").text("issuer").boolean(true).boolean(in.flag());
      out.u8(in.u8()).u16(4).u16(8).u8(in.u8() & 7).u8(in.u8() & 7).boolean(in.flag()).boolean(true).u8(in.u8() & 1);
      break;
    case 162:
      out.u16(1)
          .u64(in.one_of(std::array<CK_ULONG, 3>{CKM_ECDSA, CKM_AES_GCM, 0x80000001}))
          .u64(0)
          .u64(0)
          .u64(in.u16());
      break;
    case 170:
      out.u16(2).u64(in.u8()).u64(in.u16()).boolean(in.flag());
      break;
    case 171: {
      ByteReader asked(request);
      asked.u8();
      asked.u32();
      asked.u64();
      const std::uint16_t count = asked.u16();
      out.u16(count);
      for (unsigned i = 0; i < count; ++i) {
        const std::uint64_t type = asked.u64();
        const ByteView of_input = in.take(in.u8() & 0x1F);
        if (type == CKA_CLASS)
          out.u8(0).blob(ByteWriter().u64(CKO_PRIVATE_KEY).view());
        else if (type == CKA_KEY_TYPE)
          out.u8(0).blob(ByteWriter().u64(in.one_of(std::array<CK_ULONG, 3>{CKK_RSA, CKK_EC, CKK_AES})).view());
        else if (type >= CKA_SENSITIVE && type <= CKA_DERIVE)
          out.u8(0).blob(Bytes{1});
        else
          out.u8(in.u8() % 3).blob(of_input);
      }
      break;
    }
    case 173:
    case 174:
    case 176:
    case 187:
    case 189:
      out.u64((std::uint64_t{in.u8()} << 48) + in.u16());
      break;
    case 175:
      out.u64((std::uint64_t{in.u8()} << 48) + 1).u64(in.u16());
      break;
    case 164:
    case 182:
      out.u32(in.u16());
      break;
    case 180:
    case 183:
    case 184:
    case 188:
    case 190:
      out.blob(in.bytes());
      break;
    default:
      break;
  }
  return out.take();
}

class HostileLine final : public p11::Line {
 public:
  explicit HostileLine(fuzz::Input& in) : in_(in) {}

  p11::Delivery exchange(ByteView request, std::chrono::seconds, SecureBytes& answer) override {
    fuzz::require(!request.empty() && request.size() <= wire::kMaxBodySize, "a request fits into a frame");
    if (in_.at_end()) return p11::Delivery::unknown;
    Bytes body;
    switch (in_.u8() % 8) {
      case 0:
        return p11::Delivery::not_sent;
      case 1:
        return p11::Delivery::unknown;
      case 2:
        body = in_.bytes();
        break;
      case 3:
        body = ByteWriter().u8(0x80).u64(in_.flag() ? in_.u8() : CKR_DEVICE_REMOVED).array(in_.array()).take();
        break;
      case 4: {  // nearly right
        body = plausible(request[0], request, in_);
        body[in_.u16() % body.size()] ^= in_.u8();
        if (in_.flag()) body.resize(body.size() - 1 - in_.u8() % body.size());
        break;
      }
      default:
        body = plausible(request[0], request, in_);
    }
    if (body.empty()) body.push_back(0);
    body.resize(std::min(body.size(), wire::kMaxBodySize));
    answer = SecureBytes::copy_of(body);
    return p11::Delivery::answered;
  }

 private:
  fuzz::Input& in_;
};

class HostileExchange final : public p11::Exchange {
 public:
  explicit HostileExchange(fuzz::Input& in) : in_(in) {}
  std::unique_ptr<p11::Line> connect() override {
    if (in_.at_end() || in_.u8() % 8 == 0) return nullptr;
    return std::make_unique<HostileLine>(in_);
  }

 private:
  fuzz::Input& in_;
};

/// The application: a session, and memory that the module may write to.
struct Application {
  fuzz::Input& in;
  CK_SESSION_HANDLE session = 0;
  CK_OBJECT_HANDLE object = kKey;
  Bytes memory = Bytes(2 * kBuffer, kUntouched);
  CK_ULONG size = 0;

  CK_BYTE* buffer() {
    size = in.u8();
    return in.u8() % 8 == 0 ? nullptr : memory.data();
  }
  CK_BYTE* data() { return memory.data() + kBuffer; }  // nobody writes there
};

CK_MECHANISM mechanism_of(Application& a) {
  static CK_BYTE bytes[16] = {};
  static CK_RSA_PKCS_PSS_PARAMS pss{CKM_SHA256, CKG_MGF1_SHA256, 32};
  static CK_GCM_PARAMS gcm{bytes, 12, 96, bytes, 16, 128};
  static CK_ECDH1_DERIVE_PARAMS ecdh{CKD_NULL, 0, nullptr, 16, bytes};
  const auto all = std::to_array<CK_MECHANISM>({{CKM_ECDSA, nullptr, 0},
                                                {CKM_ECDSA_SHA256, nullptr, 0},
                                                {CKM_RSA_PKCS, nullptr, 0},
                                                {CKM_SHA256, nullptr, 0},
                                                {CKM_RSA_PKCS_PSS, &pss, sizeof pss},
                                                {CKM_AES_GCM, &gcm, sizeof gcm},
                                                {CKM_AES_CBC_PAD, bytes, sizeof bytes},
                                                {CKM_AES_KEY_WRAP, nullptr, 0},
                                                {CKM_ECDH1_DERIVE, &ecdh, sizeof ecdh},
                                                {CKM_AES_KEY_GEN, nullptr, 0},
                                                {CKM_EC_KEY_PAIR_GEN, nullptr, 0}});
  return a.in.one_of(all);
}

template <auto Function>
void begin(Application& a) {
  CK_MECHANISM mechanism = mechanism_of(a);
  Function(a.session, &mechanism, a.object);
}
template <auto Function>
void one_part(Application& a) {
  CK_BYTE* const out = a.buffer();
  Function(a.session, a.data(), a.in.u8(), out, &a.size);
}
template <auto Function>
void finish(Application& a) {
  CK_BYTE* const out = a.buffer();
  Function(a.session, out, &a.size);
}
template <auto Function>
void take_data(Application& a) {
  Function(a.session, a.data(), a.in.u8());
}

void open_session(Application& a) {
  C_OpenSession(kSlot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &a.session);
}
void token_info(Application&) {
  CK_TOKEN_INFO info{};
  C_GetTokenInfo(kSlot, &info);
}
void slots(Application& a) {
  CK_SLOT_ID ids[2] = {};
  a.size = 2;
  C_GetSlotList(CK_TRUE, ids, &a.size);
}
void mechanisms(Application& a) {
  CK_MECHANISM_TYPE types[2] = {};
  a.size = 2;
  C_GetMechanismList(kSlot, types, &a.size);
}
void search(Application& a) {
  C_FindObjectsInit(a.session, nullptr, 0);
  std::array<CK_OBJECT_HANDLE, 4> found{};
  CK_ULONG count = 0;
  for (int i = 0; i < 4; ++i) {
    C_FindObjects(a.session, found.data(), found.size(), &count);
    fuzz::require(count <= found.size(), "no more objects than there is room for");
  }
  C_FindObjectsFinal(a.session);
  if (a.in.flag()) a.object = found[0];
}
void attributes(Application& a) {
  CK_ULONG number = 0;
  CK_BBOOL boolean = 0;
  CK_BYTE* const out = a.buffer();
  CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &number, sizeof number},
                           {CKA_SIGN, &boolean, sizeof boolean},
                           {CKA_ID, out, a.size},
                           {CKA_MODULUS, nullptr, 0},
                           {CKA_ALLOWED_MECHANISMS, out, a.size}};
  C_GetAttributeValue(a.session, a.object, wanted, std::size(wanted));
}
void generate_pair(Application& a) {
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE other = 0;
  C_GenerateKeyPair(a.session, &mechanism, nullptr, 0, nullptr, 0, &other, &a.object);
}
void create(Application& a) { C_CreateObject(a.session, nullptr, 0, &a.object); }
void destroy(Application& a) { C_DestroyObject(a.session, a.object); }
void derive(Application& a) {
  CK_MECHANISM mechanism = mechanism_of(a);
  C_DeriveKey(a.session, &mechanism, a.object, nullptr, 0, &a.object);
}
void wrap(Application& a) {
  CK_MECHANISM mechanism = mechanism_of(a);
  CK_BYTE* const out = a.buffer();
  C_WrapKey(a.session, &mechanism, a.object, kKey, out, &a.size);
}
void verify(Application& a) { C_Verify(a.session, a.data(), a.in.u8(), a.data(), a.in.u8()); }
void verify_final(Application& a) { C_VerifyFinal(a.session, a.data(), a.in.u8()); }
void digest_init(Application& a) {
  CK_MECHANISM mechanism{CKM_SHA256, nullptr, 0};
  C_DigestInit(a.session, &mechanism);
}
void digest_key(Application& a) { C_DigestKey(a.session, a.object); }
void login(Application& a) {
  C_Login(a.session, a.in.one_of(std::array<CK_USER_TYPE, 3>{CKU_SO, CKU_USER, CKU_CONTEXT_SPECIFIC}),
          a.in.flag() ? a.data() : nullptr, 4);
}
void logout(Application& a) { C_Logout(a.session); }
void random(Application& a) { C_GenerateRandom(a.session, a.memory.data(), a.in.u8()); }
void close(Application& a) { C_CloseSession(a.session); }
void long_part(Application& a) {
  Bytes part(20'000);
  C_SignUpdate(a.session, part.data(), part.size());
}

constexpr void (*kCalls[])(Application&) = {
    open_session,
    token_info,
    slots,
    mechanisms,
    search,
    attributes,
    generate_pair,
    create,
    destroy,
    derive,
    wrap,
    verify,
    verify_final,
    digest_init,
    digest_key,
    login,
    logout,
    random,
    close,
    long_part,
    begin<C_EncryptInit>,
    begin<C_DecryptInit>,
    begin<C_SignInit>,
    begin<C_VerifyInit>,
    one_part<C_Encrypt>,
    one_part<C_Decrypt>,
    one_part<C_Sign>,
    one_part<C_Digest>,
    one_part<C_EncryptUpdate>,
    one_part<C_DecryptUpdate>,
    finish<C_EncryptFinal>,
    finish<C_DecryptFinal>,
    finish<C_SignFinal>,
    finish<C_DigestFinal>,
    take_data<C_SignUpdate>,
    take_data<C_VerifyUpdate>,
    take_data<C_DigestUpdate>,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in({data, size});
  const bool initialized = static_cast<bool>(p11::initialize_with(std::make_unique<HostileExchange>(in)));
  fuzz::require(initialized, "the last input has ended");
  Application application{in};
  while (!in.at_end()) {
    in.one_of(kCalls)(application);
    // Sizes are those of one byte.
    fuzz::require(std::all_of(application.memory.begin() + 256, application.memory.end(),
                              [](CK_BYTE byte) { return byte == kUntouched; }),
                  "nothing is written beyond the buffer");
  }
  fuzz::require(C_Finalize(nullptr) == CKR_OK, "the module ends");
  return 0;
}
