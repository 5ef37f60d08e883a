#pragma once

namespace sks::crypto {

/// Keeps OpenSSL from reading the configuration file of the machine, or that of the environment (OPENSSL_CONF), which
/// may name code to load. Call it before anything else of this folder.
void ignore_configuration_files();

}  // namespace sks::crypto
