#include "sks-core/engine/records.h"

#include "sks-core/engine/directory.h"
#include "tests/fuzz/checks.h"

namespace {

using namespace sks;
using namespace sks::engine;

template <class T>
void decode_object(ByteView record) {
  const auto object = T::decode(typename T::Handle{7}, record);
  if (!object) return fuzz::require(object.error().status == Status::internal, "status of a bad record");
  const SecureBytes written = object->encode();
  const auto again = T::decode(typename T::Handle{7}, written.view());
  fuzz::require(again && equal(again->encode().view(), written.view()), "a written record is the same object");
  fuzz::require(object->row() == again->row(), "a written record has the same row");
}

void decode_counters(ByteView record) {
  const auto counters = Counters::decode(record);
  if (!counters || !counters->with_directory) return;
  fuzz::require(equal(counters->encode().view(), record), "counters have one form");
}

void load_page(ByteView record) {
  Directory directory;
  if (record.size() < 4) return;
  const std::uint32_t handle =
      std::uint32_t{record[0]} << 24 | std::uint32_t{record[1]} << 16 | std::uint32_t{record[2]} << 8 | record[3];
  if (directory.load_page(handle, record.subspan(4))) directory.finish_loading();
}

constexpr void (*kDecoders[])(ByteView) = {
    decode_counters,          decode_object<Session>,  decode_object<KeyEntry>,  decode_object<PinPolicy>,
    decode_object<PukPolicy>, decode_object<PinGroup>, decode_object<Extension>, load_page,
};

}  // namespace

/// Records out of a storage: the first byte chooses the kind.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in({data, size});
  const auto decode = in.one_of(kDecoders);
  decode(in.take(size));
  return 0;
}
