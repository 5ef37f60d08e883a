#include "sks-core/capi/boundary.h"

#include <algorithm>
#include <cstdlib>

#include "sks-core/wire/error_text.h"

namespace sks::capi {

static_assert(SKS_ERROR_TEXT_SIZE == wire::kMaxErrorText);

sks_status report(sks_error* error, sks_status status, std::string_view text) noexcept {
  if (error == nullptr) return status;
  error->status = status;
  error->text[0] = '\0';
  try {
    const std::string harmless = wire::error_text(text);
    *std::ranges::copy(harmless, error->text).out = '\0';
  } catch (...) {  // no memory: the status has to do
  }
  return status;
}

Result<ByteView> read_bytes(const std::uint8_t* data, std::size_t size, std::string_view name) {
  if (data == nullptr && size != 0) return null_argument(name);
  return ByteView(data, size);
}

Result<bool> read_flag(std::uint8_t flag, std::string_view name) {
  if (flag > 1) return Error{Status::option, std::string(name) + " is neither 0 nor 1"};
  return flag == 1;
}

Result<sks_buffer> to_buffer(ByteView bytes) {
  auto* const data = static_cast<std::uint8_t*>(std::malloc(std::max<std::size_t>(bytes.size(), 1)));
  if (data == nullptr) return Error{Status::internal, "Out of memory"};
  std::ranges::copy(bytes, data);
  return sks_buffer{data, bytes.size()};
}

}  // namespace sks::capi
