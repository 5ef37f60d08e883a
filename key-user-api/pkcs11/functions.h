#pragma once

#include "key-user-api/pkcs11/cryptoki.h"

namespace sks::p11 {

/// C_SessionCancel, which p11-kit's header does not declare.
CK_RV session_cancel(CK_SESSION_HANDLE session, CK_FLAGS flags);

}  // namespace sks::p11
