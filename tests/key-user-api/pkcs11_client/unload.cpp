#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "key-user-api/pkcs11/cryptoki.h"

/// Loads the module, uses it, unloads it. Twice: what the first round left behind would show in the second.
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  ::setenv("SKS_SOCKET", "/nonexistent/sks.sock", 1);  // NOLINT(concurrency-mt-unsafe)
  for (int round = 0; round < 2; ++round) {
    void* const library = ::dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return 3;
    CK_FUNCTION_LIST* functions = nullptr;
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    if (get == nullptr || get(&functions) != CKR_OK) return 4;
    CK_ULONG count = 0;
    if (functions->C_Initialize(nullptr) != CKR_OK) return 5;
    if (functions->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK || count != 0) return 6;
    if (functions->C_Finalize(nullptr) != CKR_OK) return 7;
    if (::dlclose(library) != 0) return 8;
    if (::dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != nullptr) return 9;
  }
  return 0;
}
