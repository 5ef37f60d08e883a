#include <dlfcn.h>

/// usage: pkcs11_probe MODULE: loads a PKCS#11 module and asks it for its slots. 0 when there are some, 1 when there
/// are none or it refuses.
int main(int argc, char** argv) {
  constexpr int kUsage = 2;
  if (argc != 2) return kUsage;
  void* const module = ::dlopen(argv[1], RTLD_NOW);
  if (module == nullptr) return kUsage;
  struct FunctionList {
    unsigned char version[2];
    unsigned long (*initialize)(void*);
    unsigned long (*finalize)(void*);
    unsigned long (*get_info)(void*);
    unsigned long (*get_function_list)(FunctionList**);
    unsigned long (*get_slot_list)(unsigned char, unsigned long*, unsigned long*);
  };
  FunctionList* functions = nullptr;
  const auto get_list = reinterpret_cast<unsigned long (*)(FunctionList**)>(::dlsym(module, "C_GetFunctionList"));
  if (get_list == nullptr || get_list(&functions) != 0) return kUsage;
  if (functions->initialize(nullptr) != 0) return 1;
  unsigned long count = 0;
  const bool has_slots = functions->get_slot_list(1, nullptr, &count) == 0 && count > 0;
  if (functions->finalize(nullptr) != 0) return kUsage;
  return has_slots ? 0 : 1;
}
