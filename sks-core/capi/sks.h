#ifndef SKS_H
#define SKS_H

#include <stddef.h>
#include <stdint.h>

/// The key store for C: C99, no exception leaves it. Built for those who embed it in a device and bring their own
/// storage; docs/integrators/README.md is the way in.
///
/// Errors. A function that returns sks_status returns SKS_OK or the code that sks-api.md chapter 9 gives the failure,
/// and describes it in `error`, which may be null. Results are set on success; on failure they are null, empty or zero.
/// Each function names its own failures in checking order. Before them comes SKS_ERROR_OPTION: a required pointer is
/// null, a size has no data, a store is not open, a struct has an impossible struct_size. Any function can fail with
/// SKS_ERROR_INTERNAL (no memory, or a store that contradicts itself) and with SKS_ERROR_STORAGE (see sks_storage).
///
/// Threads. Every function may be called from any thread at any time, on one store or several. sks_close waits for the
/// calls that run. A callback must not call the store that called it: SKS_ERROR_NOT_ALLOWED.
///
/// Ownership. What goes in is borrowed until the function returns. What comes out belongs to the caller, who gives it
/// back to sks_buffer_free, which wipes it, or sks_key_attributes_free. The library allocates results because calls
/// have effects and cannot be repeated with a larger buffer: a wrong PIN costs an attempt every time.
///
/// Binary compatibility. A struct with `struct_size` may get further members at its end, for which zero means what
/// holds today: clear the whole struct and set struct_size to its sizeof. The other structs never change.

#if defined(__GNUC__)
#define SKS_API __attribute__((visibility("default")))
#else
#define SKS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef int sks_status;

enum {
  SKS_OK = 0x00,
  SKS_ERROR_AUTHORIZATION = 0x01, /* PIN or PUK wrong, missing or locked */
  SKS_ERROR_NOT_ALLOWED = 0x02,
  SKS_ERROR_STORAGE = 0x03,
  SKS_ERROR_MAC = 0x04,
  SKS_ERROR_CRYPTO = 0x05,
  SKS_ERROR_NO_SESSION = 0x06,
  SKS_ERROR_NO_KEY = 0x07,
  SKS_ERROR_ALGORITHM = 0x08,
  SKS_ERROR_OPTION = 0x09,
  SKS_ERROR_INTERNAL = 0x0A,
  SKS_ERROR_EXTERNAL = 0x0B,
  SKS_ERROR_USER_ABORT = 0x0C,
  SKS_ERROR_NOT_AVAILABLE = 0x0D
};

#define SKS_ERROR_TEXT_SIZE 2000 /* bytes, without terminator */

/// What went wrong, in one sentence of UTF-8 for people. Never holds secret data. Empty with SKS_OK.
typedef struct sks_error {
  sks_status status;
  char text[SKS_ERROR_TEXT_SIZE + 1];
} sks_error;

/// Borrowed bytes. `data` may be null when `size` is 0.
typedef struct sks_bytes {
  const uint8_t* data;
  size_t size; /* bytes */
} sks_bytes;

/// Borrowed UTF-8. data[size] is 0; a text can hold further zeros.
typedef struct sks_text {
  const char* data;
  size_t size; /* bytes, without terminator */
} sks_text;

/// Bytes that the library has allocated. Give it a cleared one, or one that has been freed.
typedef struct sks_buffer {
  uint8_t* data;
  size_t size; /* bytes */
} sks_buffer;

/// Names a record. The storage keeps both numbers as they are and attaches no meaning to them; later versions use
/// further kinds.
typedef struct sks_record_id {
  uint32_t handle;
  uint8_t kind;
} sks_record_id;

/// Takes one record. Whatever it returns other than 0 is returned by the callback that called it, at once. `value` is
/// copied before it returns.
typedef int (*sks_visit)(void* visitor, uint32_t handle, const uint8_t* value, size_t size);

/// Where the store keeps its records. All functions but make_room are required.
///
/// They return 0, or a number of the integrator's choice: the call then fails with SKS_ERROR_STORAGE and the number
/// in its text, and the store is as it was. They are never called by two threads at once, though by different ones, and
/// must not throw, jump out or call the store.
///
/// Each successful begin is followed by one commit or rollback, which ends the transaction whatever it returns; get,
/// put, erase and scan come in between. Reads see the writes of their own transaction.
///
/// Confidentiality and integrity are the storage's duty: records hold private keys and PINs in the clear.
typedef struct sks_storage {
  size_t struct_size;
  void* context; /* handed to every function; must outlive the store, as what it points to */
  int (*begin)(void* context);
  /// Visits the record, if there is one. No record is success too.
  int (*get)(void* context, sks_record_id id, sks_visit visit, void* visitor);
  /// Adds or replaces a record: up to some MiB, usually below 2 KiB, at times empty.
  int (*put)(void* context, sks_record_id id, const uint8_t* value, size_t size);
  /// Success for a record that is not there, too.
  int (*erase)(void* context, sks_record_id id);
  /// Visits every record of a kind in ascending order of handles.
  int (*scan)(void* context, uint8_t kind, sks_visit visit, void* visitor);
  /// Makes all writes durable, or none of them: when it returns 0, a power cut can no longer undo them; whenever power
  /// is cut before, the next start finds all of them or none.
  int (*commit)(void* context);
  void (*rollback)(void* context);
  /// Null, or gives up space that was set aside for a full medium, so that a commit that erases much and writes little
  /// can go through. Returns 1 when there was some, else 0. Between transactions.
  int (*make_room)(void* context);
} sks_storage;

