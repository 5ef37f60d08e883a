#pragma once

#include <string>
#include <string_view>

#include "provisioning-server/repository.h"
#include "sks-core/crypto/x509.h"

/// What people see of the issuer. Nothing a request holds is repeated in a page.
namespace sks::issuer {

/// The body of a redirect, for what does not follow it. `location` is one of our own.
std::string redirect_page(std::string_view location);

std::string whoami_text(const crypto::Certificate& certificate, const Credential& credential);

/// "2026-11-21T15:04:05Z"
std::string time_text(std::int64_t seconds);

}  // namespace sks::issuer
