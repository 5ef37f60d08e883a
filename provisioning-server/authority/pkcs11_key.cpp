#include "provisioning-server/authority/pkcs11_key.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/der.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/signer.h"

namespace sks::issuer {
namespace {

struct ReturnText {
  CK_RV code;
  const char* text;
};
constexpr auto kReturnTexts = std::to_array<ReturnText>({
    {CKR_HOST_MEMORY, "no memory"},
    {CKR_GENERAL_ERROR, "general error"},
    {CKR_FUNCTION_FAILED, "function failed"},
    {CKR_DEVICE_ERROR, "device error"},
    {CKR_DEVICE_MEMORY, "no memory on the device"},
    {CKR_DEVICE_REMOVED, "device removed"},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, "the key may not sign"},
    {CKR_KEY_TYPE_INCONSISTENT, "the key is of another type"},
    {CKR_MECHANISM_INVALID, "the token does not know the mechanism"},
    {CKR_PIN_INCORRECT, "wrong PIN"},
    {CKR_PIN_LOCKED, "PIN locked"},
    {CKR_PIN_EXPIRED, "PIN expired"},
    {CKR_PIN_LEN_RANGE, "PIN of a wrong length"},
    {CKR_SESSION_CLOSED, "session closed"},
    {CKR_SESSION_HANDLE_INVALID, "session lost"},
    {CKR_TOKEN_NOT_PRESENT, "no token"},
    {CKR_USER_NOT_LOGGED_IN, "not logged in"},
});

std::string text_of(CK_RV code) {
  const auto* const row = std::ranges::find(kReturnTexts, code, &ReturnText::code);
  constexpr std::size_t kDigits = sizeof code;
  Bytes number;
  for (std::size_t i = kDigits; i-- > 0;) number.push_back(static_cast<std::uint8_t>(code >> (8 * i) & 0xff));
  std::string hex = to_hex(number);
  hex.erase(0, std::min(hex.find_first_not_of('0'), hex.size() - 1));
  return (row == kReturnTexts.end() ? "PKCS#11 error" : row->text) + std::string(" (0x") + hex + ')';
}

/// The PIN was looked at and refused: another try would bring the token nearer to its lock.
constexpr auto kPinRefusals =
    std::to_array<CK_RV>({CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_PIN_EXPIRED, CKR_PIN_LEN_RANGE, CKR_PIN_INVALID});

/// DigestInfo of SHA-256 up to the digest. RFC 8017, 9.2
constexpr auto kSha256DigestInfo = std::to_array<std::uint8_t>(
    {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20});

/// The object is there, and its token keeps the attribute to itself, or has none of the kind.
constexpr auto kAttributeRefusals = std::to_array<CK_RV>({CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID});

/// Fixed-size text of PKCS#11: filled up with blanks.
template <std::size_t N>
std::string padded_text(const CK_UTF8CHAR (&field)[N]) {
  std::string text(std::begin(field), std::end(field));
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string key_name(const Pkcs11Location& location) {
  if (!location.spki.empty()) return "key of an earlier certificate";
  return location.key_label.empty() ? "key " + to_hex(location.key_id) : "key \"" + location.key_label + '"';
}
std::string token_name(const Pkcs11Location& location) {
  if (!location.token_label.empty()) return "token \"" + location.token_label + '"';
  return location.token_serial.empty() ? "the token" : "token with serial number " + location.token_serial;
}

bool holds(ByteView whole, ByteView part) {
  return std::search(whole.begin(), whole.end(), part.begin(), part.end()) != whole.end();
}

CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const void* value, std::size_t size) {
  return {type, const_cast<void*>(value), static_cast<CK_ULONG>(size)};  // NOLINT: C has no const here
}

/// A module in use. Every key of this process that is behind one module shares it: C_Finalize ends all sessions.
struct Module {
  void* library = nullptr;
  CK_FUNCTION_LIST* functions = nullptr;
  std::string file;
};

struct LoadedModules {
  struct Entry {
    std::weak_ptr<Module> module;
    bool initialized_here = false;  // and not by another part of the program
  };
  std::mutex mutex;
  std::map<std::string, Entry> by_file;
};

LoadedModules& loaded_modules() {
  static LoadedModules* const modules = new LoadedModules;  // threads that hang in a module may outlive everything
  return *modules;
}

/// The last user of a module ends it, unless somebody has begun to use it again meanwhile.
void release_module(Module* module) {
  const std::unique_ptr<Module> owner(module);
  LoadedModules& modules = loaded_modules();
  const std::lock_guard lock(modules.mutex);
  const auto entry = modules.by_file.find(module->file);
  if (entry != modules.by_file.end() && entry->second.module.expired()) {
    if (entry->second.initialized_here) module->functions->C_Finalize(nullptr);
    modules.by_file.erase(entry);
  }
  dlclose(module->library);
}

Error failure(const std::string& what, CK_RV code) {
  return {Status::not_available, what + " failed: " + text_of(code)};
}

Error other_key() {
  return {Status::crypto, "the private key in the token is not the one of the authority's certificate"};
}

Result<std::shared_ptr<Module>> load_module(const std::string& file) {
  LoadedModules& modules = loaded_modules();
  const std::lock_guard lock(modules.mutex);
  LoadedModules::Entry& entry = modules.by_file[file];
  if (std::shared_ptr<Module> known = entry.module.lock()) return known;
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's dlerror is of the thread
  if (library == nullptr) return Error{Status::option, std::string("cannot load the PKCS#11 module: ") + dlerror()};
  using GetFunctionList = CK_RV (*)(CK_FUNCTION_LIST**);
  const auto get = reinterpret_cast<GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* functions = nullptr;
  if (get == nullptr || get(&functions) != CKR_OK || functions == nullptr) {
    dlclose(library);
    return Error{Status::option, file + " is not a PKCS#11 module"};
  }
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV code = functions->C_Initialize(&arguments);
  if (code != CKR_OK && code != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    dlclose(library);
    return failure("C_Initialize", code);
  }
  if (code == CKR_OK) entry.initialized_here = true;
  std::shared_ptr<Module> module(new Module{library, functions, file}, release_module);
  entry.module = module;
  return module;
}

}  // namespace

