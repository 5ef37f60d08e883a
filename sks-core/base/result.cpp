#include "sks-core/base/result.h"

#include <array>
#include <cstdio>

namespace sks {

std::string_view to_string(Status status) {
  switch (status) {
    case Status::authorization:
      return "ERROR_AUTHORIZATION";
    case Status::not_allowed:
      return "ERROR_NOT_ALLOWED";
    case Status::storage:
      return "ERROR_STORAGE";
    case Status::mac:
      return "ERROR_MAC";
    case Status::crypto:
      return "ERROR_CRYPTO";
    case Status::no_session:
      return "ERROR_NO_SESSION";
    case Status::no_key:
      return "ERROR_NO_KEY";
    case Status::algorithm:
      return "ERROR_ALGORITHM";
    case Status::option:
      return "ERROR_OPTION";
    case Status::internal:
      return "ERROR_INTERNAL";
    case Status::external:
      return "ERROR_EXTERNAL";
    case Status::user_abort:
      return "ERROR_USER_ABORT";
    case Status::not_available:
      return "ERROR_NOT_AVAILABLE";
  }
  SKS_CHECK(false);
}

Error::Error(Status failure, std::string&& text) noexcept : status(failure), detail(std::move(text)) {}
Error::Error(Status failure, std::string_view text) : status(failure), detail(text) {}
Error::Error(Status failure, const char* text) : status(failure), detail(text) {}
Error::Error(const Error& other) = default;
Error::Error(Error&& other) noexcept = default;
Error& Error::operator=(const Error& other) = default;
Error& Error::operator=(Error&& other) noexcept = default;
Error::~Error() = default;

void fail_check(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "sks: internal check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace sks
