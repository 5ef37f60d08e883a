#include <dlfcn.h>

/// usage: pkcs11_probe MODULE: loads a PKCS#11 module and initializes it. 0 when that succeeds, 1 when it refuses.
int main(int argc, char** argv) {
  constexpr int kUsage = 2;
  if (argc != 2) return kUsage;
  void* const module = ::dlopen(argv[1], RTLD_NOW);
  if (module == nullptr) return kUsage;
  struct FunctionList {
    unsigned char version[2];
    unsigned long (*initialize)(void*);
    unsigned long (*finalize)(void*);
  };
  FunctionList* functions = nullptr;
  const auto get_list = reinterpret_cast<unsigned long (*)(FunctionList**)>(::dlsym(module, "C_GetFunctionList"));
  if (get_list == nullptr || get_list(&functions) != 0) return kUsage;
  if (functions->initialize(nullptr) != 0) return 1;
  return functions->finalize(nullptr) == 0 ? 0 : kUsage;
}
