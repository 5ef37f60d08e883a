#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/key-user-api/pkcs11_client/scripted_daemon.h"
#include "tests/support/pkcs11/loaded_module.h"
#include "tests/support/temp_dir.h"

/// The module under test with a daemon of the test behind it.
namespace sks::test {

CK_FUNCTION_LIST_3_0& functions30();

/// A daemon, and the module between C_Initialize and C_Finalize.
class Lab {
 public:
  Lab();
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  TempDir folder;
  ScriptedDaemon daemon;

  CK_SESSION_HANDLE open(CK_SLOT_ID slot, CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION);
  /// In the slot with a PIN, and logged in.
  CK_SESSION_HANDLE logged_in();
};

CK_STATE state_of(CK_SESSION_HANDLE session);
CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key);
/// C_Sign of 32 bytes with a buffer that is large enough.
CK_RV sign(CK_SESSION_HANDLE session, Bytes* signature = nullptr);

}  // namespace sks::test
