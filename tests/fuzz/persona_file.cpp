#include "sealed-storage/persona_file.h"

#include <algorithm>

#include "tests/fuzz/checks.h"

namespace {

using namespace sks;

/// Has no passphrase: a fuzzer that derives keys gets nowhere.
class NoPassphrase final : public SecretSource {
  Result<SecureBytes> get(Secret /*secret*/, const std::string& /*store*/) override {
    return Error{Status::user_abort, "none"};
  }
};

}  // namespace

/// The head of an exported persona, once as it comes and once with its checksum mended.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = "file";
  const auto read = [&path](ByteView bytes) {
    const auto head = sealed::read_persona_head(bytes, path);
    if (!head) {
      fuzz::require(head.error().status == Status::option || head.error().status == Status::crypto, "status");
      return;
    }
    fuzz::require(bytes.size() == sealed::kPersonaHead, "a head has one size");
    fuzz::require(!head->name.empty() && head->name.size() <= sealed::kPersonaNameField, "size of the name");
    fuzz::require(head->name.find('\0') == std::string::npos, "no zero in the name");
    fuzz::require(head->image_size >= 1 && head->image_size <= sealed::kMaxImage, "size of the image");
    NoPassphrase none;
    fuzz::require(!sealed::open_persona_head(bytes, path, none), "nothing opens without a passphrase");
  };
  read({data, size});
  if (size < sealed::kPersonaHead) return 0;
  Bytes mended(data, data + sealed::kPersonaHead);
  const std::size_t checked = sealed::kPersonaHead - sealed::kChecksumSize;
  std::ranges::copy(sealed::checksum(ByteView(mended).first(checked)), mended.data() + checked);
  read(mended);
  return 0;
}