/// A module with an open session in which the private key is known.
struct Pkcs11Key::Connection {
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (session != 0) functions->C_CloseSession(session);
  }

  Result<void> open(const Pkcs11Location& location, const SecureBytes& pin, bool& pin_refused);
  Result<Bytes> sign(const crypto::PublicKey& key, ByteView message, const SecureBytes& pin);
  Result<void> check(const crypto::PublicKey& key, const Pkcs11Location& location);
  Result<crypto::PublicKey> public_key(const Pkcs11Location& location);

 private:
  Result<void> check_object(const crypto::PublicKey& key);
  Result<crypto::PublicKey> read_public_key(CK_OBJECT_HANDLE object, const std::string& name);
  Result<CK_SLOT_ID> find_slot(const Pkcs11Location& location);
  Result<void> log_in(const SecureBytes& pin, bool& pin_refused);
  /// At most `most` of what has these attributes.
  Result<std::vector<CK_OBJECT_HANDLE>> find_objects(std::vector<CK_ATTRIBUTE> wanted, std::size_t most);
  Result<CK_OBJECT_HANDLE> find_object(const Pkcs11Location& location, CK_OBJECT_CLASS kind);
  Result<Pkcs11Location> find_pair(const Pkcs11Location& location);
  Result<Bytes> read_attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  Result<void> log_in_for_signature(const SecureBytes& pin);

  std::shared_ptr<Module> module;
  CK_FUNCTION_LIST* functions = nullptr;
  CK_SESSION_HANDLE session = 0;
  CK_OBJECT_HANDLE private_key = 0;
};

Result<CK_SLOT_ID> Pkcs11Key::Connection::find_slot(const Pkcs11Location& location) {
  CK_ULONG count = 0;
  CK_RV code = functions->C_GetSlotList(CK_TRUE, nullptr, &count);
  std::vector<CK_SLOT_ID> slots(count);
  if (code == CKR_OK) code = functions->C_GetSlotList(CK_TRUE, slots.data(), &count);
  if (code != CKR_OK) return failure("C_GetSlotList", code);
  slots.resize(std::min<std::size_t>(slots.size(), count));
  std::vector<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    if (functions->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    const bool fits = (location.token_label.empty() || padded_text(info.label) == location.token_label) &&
                      (location.token_serial.empty() || padded_text(info.serialNumber) == location.token_serial);
    if (fits) found.push_back(slot);
  }
  // A token that was drawn comes back: this is for the next try, not the end.
  if (found.empty()) return Error{Status::not_available, token_name(location) + " is not there"};
  if (found.size() > 1) return Error{Status::option, "there are several tokens that could be " + token_name(location)};
  return found.front();
}

