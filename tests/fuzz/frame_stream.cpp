#include "key-user-api/daemon/frame_stream.h"

#include <algorithm>

#include "key-user-api/daemon/router.h"
#include "sks-core/wire/frame.h"
#include "tests/fuzz/checks.h"
#include "tests/fuzz/device.h"

namespace sks::token {
class Application {};
}  // namespace sks::token

namespace {

using namespace sks;

/// A token service that says yes.
class Yes final : public token::Service {
 public:
  std::shared_ptr<token::Application> new_application() override { return std::make_shared<token::Application>(); }
  SecureBytes answer(token::Application*, const token::Program&, ByteView, token::UseRecord&) noexcept override {
    return SecureBytes(1);
  }
  void store_changed() override {}
  void properties_changed(KeyHandle) override {}
  void pin_changed(KeyHandle) override {}
};

class Forget final : public daemon::UseSink {
 public:
  void add(const daemon::Use&) noexcept override {}
};

/// The bodies in `bytes` up to the first frame of a forbidden length, by the definition in sks-byte-stream.md.
std::vector<Bytes> frames_in(ByteView bytes) {
  std::vector<Bytes> bodies;
  while (bytes.size() >= 4) {
    const std::size_t size =
        std::size_t{bytes[0]} << 24 | std::size_t{bytes[1]} << 16 | std::size_t{bytes[2]} << 8 | bytes[3];
    if (size == 0 || size > 1'048'576 || bytes.size() - 4 < size) break;
    bodies.push_back(to_bytes(bytes.subspan(4, size)));
    bytes = bytes.subspan(4 + size);
  }
  return bodies;
}

}  // namespace

/// What a client sends, cut as the first bytes say: the same frames come out as when all is there at once, and each of
/// them is answered or ends the connection.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in({data, size});
  const std::size_t piece = std::size_t{1} + in.u8();
  const ByteView sent = in.take(size);

  fuzz::Device device;
  Yes service;
  Forget uses;
  daemon::Router router({device.api(), service,
                         [](KeyHandle) { return Result<std::optional<PinGroupHandle>>(std::nullopt); },
                         [](ProvisioningHandle) { return std::size_t{0}; },
                         [] {
                           return Error{Status::not_allowed, "no"};
                         },
                         uses});
  daemon::Caller caller{std::make_shared<daemon::Peer>()};
  daemon::FrameStream stream;
  std::vector<Bytes> bodies;
  bool usable = true;
  for (ByteView rest = sent; !rest.empty() && usable;) {
    const std::span<std::uint8_t> room = stream.room();
    fuzz::require(!room.empty(), "there is room for what comes");
    const std::size_t taken = std::min({piece, rest.size(), room.size()});
    std::ranges::copy(rest.first(taken), room.begin());
    stream.received(taken);
    rest = rest.subspan(taken);
    for (;;) {
      const auto body = stream.next();
      usable = static_cast<bool>(body);
      if (!body || !*body) break;
      bodies.push_back(to_bytes(**body));
      const daemon::Router::Answer answer = router.answer(caller, **body);
      fuzz::require(wire::is_body_size(answer.body.size()), "every request is answered");
      stream.done();
    }
  }
  fuzz::require(bodies == frames_in(sent), "the frames are those that were sent");
  return 0;
}
