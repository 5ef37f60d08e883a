#include "keygen2/failure.h"

namespace sks::keygen2 {

std::string_view to_string(ErrorClass error_class) {
  switch (error_class) {
    case ErrorClass::http:
      return "HTTP";
    case ErrorClass::json:
      return "JSON";
    case ErrorClass::state:
      return "STATE";
    case ErrorClass::session:
      return "SESSION";
    case ErrorClass::value:
      return "VALUE";
    case ErrorClass::crypto:
      return "CRYPTO";
    case ErrorClass::time:
      return "TIME";
    case ErrorClass::policy:
      return "POLICY";
    case ErrorClass::sks:
      return "SKS";
    case ErrorClass::user:
      return "USER";
  }
  return "UNKNOWN";
}

Failure failure(ErrorClass error_class, const Error& error) { return {error_class, error.detail, error.status}; }

}  // namespace sks::keygen2