Result<void> Pkcs11Key::Connection::log_in(const SecureBytes& pin, bool& pin_refused) {
  if (pin.empty()) return {};
  const CK_RV code = functions->C_Login(session, CKU_USER, const_cast<CK_UTF8CHAR*>(pin.data()),  // NOLINT: C
                                        static_cast<CK_ULONG>(pin.size()));
  if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN) return {};
  pin_refused = std::ranges::find(kPinRefusals, code) != kPinRefusals.end();
  if (pin_refused) return Error{Status::not_allowed, "the token refused the PIN: " + text_of(code)};
  return failure("C_Login", code);
}

Result<std::vector<CK_OBJECT_HANDLE>> Pkcs11Key::Connection::find_objects(std::vector<CK_ATTRIBUTE> wanted,
                                                                          std::size_t most) {
  CK_RV code = functions->C_FindObjectsInit(session, wanted.data(), static_cast<CK_ULONG>(wanted.size()));
  if (code != CKR_OK) return failure("C_FindObjectsInit", code);
  std::vector<CK_OBJECT_HANDLE> found(most);
  CK_ULONG count = 0;
  code = functions->C_FindObjects(session, found.data(), static_cast<CK_ULONG>(most), &count);
  functions->C_FindObjectsFinal(session);
  if (code != CKR_OK) return failure("C_FindObjects", code);
  found.resize(std::min<std::size_t>(most, count));
  return found;
}

/// Where the private key of `location.spki` is: both halves of a pair have one identifier. PKCS#11 2.40, 4.7
Result<Pkcs11Location> Pkcs11Key::Connection::find_pair(const Pkcs11Location& location) {
  constexpr std::size_t kMostKeys = 10000;
  CK_OBJECT_CLASS kind = CKO_PUBLIC_KEY;
  SKS_LET(const std::vector<CK_OBJECT_HANDLE> objects,
          find_objects({attribute(CKA_CLASS, &kind, sizeof kind)}, kMostKeys));
  for (const CK_OBJECT_HANDLE object : objects) {
    const Result<crypto::PublicKey> key = read_public_key(object, key_name(location));
    if (!key || !equal(key->spki(), location.spki)) continue;
    Pkcs11Location pair = location;
    SKS_LET(pair.key_id, read_attribute(object, CKA_ID));
    if (!pair.key_id.empty()) return pair;
  }
  return Error{Status::option, token_name(location) + " holds no public " + key_name(location)};
}

Result<CK_OBJECT_HANDLE> Pkcs11Key::Connection::find_object(const Pkcs11Location& location, CK_OBJECT_CLASS kind) {
  std::vector<CK_ATTRIBUTE> wanted{attribute(CKA_CLASS, &kind, sizeof kind)};
  if (!location.key_label.empty())
    wanted.push_back(attribute(CKA_LABEL, location.key_label.data(), location.key_label.size()));
  if (!location.key_id.empty()) wanted.push_back(attribute(CKA_ID, location.key_id.data(), location.key_id.size()));
  SKS_LET(const std::vector<CK_OBJECT_HANDLE> found, find_objects(std::move(wanted), 2));
  const std::string what = (kind == CKO_PRIVATE_KEY ? "private " : "public ") + key_name(location);
  if (found.empty()) return Error{Status::option, token_name(location) + " holds no " + what};
  if (found.size() > 1) return Error{Status::option, token_name(location) + " holds several objects " + what};
  return found.front();
}

