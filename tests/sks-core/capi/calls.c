#include "tests/sks-core/capi/calls.h"

#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)              \
  do {                                 \
    if (!(condition)) return __LINE__; \
  } while (0)

/// Refused with this status, and the error says so in words.
#define REFUSED(expected, call)                                  \
  do {                                                           \
    memset(&error, 0x55, sizeof error);                          \
    EXPECT((call) == (expected));                                \
    EXPECT(error.status == (expected));                          \
    EXPECT(error.text[0] != '\0');                               \
    EXPECT(memchr(error.text, '\0', sizeof error.text) != NULL); \
  } while (0)

static const char kEcdsaSha256[] = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
static const uint8_t kMessage[3] = {1, 2, 3};

int misuse_of_texts(void) {
  EXPECT(strcmp(sks_version(), SKS_EXPECTED_VERSION) == 0);
  EXPECT(strcmp(sks_status_name(SKS_OK), "OK") == 0);
  EXPECT(strcmp(sks_status_name(SKS_ERROR_MAC), "ERROR_MAC") == 0);
  EXPECT(strcmp(sks_status_name(SKS_ERROR_NOT_AVAILABLE), "ERROR_NOT_AVAILABLE") == 0);
  EXPECT(sks_status_name(0x0E) == NULL);
  EXPECT(sks_status_name(-1) == NULL);
  sks_buffer_free(NULL);
  sks_key_attributes_free(NULL);
  sks_buffer cleared = {NULL, 0};
  sks_buffer_free(&cleared);
  return 0;
}

static sks_identity identity_of(const device_parts* device) {
  sks_identity identity = {sizeof identity, &device->certificate, 1, device->private_key, NULL, NULL};
  return identity;
}

static sks_options options_of(const sks_identity* identity) {
  sks_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.identity = identity;
  return options;
}

int misuse_of_open(const device_parts* device) {
  sks_error error;
  sks_store* store = NULL;
  const sks_identity identity = identity_of(device);
  const sks_options good = options_of(&identity);
  REFUSED(SKS_ERROR_OPTION, sks_open(NULL, &store, &error));
  REFUSED(SKS_ERROR_OPTION, sks_open(&good, NULL, &error));
  EXPECT(sks_open(NULL, NULL, NULL) == SKS_ERROR_OPTION);

  struct {
    sks_options options;
    uint8_t later_member;
  } larger;
  memset(&larger, 0, sizeof larger);
  larger.options = good;
  larger.options.struct_size = 0;
  REFUSED(SKS_ERROR_OPTION, sks_open(&larger.options, &store, &error));
  larger.options.struct_size = sizeof(sks_options) - 1;
  REFUSED(SKS_ERROR_OPTION, sks_open(&larger.options, &store, &error));
  larger.options.struct_size = (size_t)-1;
  REFUSED(SKS_ERROR_OPTION, sks_open(&larger.options, &store, &error));
  larger.options.struct_size = sizeof larger;
  larger.later_member = 1;
  REFUSED(SKS_ERROR_OPTION, sks_open(&larger.options, &store, &error));
  EXPECT(store == NULL);
  larger.later_member = 0;
  EXPECT(sks_open(&larger.options, &store, &error) == SKS_OK);
  EXPECT(error.status == SKS_OK && error.text[0] == '\0');
  EXPECT(sks_close(store, NULL) == SKS_OK);

  char name[130];
  memset(name, 'n', sizeof name);
  name[129] = '\0';
  sks_options options = good;
  options.vendor_name = name;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options.vendor_name = "";
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options.vendor_name = "\xC3";
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options = good;
  options.vendor_description = "";
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options = good;
  options.crypto_data_size = 16383;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options.crypto_data_size = 65000;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options = good;
  options.extension_data_size = 65535;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options.extension_data_size = 900001;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options = good;
  options.device_type = 0x10;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options = good;
  options.biometric_support = 2;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  return 0;
}

static int never_called(void* context) {
  (void)context;
  abort();
}