/// The device certificate and its private key, with which sessions are attested. Spec: sks-api.md 1.1 and 3.2.
typedef struct sks_identity {
  size_t struct_size;
  const sks_bytes* certificate_path; /* X.509 DER, device certificate first, each issued by the next */
  size_t certificate_count;          /* at least 1 */
  /// PKCS#8 DER of an RSA or EC key, copied; empty when `sign` is set.
  sks_bytes private_key;
  /// For keys that do not leave their chip. Signs `data` with SHA-256: RSA PKCS#1 v1.5, or ECDSA as r || s of the
  /// curve's field size each. `*signature_size` is the room at `signature`, enough for such a signature, and becomes
  /// its size. Returns 0, or another number for failure. Called by several threads at once.
  int (*sign)(void* context, const uint8_t* data, size_t size, uint8_t* signature, size_t* signature_size);
  void* context;
} sks_identity;

/// A PIN of the device itself, such as the one that unlocks its screen.
typedef struct sks_device_pin {
  size_t struct_size;
  void* context;
  /// Returns 1 when the PIN is right. Everything else means that it is wrong. Limiting attempts is the device's
  /// business. Called by several threads at once.
  int (*verify)(void* context, const uint8_t* pin, size_t size);
} sks_device_pin;

/// Inputs from the world that replace those of the operating system. Each may be null. Called by several threads at
/// once.
typedef struct sks_environment {
  size_t struct_size;
  void* context;
  /// Fills `out` with unpredictable bytes, for session ids and IVs, and returns 0. Failure ends the process: there is
  /// nothing safe to go on with. Keys come from OpenSSL's generator in any case; to feed that one, configure OpenSSL.
  int (*random)(void* context, uint8_t* out, size_t size);
  int64_t (*now)(void* context); /* seconds since 1970-01-01T00:00:00Z */
  /// Returns after so many seconds. Delays guesses at a PUK that has no retry limit: never return early.
  void (*sleep)(void* context, uint32_t seconds);
} sks_environment;

typedef struct sks_options {
  size_t struct_size;
  const sks_storage* storage;         /* null: in memory, gone with sks_close */
  const sks_identity* identity;       /* required */
  const sks_device_pin* device_pin;   /* null: keys cannot ask for the device PIN */
  const sks_environment* environment; /* null: the operating system's */
  const char* vendor_name;            /* 1-128 characters; null: "OpenSKS" */
  const char* vendor_description;     /* 1-1000 characters; null: "OpenSKS software key store" */
  uint32_t crypto_data_size;          /* largest certificate, 16384-64999 bytes; 0: 16384 */
  uint32_t extension_data_size;       /* largest extension, 65536-900000 bytes; 0: 250000 */
  uint8_t device_type;                /* sks-api.md 4.1; 0: 0x01, embedded software */
  uint8_t biometric_support;          /* 1: callers check the user's biometrics; 0: nobody's claim is believed */
} sks_options;

/// An open store. Not an address: a store that is closed is recognised and refused.
typedef struct sks_store sks_store;

/// "0.1.0". Static.
SKS_API const char* sks_version(void);

/// "ERROR_MAC" for SKS_ERROR_MAC, "OK" for SKS_OK, null for what is no status. Static.
SKS_API const char* sks_status_name(sks_status status);

/// Opens the store that `options->storage` holds, or a new one in storage without records. The options and the structs
/// they point to are copied; contexts are not. One store at a time may use a storage.
///
/// Fails with option (sizes, texts or the device type out of range; neither or both of private_key and sign; a
/// certificate above 65,535 bytes or a path above 786,432; a key that is not that of the certificate, or neither RSA
/// nor EC), crypto (certificates or key that do not decode, or are no path), storage, or internal (records that
/// contradict one another).
SKS_API sks_status sks_open(const sks_options* options, sks_store** store, sks_error* error);

/// Refuses further calls, waits for those that run, and lets go of the storage: no callback is called after it returns.
/// Nothing is lost without it: what a call has changed is durable when the call returns, open sessions included.
SKS_API sks_status sks_close(sks_store* store, sks_error* error);