Result<void> Pkcs11Key::Connection::open(const Pkcs11Location& location, const SecureBytes& pin, bool& pin_refused) {
  SKS_LET(module, load_module(location.module));
  functions = module->functions;
  SKS_LET(const CK_SLOT_ID slot, find_slot(location));
  const CK_RV code = functions->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
  if (code != CKR_OK) return failure("C_OpenSession", code);
  SKS_TRY(log_in(pin, pin_refused));
  if (location.spki.empty()) {
    SKS_LET(private_key, find_object(location, CKO_PRIVATE_KEY));
    return {};
  }
  SKS_LET(const Pkcs11Location pair, find_pair(location));
  SKS_LET(private_key, find_object(pair, CKO_PRIVATE_KEY));
  return {};
}

/// For keys that want the PIN before every signature.
Result<void> Pkcs11Key::Connection::log_in_for_signature(const SecureBytes& pin) {
  CK_BBOOL always = CK_FALSE;
  CK_ATTRIBUTE wanted = attribute(CKA_ALWAYS_AUTHENTICATE, &always, sizeof always);
  if (functions->C_GetAttributeValue(session, private_key, &wanted, 1) != CKR_OK || always != CK_TRUE) return {};
  const CK_RV code = functions->C_Login(session, CKU_CONTEXT_SPECIFIC,
                                        const_cast<CK_UTF8CHAR*>(pin.data()),  // NOLINT: C
                                        static_cast<CK_ULONG>(pin.size()));
  if (code == CKR_OK) return {};
  if (std::ranges::find(kPinRefusals, code) != kPinRefusals.end())
    return Error{Status::not_allowed, "the key refused the PIN: " + text_of(code)};
  return failure("C_Login", code);
}

Result<Bytes> Pkcs11Key::Connection::sign(const crypto::PublicKey& key, ByteView message, const SecureBytes& pin) {
  constexpr std::size_t kMaxSignature = 1024;
  const bool is_rsa = key.kind() == KeyKind::rsa;
  const Bytes digest = crypto::digest(crypto::signature_hash(key), message);
  Bytes input = is_rsa ? concat({kSha256DigestInfo, digest}) : digest;
  CK_MECHANISM mechanism{is_rsa ? CK_MECHANISM_TYPE{CKM_RSA_PKCS} : CK_MECHANISM_TYPE{CKM_ECDSA}, nullptr, 0};
  CK_RV code = functions->C_SignInit(session, &mechanism, private_key);
  if (code != CKR_OK) return failure("C_SignInit", code);
  SKS_TRY(log_in_for_signature(pin));
  Bytes signature(kMaxSignature);
  auto size = static_cast<CK_ULONG>(signature.size());
  code = functions->C_Sign(session, input.data(), static_cast<CK_ULONG>(input.size()), signature.data(), &size);
  if (code != CKR_OK) return failure("C_Sign", code);
  if (size > signature.size()) return Error{Status::crypto, "the token returned a signature of an impossible length"};
  signature.resize(size);
  return is_rsa ? signature : crypto::ecdsa_raw_to_der(key.curve(), signature);
}

Result<Bytes> Pkcs11Key::Connection::read_attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  constexpr std::size_t kMaxAttribute = 4096;
  Bytes value(kMaxAttribute);
  CK_ATTRIBUTE wanted = attribute(type, value.data(), value.size());
  const CK_RV code = functions->C_GetAttributeValue(session, object, &wanted, 1);
  if (code != CKR_OK) return failure("C_GetAttributeValue", code);
  if (wanted.ulValueLen > value.size()) return Error{Status::crypto, "the token returned an impossible attribute"};
  value.resize(wanted.ulValueLen);
  return value;
}

/// The private key object of an RSA key has its modulus, that of an EC key its curve. PKCS#11 2.40, 2.1.3 and 2.3.4
Result<void> Pkcs11Key::Connection::check_object(const crypto::PublicKey& key) {
  constexpr std::size_t kMaxAttribute = 4096;
  Bytes value(kMaxAttribute);
  CK_ATTRIBUTE wanted = attribute(key.kind() == KeyKind::rsa ? CKA_MODULUS : CKA_EC_PARAMS, value.data(), value.size());
  const CK_RV code = functions->C_GetAttributeValue(session, private_key, &wanted, 1);
  if (std::ranges::find(kAttributeRefusals, code) != kAttributeRefusals.end()) return {};
  if (code != CKR_OK) return failure("C_GetAttributeValue", code);
  if (wanted.ulValueLen <= value.size() && holds(key.spki(), ByteView(value).first(wanted.ulValueLen))) return {};
  return other_key();
}