int misuse_of_open_ports(const device_parts* device) {
  sks_error error;
  sks_store* store = NULL;
  sks_identity identity = identity_of(device);
  sks_options options = options_of(NULL);
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options.identity = &identity;
  identity.struct_size = 1;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  identity = identity_of(device);
  identity.certificate_count = 0;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  identity = identity_of(device);
  identity.certificate_path = NULL;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  identity = identity_of(device);
  identity.private_key.size = 0;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  identity = identity_of(device);
  identity.private_key.data = NULL;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  identity = identity_of(device);
  identity.private_key = device->other_private_key;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  identity = identity_of(device);
  identity.private_key.size -= 1;
  REFUSED(SKS_ERROR_CRYPTO, sks_open(&options, &store, &error));
  identity = identity_of(device);
  const sks_bytes cut = {device->certificate.data, device->certificate.size - 1};
  identity.certificate_path = &cut;
  REFUSED(SKS_ERROR_CRYPTO, sks_open(&options, &store, &error));
  const sks_bytes absent = {NULL, 5};
  identity.certificate_path = &absent;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));

  identity = identity_of(device);
  sks_storage storage;
  memset(&storage, 0, sizeof storage);
  options.storage = &storage;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  storage.struct_size = sizeof storage;
  storage.begin = never_called;
  storage.commit = never_called;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options.storage = NULL;
  sks_device_pin device_pin;
  memset(&device_pin, 0, sizeof device_pin);
  options.device_pin = &device_pin;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  device_pin.struct_size = sizeof device_pin;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  options.device_pin = NULL;
  sks_environment environment;
  memset(&environment, 0, sizeof environment);
  options.environment = &environment;
  REFUSED(SKS_ERROR_OPTION, sks_open(&options, &store, &error));
  environment.struct_size = sizeof environment;
  EXPECT(sks_open(&options, &store, &error) == SKS_OK);
  EXPECT(sks_close(store, &error) == SKS_OK);
  return 0;
}

/// Every function that takes a store, with one that is not open.
static int refuses(sks_store* store) {
  sks_error error;
  uint32_t key = 7;
  uint32_t session = 7;
  sks_buffer buffer = {NULL, 0};
  sks_key_attributes* attributes = NULL;
  sks_key_protection_info info;
  sks_operation operation;
  memset(&info, 0x55, sizeof info);
  info.struct_size = sizeof info;
  memset(&operation, 0, sizeof operation);
  operation.struct_size = sizeof operation;
  operation.algorithm = kEcdsaSha256;
  REFUSED(SKS_ERROR_OPTION, sks_transact(store, kMessage, 1, &buffer, &error));
  REFUSED(SKS_ERROR_OPTION, sks_enumerate_keys(store, 0, &key, &session, &error));
  EXPECT(key == 0 && session == 0);
  REFUSED(SKS_ERROR_OPTION, sks_get_key_attributes(store, 1, &attributes, &error));
  REFUSED(SKS_ERROR_OPTION, sks_get_key_protection_info(store, 1, &info, &error));
  EXPECT(info.protection_status == 0 && info.key_backup == 0 && info.struct_size == sizeof info);
  REFUSED(SKS_ERROR_OPTION, sks_sign_data(store, &operation, kMessage, sizeof kMessage, &buffer, &error));
  REFUSED(SKS_ERROR_OPTION, sks_sign_hash(store, &operation, kMessage, sizeof kMessage, &buffer, &error));
  REFUSED(SKS_ERROR_OPTION, sks_decrypt(store, &operation, kMessage, sizeof kMessage, &buffer, &error));
  REFUSED(SKS_ERROR_OPTION, sks_agree(store, &operation, kMessage, sizeof kMessage, &buffer, &error));
  REFUSED(SKS_ERROR_OPTION, sks_close(store, &error));
  EXPECT(attributes == NULL && buffer.data == NULL && buffer.size == 0);
  return 0;
}

