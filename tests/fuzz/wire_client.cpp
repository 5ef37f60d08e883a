#include "sks-core/wire/client.h"
#include "tests/fuzz/checks.h"

namespace {

using namespace sks;

/// A server that answers with whatever it likes.
class HostileChannel final : public wire::Channel {
 public:
  explicit HostileChannel(ByteView answer) : answer_(answer) {}
  Result<SecureBytes> transact(ByteView) override { return SecureBytes::copy_of(answer_); }

 private:
  ByteView answer_;
};

template <class T>
void check(const Result<T>& result) {
  constexpr std::size_t kMaxErrorText = 2000;
  if (!result) fuzz::require(result.error().detail.size() <= kMaxErrorText, "an error text is short");
}

using Call = void (*)(SecureKeyStore&);

constexpr Call kCalls[] = {
    [](SecureKeyStore& store) { check(store.get_device_info()); },
    [](SecureKeyStore& store) { check(store.create_provisioning_session({})); },
    [](SecureKeyStore& store) { check(store.close_provisioning_session({}, {}, {})); },
    [](SecureKeyStore& store) { check(store.enumerate_provisioning_sessions({}, SessionState::open)); },
    [](SecureKeyStore& store) { check(store.abort_provisioning_session({})); },
    [](SecureKeyStore& store) { check(store.create_puk_policy({}, {})); },
    [](SecureKeyStore& store) { check(store.create_key_entry({}, {})); },
    [](SecureKeyStore& store) { check(store.activate({})); },
    [](SecureKeyStore& store) { check(store.enumerate_keys({})); },
    [](SecureKeyStore& store) { check(store.get_key_attributes({})); },
    [](SecureKeyStore& store) { check(store.get_key_protection_info({})); },
    [](SecureKeyStore& store) { check(store.get_extension({}, "type")); },
    [](SecureKeyStore& store) { check(store.export_key({}, {})); },
    [](SecureKeyStore& store) { check(store.update_firmware({})); },
    [](SecureKeyStore& store) { check(store.sign_data({}, "algorithm", {}, {}, {})); },
    [](SecureKeyStore& store) { check(store.symmetric_key_encrypt({}, "a", CipherMode::encrypt, {}, {}, {})); },
};

}  // namespace

/// Answers of a server to the client end of the byte stream: the first byte chooses the call.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in({data, size});
  const Call call = in.one_of(kCalls);
  wire::RemoteKeyStore store(std::make_unique<HostileChannel>(in.take(size)));
  call(store);
  return 0;
}
