#ifndef SKS_TESTS_CAPI_CALLS_H
#define SKS_TESTS_CAPI_CALLS_H

#include "sks-core/capi/sks.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What a device has, for callers in C.
typedef struct device_parts {
  sks_bytes certificate;
  sks_bytes private_key;
  sks_bytes other_private_key; /* of another EC key */
} device_parts;

/// Each calls sks.h as it must not be called, and returns the line of the first surprising answer, or 0.
int misuse_of_texts(void);
int misuse_of_open(const device_parts* device);
int misuse_of_open_ports(const device_parts* device);
int misuse_of_handles(const device_parts* device);
/// `key`: an EC key of `store` without PIN.
int misuse_of_transact(sks_store* store);
int misuse_of_queries(sks_store* store, uint32_t key);
int misuse_of_operations(sks_store* store, uint32_t key);
/// Lists, asks and signs as a program does that makes no mistake.
int ordinary_use(sks_store* store, uint32_t key, uint32_t session);

#ifdef __cplusplus
}
#endif

#endif