int misuse_of_handles(const device_parts* device) {
  sks_error error;
  EXPECT(refuses(NULL) == 0);
  int on_the_stack = 0;
  EXPECT(refuses((sks_store*)(void*)&on_the_stack) == 0);

  const sks_identity identity = identity_of(device);
  const sks_options options = options_of(&identity);
  sks_store* closed = NULL;
  EXPECT(sks_open(&options, &closed, &error) == SKS_OK);
  EXPECT(sks_close(closed, &error) == SKS_OK);
  EXPECT(refuses(closed) == 0);
  sks_store* next = NULL;
  EXPECT(sks_open(&options, &next, &error) == SKS_OK);
  EXPECT(next != closed); /* or the closed one would seem open again */
  EXPECT(refuses(closed) == 0);
  EXPECT(sks_close(next, NULL) == SKS_OK);
  EXPECT(sks_close(next, NULL) == SKS_ERROR_OPTION);
  return 0;
}

int misuse_of_transact(sks_store* store) {
  enum { kTooLong = 1048577 };
  sks_error error;
  sks_buffer response = {NULL, 0};
  REFUSED(SKS_ERROR_OPTION, sks_transact(store, NULL, 1, &response, &error));
  REFUSED(SKS_ERROR_OPTION, sks_transact(store, kMessage, 0, &response, &error));
  REFUSED(SKS_ERROR_OPTION, sks_transact(store, NULL, 0, &response, &error));
  REFUSED(SKS_ERROR_OPTION, sks_transact(store, kMessage, 1, NULL, &error));
  uint8_t* const too_long = calloc(kTooLong, 1);
  EXPECT(too_long != NULL);
  const sks_status status = sks_transact(store, too_long, kTooLong, &response, &error);
  free(too_long);
  EXPECT(status == SKS_ERROR_OPTION);
  EXPECT(response.data == NULL && response.size == 0);

  /* A request that makes no sense has an answer that says so. */
  const uint8_t no_method = 200;
  EXPECT(sks_transact(store, &no_method, 1, &response, &error) == SKS_OK);
  EXPECT(response.size > 3 && response.data[0] == SKS_ERROR_OPTION);
  sks_buffer_free(&response);
  EXPECT(response.data == NULL && response.size == 0);
  sks_buffer_free(&response);
  return 0;
}

int misuse_of_queries(sks_store* store, uint32_t key) {
  const uint32_t no_key = key + 1000;
  sks_error error;
  uint32_t session = 7;
  REFUSED(SKS_ERROR_OPTION, sks_enumerate_keys(store, 0, NULL, &session, &error));
  EXPECT(session == 0);
  uint32_t next = 7;
  EXPECT(sks_enumerate_keys(store, no_key, &next, NULL, &error) == SKS_OK);
  EXPECT(next == 0);

  sks_key_attributes* attributes = NULL;
  REFUSED(SKS_ERROR_OPTION, sks_get_key_attributes(store, key, NULL, &error));
  REFUSED(SKS_ERROR_NO_KEY, sks_get_key_attributes(store, no_key, &attributes, &error));
  EXPECT(attributes == NULL);
  EXPECT(sks_get_key_attributes(store, no_key, &attributes, NULL) == SKS_ERROR_NO_KEY);

  sks_key_protection_info info;
  memset(&info, 0x55, sizeof info);
  REFUSED(SKS_ERROR_OPTION, sks_get_key_protection_info(store, key, NULL, &error));
  REFUSED(SKS_ERROR_OPTION, sks_get_key_protection_info(store, key, &info, &error));
  info.struct_size = sizeof info;
  REFUSED(SKS_ERROR_NO_KEY, sks_get_key_protection_info(store, no_key, &info, &error));
  EXPECT(info.protection_status == 0 && info.key_backup == 0);
  return 0;
}

