#ifndef EXAMPLE_VERIFY_H
#define EXAMPLE_VERIFY_H

#include <sks.h>

/// Whether `signature` (r || s) is one over `message` by the EC key that `certificate` certifies.
int verify_ecdsa_sha256(sks_bytes certificate, sks_bytes message, const uint8_t* signature, size_t size);

#endif
