#include "tests/provisioning-server/authority/fake_token.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/provisioning-server/authority/authority_lab.h"

namespace sks::test {
namespace {

const crypto::PrivateKey* key_in_use = nullptr;

bool sign(const std::uint8_t* digest, unsigned long size, std::uint8_t* out, unsigned long* out_size) {
  const auto raw = key_in_use->sign_ecdsa_digest({digest, size});
  if (!raw || raw->size() > *out_size) return false;
  std::copy(raw->begin(), raw->end(), out);
  *out_size = raw->size();
  return true;
}

}  // namespace

FakeModule::FakeModule() : FakeModule(new_key()) {}

FakeModule::FakeModule(crypto::PrivateKey key)
    : library_(dlopen(kFakeModule, RTLD_NOW | RTLD_LOCAL)), key_(std::move(key)) {
  REQUIRE(library_ != nullptr);
  token_ = static_cast<FakeToken*>(dlsym(library_, "fake_token"));
  REQUIRE(token_ != nullptr);
  key_in_use = &key_;
  token_->sign = sign;
}

FakeModule::~FakeModule() { dlclose(library_); }

}  // namespace sks::test