/// Two keys on one curve differ in their public key objects alone, which not every token has.
Result<void> Pkcs11Key::Connection::check(const crypto::PublicKey& key, const Pkcs11Location& location) {
  SKS_TRY(check_object(key));
  if (!location.spki.empty()) return {};  // that is how it was found
  const Result<crypto::PublicKey> beside = public_key(location);
  return !beside || equal(beside->spki(), key.spki()) ? Result<void>() : other_key();
}

Result<crypto::PublicKey> Pkcs11Key::Connection::public_key(const Pkcs11Location& location) {
  SKS_LET(const CK_OBJECT_HANDLE object, find_object(location, CKO_PUBLIC_KEY));
  return read_public_key(object, key_name(location));
}

Result<crypto::PublicKey> Pkcs11Key::Connection::read_public_key(CK_OBJECT_HANDLE object, const std::string& name) {
  CK_KEY_TYPE type = 0;
  CK_ATTRIBUTE wanted = attribute(CKA_KEY_TYPE, &type, sizeof type);
  const CK_RV code = functions->C_GetAttributeValue(session, object, &wanted, 1);
  if (code != CKR_OK) return failure("C_GetAttributeValue", code);
  if (type == CKK_RSA) {
    SKS_LET(const Bytes modulus, read_attribute(object, CKA_MODULUS));
    SKS_LET(const Bytes exponent, read_attribute(object, CKA_PUBLIC_EXPONENT));
    return crypto::PublicKey::from_rsa(modulus, exponent);
  }
  if (type != CKK_EC) return Error{Status::option, name + " is neither an RSA nor an EC key"};
  SKS_LET(const Bytes parameters, read_attribute(object, CKA_EC_PARAMS));
  SKS_LET(const Bytes encoded, read_attribute(object, CKA_EC_POINT));
  // The point inside of an OCTET STRING. PKCS#11 3.0, 2.3.3
  const ByteView point = crypto::der::first_piece(encoded).content;
  for (const CurveInfo& curve : all_curves()) {
    const std::size_t size = 2U * curve.field_bytes + 1;
    if (point.size() != size || !holds(curve.spki_prefix, parameters)) continue;
    return crypto::PublicKey::from_ec_point(curve.curve, point.subspan(1, curve.field_bytes),
                                            point.subspan(1U + curve.field_bytes));
  }
  return Error{Status::option, name + " is on a curve that is not supported"};
}

Pkcs11Key::Pkcs11Key(Pkcs11Location location, SecureBytes pin) : location_(std::move(location)), pin_(std::move(pin)) {}
Pkcs11Key::~Pkcs11Key() = default;

/// A session that is lost between two signatures is opened again, once, for the same signature.
template <class Run>
auto Pkcs11Key::with_connection(Run run) -> decltype(run(std::declval<Connection&>())) {
  for (bool is_fresh = false; true;) {
    if (pin_refused_)
      return Error{Status::not_allowed, "the token refused the PIN before; it is not tried again until the next start"};
    if (connection_ == nullptr) {
      auto connection = std::make_unique<Connection>();
      SKS_TRY(connection->open(location_, pin_, pin_refused_));
      connection_ = std::move(connection);
      is_fresh = true;
    }
    auto result = run(*connection_);
    if (result) return result;
    connection_.reset();
    pin_refused_ = result.error().status == Status::not_allowed;
    if (is_fresh || result.error().status != Status::not_available) return result;
  }
}

Result<Bytes> Pkcs11Key::sign(const crypto::PublicKey& key, ByteView message) {
  return with_connection([&](Connection& connection) { return connection.sign(key, message, pin_); });
}

Result<void> Pkcs11Key::check(const crypto::PublicKey& key) {
  return with_connection([&](Connection& connection) { return connection.check(key, location_); });
}

Result<crypto::PublicKey> Pkcs11Key::public_key() {
  return with_connection([&](Connection& connection) { return connection.public_key(location_); });
}

}  // namespace sks::issuer