/// Runs one request of the byte stream: the bodies of spec/sks-byte-stream.md, without the length before them. Every
/// method of the SKS API can be called this way, provisioning among them.
///
/// SKS_OK means that there is a response, and that its first byte is the status of the method. Fails with option when
/// the request is empty or longer than 1,048,576 bytes: a stream would have to be closed.
SKS_API sks_status sks_transact(sks_store* store, const uint8_t* request, size_t size, sks_buffer* response,
                                sks_error* error);

/// The next key after `previous`, and its session; start with 0. At the end, and after a key that is gone, `*key` and
/// `*session` become 0. `session` may be null. Spec: sks-api.md 4.17.
SKS_API sks_status sks_enumerate_keys(sks_store* store, uint32_t previous, uint32_t* key, uint32_t* session,
                                      sks_error* error);

/// Spec: sks-api.md 4.18. Freed as a whole.
typedef struct sks_key_attributes {
  size_t struct_size;
  sks_text friendly_name;
  const sks_bytes* certificates; /* X.509 DER, that of the key first */
  size_t certificate_count;
  const sks_text* endorsed_algorithms; /* URIs; none: every algorithm that suits the key */
  size_t endorsed_algorithm_count;
  const sks_text* extension_types; /* URIs */
  size_t extension_type_count;
  uint16_t symmetric_key_length; /* bytes; 0: asymmetric */
  uint8_t app_usage;             /* 0 signature, 1 authentication, 2 encryption, 3 universal */
} sks_key_attributes;

/// Fails with no_key.
SKS_API sks_status sks_get_key_attributes(sks_store* store, uint32_t key, sks_key_attributes** attributes,
                                          sks_error* error);

/// Null is ignored.
SKS_API void sks_key_attributes_free(sks_key_attributes* attributes);

/// Bits of sks_key_protection_info.protection_status.
enum {
  SKS_PIN_PROTECTED = 0x01,
  SKS_PUK_PROTECTED = 0x02,
  SKS_PIN_BLOCKED = 0x04,
  SKS_PUK_BLOCKED = 0x08,
  SKS_DEVICE_PIN = 0x10,
  SKS_SUSPENDED = 0x20
};

/// The members and their order are those of sks-api.md 4.19; bools are 0 or 1.
typedef struct sks_key_protection_info {
  size_t struct_size; /* set by the caller */
  uint8_t protection_status;
  uint8_t puk_format;
  uint16_t puk_retry_limit;
  uint16_t puk_error_count;
  uint8_t user_defined;
  uint8_t user_modifiable;
  uint8_t format;
  uint8_t grouping;
  uint8_t pattern_restrictions;
  uint8_t input_method;
  uint16_t retry_limit;
  uint16_t min_length;
  uint16_t max_length;
  uint16_t pin_error_count;
  uint8_t enable_pin_caching;
  uint8_t biometric_protection;
  uint8_t export_protection;
  uint8_t delete_protection;
  uint8_t key_backup; /* bits: 0x01 imported, 0x02 exported */
} sks_key_protection_info;

/// Fails with no_key.
SKS_API sks_status sks_get_key_protection_info(sks_store* store, uint32_t key, sks_key_protection_info* info,
                                               sks_error* error);

/// Which key is to do what, and who asks.
typedef struct sks_operation {
  size_t struct_size;
  const char* algorithm; /* URI of sks-api.md 6.1 */
  sks_bytes pin;         /* as sks-api.md 5.1 gives it for the PIN's format; empty: none */
  uint32_t key;
  uint8_t biometric; /* 1: the user's biometrics have just been checked */
} sks_operation;

/// Signs a message, and a hash that was made elsewhere. ECDSA signatures are r || s of the curve's field size each.
///
/// Fail with no_key, not_allowed (suspended), authorization (a wrong PIN is counted, durably, before this returns),
/// option, algorithm or crypto. Spec: sks-api.md 4.27 and 4.28.
SKS_API sks_status sks_sign_data(sks_store* store, const sks_operation* operation, const uint8_t* data, size_t size,
                                 sks_buffer* signature, sks_error* error);
SKS_API sks_status sks_sign_hash(sks_store* store, const sks_operation* operation, const uint8_t* hash, size_t size,
                                 sks_buffer* signature, sks_error* error);

/// RSA decryption. Fails as sks_sign_data. Spec: sks-api.md 4.29.
SKS_API sks_status sks_decrypt(sks_store* store, const sks_operation* operation, const uint8_t* ciphertext, size_t size,
                               sks_buffer* plaintext, sks_error* error);

/// The shared secret Z of ECDH, or of X25519 and X448, with a public key (SubjectPublicKeyInfo DER). Fails as
/// sks_sign_data. Spec: sks-api.md 4.30.
SKS_API sks_status sks_agree(sks_store* store, const sks_operation* operation, const uint8_t* public_key, size_t size,
                             sks_buffer* secret, sks_error* error);

/// Wipes and frees what a function put into `buffer`, and clears it. Null, and a cleared buffer, are ignored.
SKS_API void sks_buffer_free(sks_buffer* buffer);

#ifdef __cplusplus
}
#endif

#endif
