#pragma once

struct ossl_lib_ctx_st;

namespace sks {

/// OpenSSL's library context of this project: separate from the one of the program we may be loaded into.
///
/// Programs, users and machines configure OpenSSL to use PKCS#11 modules, ours among them. Algorithms fetched from a
/// context of our own, which reads no configuration file, cannot lead back to us. It lives until the process ends:
/// freeing it at exit would race with OpenSSL's own cleanup.
ossl_lib_ctx_st* library_context();

}  // namespace sks
