/* A device with a key store in its flash: what an integrator writes around libsks, as short as it gets.

   usage: sks-device IMAGE CERTIFICATE KEY serve
          sks-device IMAGE CERTIFICATE KEY list
          sks-device IMAGE CERTIFICATE KEY sign HANDLE PIN MESSAGE

   IMAGE is the flash chip, a file made when it is missing. CERTIFICATE and KEY are the identity that the device got at
   the factory: X.509 and PKCS#8, both DER. serve answers the byte stream (spec/sks-byte-stream.md) on standard input
   and output, as a device would on a serial line. */

#include <errno.h>
#include <inttypes.h>
#include <sks.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flash_file.h"
#include "flash_log.h"
#include "verify.h"

enum { MAX_REQUEST = 262144, FRAME_HEADER_SIZE = 4 };

struct device {
  struct flash_file chip;
  struct flash_log log;
  uint8_t certificate[4096];
  uint8_t key[4096];
  sks_store* store;
};

/* Not on the stack: devices have small ones. */
static struct device device;
static uint8_t request[MAX_REQUEST];

static int fail(const char* what, const sks_error* error) {
  fprintf(stderr, "%s: %s: %s\n", what, sks_status_name(error->status), error->text);
  return EXIT_FAILURE;
}

static int fail_plainly(const char* what, const char* why) {
  fprintf(stderr, "%s: %s\n", what, why);
  return EXIT_FAILURE;
}

static sks_bytes read_file(const char* path, uint8_t* buffer, size_t capacity) {
  sks_bytes contents = {buffer, 0};
  FILE* const file = fopen(path, "rb");
  if (file == NULL) return contents;
  contents.size = fread(buffer, 1, capacity, file);
  fclose(file);
  return contents;
}

static int open_store(const char* image, const char* certificate_file, const char* key_file) {
  if (flash_file_open(&device.chip, image) != 0) return fail_plainly(image, strerror(errno));
  if (flash_log_open(&device.log, &device.chip.flash) != FLASH_LOG_OK)
    return fail_plainly(image, "holds something else than our log");

  const sks_bytes certificate = read_file(certificate_file, device.certificate, sizeof device.certificate);
  const sks_storage storage = flash_log_storage(&device.log);
  const sks_identity identity = {.struct_size = sizeof identity,
                                 .certificate_path = &certificate,
                                 .certificate_count = 1,
                                 .private_key = read_file(key_file, device.key, sizeof device.key)};
  const sks_options options = {.struct_size = sizeof options,
                               .storage = &storage,
                               .identity = &identity,
                               .vendor_name = "Example",
                               .vendor_description = "A key store in a flash image"};
  sks_error error;
  if (sks_open(&options, &device.store, &error) != SKS_OK) return fail("cannot open the store", &error);
  return EXIT_SUCCESS;
}

/* ---- serve ---- */