int misuse_of_operations(sks_store* store, uint32_t key) {
  sks_error error;
  sks_operation good;
  memset(&good, 0, sizeof good);
  good.struct_size = sizeof good;
  good.algorithm = kEcdsaSha256;
  good.key = key;
  sks_buffer out = {NULL, 0};
  REFUSED(SKS_ERROR_OPTION, sks_sign_data(store, NULL, kMessage, sizeof kMessage, &out, &error));
  REFUSED(SKS_ERROR_OPTION, sks_sign_data(store, &good, NULL, 1, &out, &error));
  REFUSED(SKS_ERROR_OPTION, sks_sign_data(store, &good, kMessage, sizeof kMessage, NULL, &error));
  sks_operation bad = good;
  bad.struct_size = 8;
  REFUSED(SKS_ERROR_OPTION, sks_sign_data(store, &bad, kMessage, sizeof kMessage, &out, &error));
  bad = good;
  bad.algorithm = NULL;
  REFUSED(SKS_ERROR_OPTION, sks_sign_data(store, &bad, kMessage, sizeof kMessage, &out, &error));
  bad = good;
  bad.pin.size = 4;
  REFUSED(SKS_ERROR_OPTION, sks_sign_data(store, &bad, kMessage, sizeof kMessage, &out, &error));
  bad = good;
  bad.biometric = 2;
  REFUSED(SKS_ERROR_OPTION, sks_sign_data(store, &bad, kMessage, sizeof kMessage, &out, &error));
  bad = good;
  bad.key = key + 1000;
  REFUSED(SKS_ERROR_NO_KEY, sks_sign_data(store, &bad, kMessage, sizeof kMessage, &out, &error));
  bad = good;
  bad.algorithm = "no such algorithm";
  REFUSED(SKS_ERROR_ALGORITHM, sks_sign_data(store, &bad, kMessage, sizeof kMessage, &out, &error));
  REFUSED(SKS_ERROR_OPTION, sks_sign_hash(store, &good, kMessage, sizeof kMessage, &out, &error));
  REFUSED(SKS_ERROR_ALGORITHM, sks_decrypt(store, &good, kMessage, sizeof kMessage, &out, &error));
  REFUSED(SKS_ERROR_ALGORITHM, sks_agree(store, &good, kMessage, sizeof kMessage, &out, &error));
  bad.algorithm = "https://webpki.github.io/sks/algorithm#ecdh.raw";
  REFUSED(SKS_ERROR_CRYPTO, sks_agree(store, &bad, kMessage, sizeof kMessage, &out, &error));
  EXPECT(out.data == NULL && out.size == 0);
  EXPECT(sks_sign_data(store, NULL, NULL, 1, NULL, NULL) == SKS_ERROR_OPTION);
  return 0;
}

int ordinary_use(sks_store* store, uint32_t key, uint32_t session) {
  sks_error error;
  uint32_t found = 0;
  uint32_t found_session = 0;
  EXPECT(sks_enumerate_keys(store, 0, &found, &found_session, &error) == SKS_OK);
  EXPECT(found == key && found_session == session);
  EXPECT(sks_enumerate_keys(store, found, &found, &found_session, &error) == SKS_OK);
  EXPECT(found == 0 && found_session == 0);

  sks_key_attributes* attributes = NULL;
  EXPECT(sks_get_key_attributes(store, key, &attributes, &error) == SKS_OK);
  const int is_complete = attributes->struct_size == sizeof *attributes && attributes->certificate_count == 1 &&
                          attributes->certificates[0].size > 100 && attributes->endorsed_algorithm_count == 0 &&
                          attributes->extension_type_count == 0 && attributes->symmetric_key_length == 0 &&
                          attributes->app_usage == 1 && strcmp(attributes->friendly_name.data, "A key") == 0 &&
                          attributes->friendly_name.size == strlen("A key");
  sks_key_attributes_free(attributes);
  EXPECT(is_complete);

  sks_key_protection_info info;
  memset(&info, 0x55, sizeof info);
  info.struct_size = sizeof info;
  EXPECT(sks_get_key_protection_info(store, key, &info, &error) == SKS_OK);
  EXPECT(info.protection_status == 0 && info.retry_limit == 0);

  sks_operation operation;
  memset(&operation, 0, sizeof operation);
  operation.struct_size = sizeof operation;
  operation.key = key;
  operation.algorithm = kEcdsaSha256;
  sks_buffer signature = {NULL, 0};
  EXPECT(sks_sign_data(store, &operation, kMessage, sizeof kMessage, &signature, &error) == SKS_OK);
  EXPECT(error.status == SKS_OK && error.text[0] == '\0');
  EXPECT(signature.size == 64);
  sks_buffer_free(&signature);
  EXPECT(sks_sign_data(store, &operation, NULL, 0, &signature, NULL) == SKS_OK);
  sks_buffer_free(&signature);
  return 0;
}
