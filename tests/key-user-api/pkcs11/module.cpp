#include "tests/key-user-api/pkcs11/module.h"

#include <doctest/doctest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "key-user-api/socket_place/socket_place.h"
#include "sks-core/base/result.h"
#include "tests/key-user-api/pkcs11/provision.h"
#include "tests/support/pkcs11/daemon.h"

namespace sks::test {

const std::string& shared_store() {
  static const TempDir folder;
  static const std::string path = [] {
    provision_store(folder.file("store"));
    return folder.file("store");
  }();
  return path;
}

void use_store(const std::string& folder) {
  // The module starts sksd, which must not outlive the folders of the tests for long.
  static const TempDir place;
  static const bool prepared = [] {
    const std::string program = place.file("sksd");
    std::ofstream(program) << "#!/bin/sh\nexec '" << SKSD << "' --idle-exit 2 \"$@\"\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    ::setenv("SKS_SKSD", program.c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", place.file("").c_str(), 1);
    ::setenv("XDG_STATE_HOME", place.file("").c_str(), 1);
    return true;
  }();
  static_cast<void>(prepared);
  ::setenv("SKS_STORE", folder.c_str(), 1);
}

void kill_daemon() {
  const SocketPlaceOrProblem found = socket_of_environment();
  REQUIRE(found.place);
  const auto pid = pkcs11_client::listener_of(found.place->socket);
  REQUIRE(pid);
  REQUIRE(::kill(*pid, SIGKILL) == 0);
  for (int i = 0; i < 500 && pkcs11_client::is_running(*pid); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  REQUIRE_FALSE(pkcs11_client::is_running(*pid));
}

Initialized::Initialized(const std::string& folder) {
  use_store(folder);
  REQUIRE(functions().C_Initialize(nullptr) == CKR_OK);
}

Initialized::~Initialized() { CHECK(functions().C_Finalize(nullptr) == CKR_OK); }

std::vector<CK_SLOT_ID> slots() {
  CK_ULONG count = 0;
  REQUIRE(functions().C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK);
  std::vector<CK_SLOT_ID> ids(count);
  REQUIRE(functions().C_GetSlotList(CK_TRUE, ids.data(), &count) == CKR_OK);
  return ids;
}

CK_SLOT_ID slot_labelled(std::string_view label) {
  for (const CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info{};
    REQUIRE(functions().C_GetTokenInfo(slot, &info) == CKR_OK);
    if (std::memcmp(info.label, label.data(), label.size()) == 0) return slot;
  }
  FAIL("no token labelled " << std::string(label));
  return 0;
}

CK_SESSION_HANDLE open_session(CK_SLOT_ID slot, CK_FLAGS flags) {
  CK_SESSION_HANDLE session = 0;
  REQUIRE(functions().C_OpenSession(slot, flags, nullptr, nullptr, &session) == CKR_OK);
  return session;
}

Template& Template::bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
  Bytes& kept = values_.emplace_back(to_bytes(value));
  attributes_.push_back({type, kept.data(), kept.size()});
  return *this;
}

Template& Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  Bytes copy(sizeof value);
  std::memcpy(copy.data(), &value, sizeof value);
  return bytes(type, copy);
}

CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, std::string_view value) {
  return {type, const_cast<char*>(value.data()), value.size()};
}
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const CK_ULONG& value) {
  return {type, const_cast<CK_ULONG*>(&value), sizeof value};
}
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const CK_BBOOL& value) {
  return {type, const_cast<CK_BBOOL*>(&value), sizeof value};
}

std::vector<CK_OBJECT_HANDLE> find(CK_SESSION_HANDLE session, std::vector<CK_ATTRIBUTE> wanted) {
  return find_all(session, std::move(wanted), 2);
}

CK_OBJECT_HANDLE find_one(CK_SESSION_HANDLE session, CK_OBJECT_CLASS object_class, std::string_view label) {
  const auto found = find(session, {attribute(CKA_CLASS, object_class), attribute(CKA_LABEL, label)});
  REQUIRE(found.size() == 1);
  return found.front();
}

Bytes read(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CAPTURE(type);
  CK_ATTRIBUTE wanted{type, nullptr, 0};
  REQUIRE(functions().C_GetAttributeValue(session, object, &wanted, 1) == CKR_OK);
  Bytes value(wanted.ulValueLen);
  wanted.pValue = value.data();
  REQUIRE(functions().C_GetAttributeValue(session, object, &wanted, 1) == CKR_OK);
  CHECK(wanted.ulValueLen == value.size());
  return value;
}

CK_ULONG read_number(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const Bytes value = read(session, object, type);
  CK_ULONG number = 0;
  REQUIRE(value.size() == sizeof number);
  std::memcpy(&number, value.data(), sizeof number);
  return number;
}

CK_RV try_to_sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, Bytes data, Bytes& signature) {
  CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
  if (const CK_RV rv = functions().C_SignInit(session, &mechanism, key); rv != CKR_OK) return rv;
  signature.resize(64);
  CK_ULONG size = signature.size();
  return functions().C_Sign(session, data.data(), data.size(), signature.data(), &size);
}

bool is_signature(EVP_PKEY* key, ByteView data, ByteView signature) {
  REQUIRE(signature.size() == 64);
  const ossl::Ptr<ECDSA_SIG, ECDSA_SIG_free> pair(::ECDSA_SIG_new());
  REQUIRE(::ECDSA_SIG_set0(pair.get(), ::BN_bin2bn(signature.data(), 32, nullptr),
                           ::BN_bin2bn(signature.data() + 32, 32, nullptr)) == 1);
  Bytes der(80);
  unsigned char* end = der.data();
  der.resize(static_cast<std::size_t>(::i2d_ECDSA_SIG(pair.get(), &end)));
  const ossl::MdCtx context(::EVP_MD_CTX_new());
  REQUIRE(::EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key, nullptr) == 1);
  return ::EVP_DigestVerify(context.get(), der.data(), der.size(), data.data(), data.size()) == 1;
}

bool is_signature(CK_SESSION_HANDLE session, std::string_view certificate, ByteView data, ByteView signature) {
  const Bytes der = read(session, find_one(session, CKO_CERTIFICATE, certificate), CKA_VALUE);
  const unsigned char* at = der.data();
  const ossl::Cert decoded(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  REQUIRE(decoded != nullptr);
  return is_signature(::X509_get0_pubkey(decoded.get()), data, signature);
}

CK_RV read_failure(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE wanted{type, nullptr, 0};
  const CK_RV rv = functions().C_GetAttributeValue(session, object, &wanted, 1);
  CHECK(wanted.ulValueLen == CK_UNAVAILABLE_INFORMATION);
  return rv;
}

}  // namespace sks::test