static size_t get_frame_size(const uint8_t* header) {
  return (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | (size_t)header[3];
}

static int write_frame(const sks_buffer* body) {
  const uint8_t header[FRAME_HEADER_SIZE] = {(uint8_t)(body->size >> 24), (uint8_t)(body->size >> 16),
                                             (uint8_t)(body->size >> 8), (uint8_t)body->size};
  return fwrite(header, sizeof header, 1, stdout) == 1 && fwrite(body->data, body->size, 1, stdout) == 1 &&
         fflush(stdout) == 0;
}

static int serve(void) {
  /* Requests carry PINs: they stay where we can see them, not in a buffer of stdio. */
  setvbuf(stdin, NULL, _IONBF, 0);
  uint8_t header[FRAME_HEADER_SIZE];
  while (fread(header, sizeof header, 1, stdin) == 1) {
    const size_t size = get_frame_size(header);
    if (size == 0 || size > sizeof request) return fail_plainly("serve", "a frame of this size ends the stream");
    if (fread(request, size, 1, stdin) != 1) return fail_plainly("serve", "the stream ends within a frame");
    sks_buffer response = {NULL, 0};
    sks_error error;
    const sks_status status = sks_transact(device.store, request, size, &response, &error);
    memset(request, 0, size);
    if (status != SKS_OK) return fail("serve", &error);
    const int is_written = write_frame(&response);
    sks_buffer_free(&response);
    if (!is_written) return fail_plainly("serve", strerror(errno));
  }
  return EXIT_SUCCESS;
}

/* ---- list ---- */

static int list_key(uint32_t key) {
  sks_error error;
  sks_key_attributes* attributes = NULL;
  if (sks_get_key_attributes(device.store, key, &attributes, &error) != SKS_OK) return fail("list", &error);
  sks_key_protection_info info = {.struct_size = sizeof info};
  const sks_status status = sks_get_key_protection_info(device.store, key, &info, &error);
  if (status == SKS_OK)
    printf("%" PRIu32 " \"%s\" %s, %d wrong PINs\n", key, attributes->friendly_name.data,
           (info.protection_status & SKS_PIN_PROTECTED) != 0 ? "with PIN" : "without PIN", info.pin_error_count);
  sks_key_attributes_free(attributes);
  return status == SKS_OK ? EXIT_SUCCESS : fail("list", &error);
}

static int list(void) {
  sks_error error;
  for (uint32_t key = 0;;) {
    if (sks_enumerate_keys(device.store, key, &key, NULL, &error) != SKS_OK) return fail("list", &error);
    if (key == 0) return EXIT_SUCCESS;
    if (list_key(key) != EXIT_SUCCESS) return EXIT_FAILURE;
  }
}

/* ---- sign ---- */

static sks_bytes bytes_of(const char* text) {
  const sks_bytes bytes = {(const uint8_t*)text, strlen(text)};
  return bytes;
}

/* What a careful device does with what it has signed: looks whether the certified key says the same. */
static int check(uint32_t key, sks_bytes message, const sks_buffer* signature) {
  sks_error error;
  sks_key_attributes* attributes = NULL;
  if (sks_get_key_attributes(device.store, key, &attributes, &error) != SKS_OK) return fail("sign", &error);
  const int is_right = verify_ecdsa_sha256(attributes->certificates[0], message, signature->data, signature->size);
  sks_key_attributes_free(attributes);
  return is_right ? EXIT_SUCCESS : fail_plainly("sign", "the certificate does not verify the signature");
}

static int sign(uint32_t key, const char* pin, const char* text) {
  const sks_operation operation = {.struct_size = sizeof operation,
                                   .algorithm = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
                                   .pin = bytes_of(pin),
                                   .key = key};
  const sks_bytes message = bytes_of(text);
  sks_buffer signature = {NULL, 0};
  sks_error error;
  if (sks_sign_data(device.store, &operation, message.data, message.size, &signature, &error) != SKS_OK)
    return fail("sign", &error);
  const int result = check(key, message, &signature);
  for (size_t i = 0; result == EXIT_SUCCESS && i < signature.size; ++i) printf("%02x", signature.data[i]);
  sks_buffer_free(&signature);
  if (result == EXIT_SUCCESS) printf("\n");
  return result;
}

static int run(int argc, char** argv) {
  if (argc == 5 && strcmp(argv[4], "serve") == 0) return serve();
  if (argc == 5 && strcmp(argv[4], "list") == 0) return list();
  if (argc == 8 && strcmp(argv[4], "sign") == 0) return sign((uint32_t)strtoul(argv[5], NULL, 10), argv[6], argv[7]);
  return fail_plainly(argv[0], "unknown command");
}

int main(int argc, char** argv) {
  if (argc < 5) return fail_plainly("usage", "sks-device IMAGE CERTIFICATE KEY serve|list|sign HANDLE PIN MESSAGE");
  if (open_store(argv[1], argv[2], argv[3]) != EXIT_SUCCESS) return EXIT_FAILURE;
  const int result = run(argc, argv);
  sks_close(device.store, NULL);
  flash_file_close(&device.chip);
  return result;
}
