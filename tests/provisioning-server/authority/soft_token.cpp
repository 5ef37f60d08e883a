#include "tests/provisioning-server/authority/soft_token.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/provisioning-server/authority/authority_lab.h"

namespace sks::test {
namespace {

void require(const std::string& command) {
  const std::string output = run(command);
  CAPTURE(output);
  REQUIRE(output.find("exit ") == std::string::npos);
}

std::string tool() {
  return "pkcs11-tool --module " + std::string(kSoftHsm) + " --token-label issuer --login --pin 1234 ";
}

/// The threads of signers leave the module when they have noticed that nobody needs them.
void wait_until_unloaded() {
  while (void* const library = dlopen(kSoftHsm, RTLD_NOW | RTLD_NOLOAD)) {
    dlclose(library);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

SoftToken::SoftToken() {
  wait_until_unloaded();
  write_file(folder_.file("conf"), "directories.tokendir = " + folder_.path() + "\nobjectstore.backend = file\n");
  setenv("SOFTHSM2_CONF", folder_.file("conf").c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
  require("softhsm2-util --init-token --free --label issuer --so-pin 0000 --pin 1234");
}

void SoftToken::make_key(const std::string& type, const std::string& label, const std::string& id) {
  require(tool() + "--keypairgen --key-type " + type + " --label " + label + " --id " + id);
}

void SoftToken::remove_key(const std::string& label) {
  for (const char* const kind : {"privkey", "pubkey"})
    require(tool() + "--delete-object --type " + kind + " --label " + label);
}

}  // namespace sks::test
