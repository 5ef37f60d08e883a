#include "tests/sks-core/wire/exchanges.h"

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "tests/sks-core/wire/spy_store.h"

namespace sks::test {
namespace {

SecureBytes secret(std::string_view text) { return SecureBytes::copy_of(as_bytes(text)); }

/// What a method without outputs returns.
Result<std::string> written(const Result<void>& result) {
  if (!result) return result.error();
  return std::string("done");
}

/// What a method with one output returns.
template <class T>
Result<std::string> written(std::string_view name, const Result<T>& result) {
  if (!result) return result.error();
  return Line()(name, *result).text();
}

const Bytes kMac{0x4D, 0x41};
const Bytes kSignature{0x5A};

TargetAuthorization target() { return {{0x22}, kSignature, kMac}; }

Result<std::string> get_device_info(SecureKeyStore& store) {
  SKS_LET(const DeviceInfo info, store.get_device_info());
  Line line;
  line("apiLevel", info.api_level)("deviceType", info.device_type)("updateUrl", info.update_url);
  line("vendorName", info.vendor_name)("vendorDescription", info.vendor_description);
  line("path", info.certificate_path)("algorithms", info.supported_algorithms);
  line("cryptoDataSize", info.crypto_data_size)("extensionDataSize", info.extension_data_size);
  line("devicePin", info.device_pin_support)("biometric", info.biometric_support);
  return line.text();
}

Result<std::string> create_provisioning_session(SecureKeyStore& store) {
  SessionRequest request;
  request.session_key_algorithm = "s1";
  request.privacy_enabled = true;
  request.server_session_id = "srv";
  request.server_ephemeral_key = {0xE0};
  request.issuer_uri = "uri";
  request.key_management_key = {0x4B, 0x4D};
  request.client_time = 0x60000001;
  request.session_life_time = 0x2710;
  request.session_key_limit = 0xFFFF;
  request.server_certificate = {1, 2, 3};
  SKS_LET(const CreatedSession session, store.create_provisioning_session(request));
  Line line;
  line("id", session.client_session_id)("key", session.client_ephemeral_key)("attestation", session.attestation);
  return line("handle", session.handle).text();
}

Result<std::string> enumerate_sessions(SecureKeyStore& store, ProvisioningHandle previous, SessionState state) {
  SKS_LET(const std::optional<SessionInfo> info, store.enumerate_provisioning_sessions(previous, state));
  if (!info) return std::string("end");
  Line line;
  line("handle", info->handle)("algorithm", info->session_key_algorithm)("privacy", info->privacy_enabled);
  line("kmk", info->key_management_key)("clientTime", info->client_time)("lifeTime", info->session_life_time);
  line("server", info->server_session_id)("client", info->client_session_id)("issuer", info->issuer_uri);
  return line.text();
}

Result<std::string> create_pin_policy(SecureKeyStore& store) {
  PinPolicyRequest request;
  request.id = "PIN";
  request.puk_policy = {0x21};
  request.user_defined = true;
  request.user_modifiable = false;
  request.format = 1;
  request.retry_limit = 0x2710;
  request.grouping = 2;
  request.pattern_restrictions = 0x1F;
  request.min_length = 4;
  request.max_length = 0x80;
  request.input_method = 3;
  request.mac = kMac;
  return written("handle", store.create_pin_policy({5}, request));
}

Result<std::string> create_key_entry(SecureKeyStore& store) {
  KeyEntryRequest request;
  request.id = "Key";
  request.key_entry_algorithm = "k1";
  request.server_seed = {0x5E, 0xED};
  request.device_pin_protection = false;
  request.pin_policy = {0x22};
  request.pin_value = secret("1234");
  request.enable_pin_caching = true;
  request.biometric_protection = 4;
  request.export_protection = 5;
  request.delete_protection = 6;
  request.app_usage = 7;
  request.friendly_name = "J\xC3\xBCrg";
  request.key_algorithm = "p256";
  request.key_parameters = {1, 0, 1};
  request.endorsed_algorithms = {"a", "bc"};
  request.mac = kMac;
  SKS_LET(const CreatedKey key, store.create_key_entry({5}, request));
  return Line()("handle", key.handle)("key", key.public_key)("attestation", key.attestation).text();
}

Result<std::string> get_key_attributes(SecureKeyStore& store) {
  SKS_LET(const KeyAttributes key, store.get_key_attributes({0x21}));
  Line line;
  line("length", key.symmetric_key_length)("path", key.certificate_path)("usage", key.app_usage);
  line("name", key.friendly_name)("endorsed", key.endorsed_algorithms)("types", key.extension_types);
  return line.text();
}

Result<std::string> get_key_protection_info(SecureKeyStore& store) {
  SKS_LET(const KeyProtectionInfo info, store.get_key_protection_info({0x21}));
  Line line;
  line("status", info.protection_status)("pukFormat", info.puk_format)("pukRetryLimit", info.puk_retry_limit);
  line("pukErrors", info.puk_error_count)("userDefined", info.user_defined)("modifiable", info.user_modifiable);
  line("format", info.format)("retryLimit", info.retry_limit)("grouping", info.grouping);
  line("patterns", info.pattern_restrictions)("min", info.min_length)("max", info.max_length);
  line("input", info.input_method)("pinErrors", info.pin_error_count)("caching", info.enable_pin_caching);
  line("biometric", info.biometric_protection)("export", info.export_protection);
  return line("delete", info.delete_protection)("backup", info.key_backup).text();
}

Result<std::string> get_extension(SecureKeyStore& store) {
  SKS_LET(const ExtensionContent content, store.get_extension({0x21}, "urn:x"));
  return Line()("subType", content.sub_type)("qualifier", content.qualifier)("data", content.data).text();
}

Result<std::string> enumerate_keys(SecureKeyStore& store) {
  SKS_LET(const std::optional<EnumeratedKey> key, store.enumerate_keys({0x21}));
  if (!key) return std::string("end");
  return Line()("handle", key->handle)("session", key->session).text();
}

/// Bytes of a user crypto method up to its data: key 33, algorithm "alg", parameters 11 12, biometricAuth, PIN "12".
#define SKS_TEST_USER_ARGUMENTS "00000021 0003'alg' 0002 1112 01 0002'12'"
#define SKS_TEST_USER_CALL "key=33 algorithm=alg parameters=1112 biometric=1 pin=3132"
const Bytes kParameters{0x11, 0x12};
const Bytes kData{0xDA, 0x7A, 0x00};
Authorization user() { return {secret("12"), true}; }

std::vector<Exchange> make_provisioning_exchanges() {
  return {
      {"getDeviceInfo", "01", "getDeviceInfo",
       "00 006a 02 0001'u' 0002've' 0004'vd'c3a9 0002 0001 c1 0002 c2c3 0003 0002'a1' 0002'a2' 0002'a3' 00004000 "
       "0003d090 "
       "00 01",
       "apiLevel=106 deviceType=2 updateUrl=u vendorName=ve vendorDescription=vd\xC3\xA9 path=[c1,c2c3] "
       "algorithms=[a1,a2,a3] cryptoDataSize=16384 extensionDataSize=250000 devicePin=0 biometric=1",
       get_device_info},
      {"createProvisioningSession",
       "02 0002's1' 01 0003'srv' 0001 e0 0003'uri' 0002 4b4d 60000001 2710 ffff 0003 010203",
       "createProvisioningSession algorithm=s1 privacy=1 serverSessionId=srv serverEphemeralKey=e0 issuerUri=uri "
       "kmk=4b4d "
       "clientTime=1610612737 lifeTime=10000 keyLimit=65535 certificate=010203",
       "00 0006'client' 0002 e1e2 0001 a1 00000007", "id=client key=e1e2 attestation=a1 handle=7",
       create_provisioning_session},
      {"closeProvisioningSession", "03 00000005 0003 010203 0002 4d41",
       "closeProvisioningSession session=5 nonce=010203 mac=4d41", "00 0003 a1a2a3", "attestation=a1a2a3",
       [](SecureKeyStore& store) {
         return written("attestation", store.close_provisioning_session({5}, Bytes{1, 2, 3}, kMac));
       }},
      {"enumerateProvisioningSessions", "04 00000005 01", "enumerateProvisioningSessions previous=5 open=1",
       "00 00000009 0003'alg' 01 0001 4b 01020304 0000ffff 0006'server' 0006'client' 0003'uri'",
       "handle=9 algorithm=alg privacy=1 kmk=4b clientTime=16909060 lifeTime=65535 server=server client=client "
       "issuer=uri",
       [](SecureKeyStore& store) { return enumerate_sessions(store, {5}, SessionState::open); }},
      {"abortProvisioningSession", "05 ffffffff", "abortProvisioningSession session=4294967295", "00", "done",
       [](SecureKeyStore& store) { return written(store.abort_provisioning_session({0xFFFFFFFF})); }},
      {"updateKeyManagementKey", "07 00000005 0002 4b4d 0001 5a",
       "updateKeyManagementKey session=5 kmk=4b4d authorization=5a", "00", "done",
       [](SecureKeyStore& store) {
         return written(store.update_key_management_key({5}, Bytes{0x4B, 0x4D}, kSignature));
       }},
      {"createPukPolicy", "08 00000005 0003'PUK' 0002 0e0f 02 2710 0002 4d41",
       "createPukPolicy session=5 id=PUK encryptedPuk=0e0f format=2 retryLimit=10000 mac=4d41", "00 0000000b",
       "handle=11",
       [](SecureKeyStore& store) {
         return written("handle", store.create_puk_policy({5}, {"PUK", {14, 15}, 2, 10000, kMac}));
       }},
      {"createPinPolicy", "09 00000005 0003'PIN' 00000021 01 00 01 2710 02 1f 0004 0080 03 0002 4d41",
       "createPinPolicy session=5 id=PIN puk=33 userDefined=1 userModifiable=0 format=1 retryLimit=10000 grouping=2 "
       "patterns=31 min=4 max=128 inputMethod=3 mac=4d41",
       "00 0000000c", "handle=12", create_pin_policy},
      {"createKeyEntry",
       "0a 00000005 0003'Key' 0002'k1' 0002 5eed 00 00000022 0004'1234' 01 04 05 06 07 0005'J'c3bc'rg' 0004'p256' "
       "0003 010001 0002 0001'a' 0002'bc' 0002 4d41",
       "createKeyEntry session=5 id=Key keyEntryAlgorithm=k1 seed=5eed devicePin=0 pinPolicy=34 pin=31323334 caching=1 "
       "biometric=4 export=5 delete=6 usage=7 name=J\xC3\xBCrg keyAlgorithm=p256 parameters=010001 endorsed=[a,bc] "
       "mac=4d41",
       "00 0000000d 0002 5152 0001 a1", "handle=13 key=5152 attestation=a1", create_key_entry},
      {"getKeyHandle", "0b 00000005 0003'Key'", "getKeyHandle session=5 id=Key", "00 0000000e", "handle=14",
       [](SecureKeyStore& store) { return written("handle", store.get_key_handle({5}, "Key")); }},
      {"setCertificatePath", "0c 00000021 0002 0001 c1 0002 c2c3 0002 4d41",
       "setCertificatePath key=33 path=[c1,c2c3] mac=4d41", "00", "done",
       [](SecureKeyStore& store) {
         return written(store.set_certificate_path({0x21}, {{0xC1}, {0xC2, 0xC3}}, kMac));
       }},
      {"importSymmetricKey", "0d 00000021 0003 010203 0002 4d41",
       "importSymmetricKey key=33 encryptedKey=010203 mac=4d41", "00", "done",
       [](SecureKeyStore& store) {
         return written(store.import_symmetric_key({0x21}, Bytes{1, 2, 3}, kMac));
       }},
      {"importPrivateKey", "0e 00000021 0003 010203 0002 4d41", "importPrivateKey key=33 encryptedKey=010203 mac=4d41",
       "00", "done",
       [](SecureKeyStore& store) {
         return written(store.import_private_key({0x21}, Bytes{1, 2, 3}, kMac));
       }},
      {"addExtension", "0f 00000021 0005'urn:x' 03 0009'image/png' 00000002 d1d2 0002 4d41",
       "addExtension key=33 type=urn:x subType=3 qualifier=image/png data=d1d2 mac=4d41", "00", "done",
       [](SecureKeyStore& store) {
         return written(store.add_extension({0x21}, {"urn:x", 3, "image/png", {0xD1, 0xD2}, kMac}));
       }},
      {"activate", "18 00000005 00000022 0001 5a 0002 4d41", "activate session=5 target=34 authorization=5a mac=4d41",
       "00 01", "state=1",
       [](SecureKeyStore& store) {
         return written("state", store.activate({{5}, {0x22}, SecureBytes::copy_of(kSignature), kMac}));
       }},
      {"deactivate", "19 00000000 00000022 0004'1234' 0000",
       "deactivate session=0 target=34 authorization=31323334 mac=", "00 03", "state=3",
       [](SecureKeyStore& store) {
         return written("state", store.deactivate({{}, {0x22}, secret("1234"), {}}));
       }},
      {"postDeleteKey", "32 00000005 00000022 0001 5a 0002 4d41",
       "postDeleteKey handle=5 target=34 authorization=5a mac=4d41", "00", "done",
       [](SecureKeyStore& store) { return written(store.post_delete_key({5}, target())); }},
      {"postUnlockKey", "33 00000005 00000022 0001 5a 0002 4d41",
       "postUnlockKey handle=5 target=34 authorization=5a mac=4d41", "00", "done",
       [](SecureKeyStore& store) { return written(store.post_unlock_key({5}, target())); }},
      {"postUpdateKey", "34 00000021 00000022 0001 5a 0002 4d41",
       "postUpdateKey handle=33 target=34 authorization=5a mac=4d41", "00", "done",
       [](SecureKeyStore& store) { return written(store.post_update_key({0x21}, target())); }},
      {"postCloneKeyProtection", "35 00000021 00000022 0001 5a 0002 4d41",
       "postCloneKeyProtection handle=33 target=34 authorization=5a mac=4d41", "00", "done",
       [](SecureKeyStore& store) { return written(store.post_clone_key_protection({0x21}, target())); }},
  };
}

std::vector<Exchange> make_management_exchanges() {
  return {
      {"enumerateKeys", "46 00000021", "enumerateKeys previous=33", "00 0000000f 00000010", "handle=15 session=16",
       enumerate_keys},
      {"getKeyAttributes", "47 00000021", "getKeyAttributes key=33",
       "00 0014 0002 0001 c1 0002 c2c3 03 0004'name' 0002 0002'e1' 0002'e2' 0001 0002't1'",
       "length=20 path=[c1,c2c3] usage=3 name=name endorsed=[e1,e2] types=[t1]", get_key_attributes},
      {"getKeyProtectionInfo", "48 00000021", "getKeyProtectionInfo key=33",
       "00 27 01 0203 0405 01 00 06 0708 09 0a 0b0c 0d0e 0f 1011 01 12 13 14 15",
       "status=39 pukFormat=1 pukRetryLimit=515 pukErrors=1029 userDefined=1 modifiable=0 format=6 retryLimit=1800 "
       "grouping=9 patterns=10 min=2828 max=3342 input=15 pinErrors=4113 caching=1 biometric=18 export=19 delete=20 "
       "backup=21",
       get_key_protection_info},
      {"getExtension", "49 00000021 0005'urn:x'", "getExtension key=33 type=urn:x",
       "00 03 0009'image/png' 00000002 d1d2", "subType=3 qualifier=image/png data=d1d2", get_extension},
      {"setProperty", "4a 00000021 0005'urn:x' 0004'name' 0005'value'",
       "setProperty key=33 type=urn:x name=name value=value", "00", "done",
       [](SecureKeyStore& store) { return written(store.set_property({0x21}, "urn:x", "name", "value")); }},
      {"deleteKey", "50 00000021 0004'1234'", "deleteKey key=33 authorization=31323334", "00", "done",
       [](SecureKeyStore& store) { return written(store.delete_key({0x21}, secret("1234"))); }},
      {"exportKey", "51 00000021 0000", "exportKey key=33 authorization=", "00 0004 00000000", "key=00000000",
       [](SecureKeyStore& store) { return written("key", store.export_key({0x21}, {})); }},
      {"unlockKey", "52 00000021 0003'puk'", "unlockKey key=33 puk=70756b", "00", "done",
       [](SecureKeyStore& store) { return written(store.unlock_key({0x21}, secret("puk"))); }},
      {"changePin", "53 00000021 0003'old' 0004'1234'", "changePin key=33 pin=6f6c64 newPin=31323334", "00", "done",
       [](SecureKeyStore& store) { return written(store.change_pin({0x21}, secret("old"), secret("1234"))); }},
      {"setPin", "54 00000021 0003'puk' 0004'1234'", "setPin key=33 puk=70756b newPin=31323334", "00", "done",
       [](SecureKeyStore& store) { return written(store.set_pin({0x21}, secret("puk"), secret("1234"))); }},
      {"updateFirmware", "5a 00000003 010203", "updateFirmware chunk=010203", "00 0004'next'", "next=next",
       [](SecureKeyStore& store) {
         return written("next", store.update_firmware(Bytes{1, 2, 3}));
       }},
  };
}

std::vector<Exchange> make_user_exchanges() {
  return {
      {"signHashedData", "64" SKS_TEST_USER_ARGUMENTS "0003 da7a00",
       "signHashedData " SKS_TEST_USER_CALL " data=da7a00", "00 0002 5152", "result=5152",
       [](SecureKeyStore& store) {
         return written("result", store.sign_hashed_data({0x21}, "alg", kParameters, user(), kData));
       }},
      {"asymmetricKeyDecrypt", "65" SKS_TEST_USER_ARGUMENTS "0003 da7a00",
       "asymmetricKeyDecrypt " SKS_TEST_USER_CALL " data=da7a00", "00 0001 71", "result=71",
       [](SecureKeyStore& store) {
         return written("result", store.asymmetric_key_decrypt({0x21}, "alg", kParameters, user(), kData));
       }},
      {"keyAgreement", "66" SKS_TEST_USER_ARGUMENTS "0003 da7a00", "keyAgreement " SKS_TEST_USER_CALL " data=da7a00",
       "00 0002 7273", "result=7273",
       [](SecureKeyStore& store) {
         return written("result", store.key_agreement({0x21}, "alg", kParameters, user(), kData));
       }},
      {"performHmac", "67" SKS_TEST_USER_ARGUMENTS "00000003 da7a00", "performHmac " SKS_TEST_USER_CALL " data=da7a00",
       "00 0001 61", "result=61",
       [](SecureKeyStore& store) {
         return written("result", store.perform_hmac({0x21}, "alg", kParameters, user(), kData));
       }},
      {"symmetricKeyEncrypt", "68 00000021 0003'alg' 01 0002 1112 00 0002'12' 00000003 da7a00",
       "symmetricKeyEncrypt key=33 algorithm=alg parameters=1112 biometric=0 pin=3132 data=da7a00 encrypt=1",
       "00 00000002 7475", "result=7475",
       [](SecureKeyStore& store) {
         const Authorization authorization{secret("12"), false};
         return written("result", store.symmetric_key_encrypt({0x21}, "alg", CipherMode::encrypt, kParameters,
                                                              authorization, kData));
       }},
      {"signData", "69" SKS_TEST_USER_ARGUMENTS "00000003 da7a00", "signData " SKS_TEST_USER_CALL " data=da7a00",
       "00 0001 53", "result=53",
       [](SecureKeyStore& store) {
         return written("result", store.sign_data({0x21}, "alg", kParameters, user(), kData));
       }},
      {"verifyPin", "6a 00000021 0004'1234'", "verifyPin key=33 pin=31323334", "00", "done",
       [](SecureKeyStore& store) { return written(store.verify_pin({0x21}, secret("1234"))); }},
  };
}

}  // namespace

Bytes wire_bytes(std::string_view notation) {
  Bytes all;
  bool in_text = false;
  std::string digits;
  for (const char c : notation) {
    if (c == '\'') {
      in_text = !in_text;
    } else if (in_text) {
      all.push_back(static_cast<std::uint8_t>(c));
    } else if (c != ' ') {
      digits += c;
      if (digits.size() < 2) continue;
      all.push_back(from_hex(digits).value()[0]);
      digits.clear();
    }
  }
  REQUIRE(digits.empty());
  REQUIRE_FALSE(in_text);
  return all;
}

const std::vector<Exchange>& exchanges() {
  static const std::vector<Exchange> kAll = [] {
    std::vector<Exchange> all = make_provisioning_exchanges();
    for (const Exchange& exchange : make_management_exchanges()) all.push_back(exchange);
    for (const Exchange& exchange : make_user_exchanges()) all.push_back(exchange);
    return all;
  }();
  return kAll;
}

}  // namespace sks::test
