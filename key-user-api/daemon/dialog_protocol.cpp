#include "key-user-api/daemon/dialog_protocol.h"

#include "key-user-api/dialog/pin_text.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/wire/body_writer.h"

namespace sks::daemon {
namespace {

constexpr std::size_t kRoom = 512;
constexpr std::size_t kMaxText = 2000;

void put_text(wire::BodyWriter& out, const std::string& text) {
  out.array(as_bytes(dialog::shorten(dialog::printable(text), kMaxText)));
}

}  // namespace

SecureBytes encode(const DialogRequest& request) {
  wire::BodyWriter out(kRoom);
  out.u32(request.number);
  out.u8(request.cancels ? 1 : 0);
  out.u8(request.consent ? 1 : 0);
  out.u32(request.question.program.pid);
  put_text(out, request.question.program.executable);
  put_text(out, request.question.token_label);
  put_text(out, request.question.what);
  put_text(out, request.question.problem);
  return out.take();
}

std::optional<DialogRequest> decode_request(ByteView packet) {
  ByteReader in(packet);
  DialogRequest request;
  request.number = in.u32();
  request.cancels = in.boolean();
  request.consent = in.boolean();
  request.question.program.pid = in.u32();
  request.question.program.executable = in.text();
  request.question.token_label = in.text();
  request.question.what = in.text();
  request.question.problem = in.text();
  if (!in.finish()) return std::nullopt;
  return request;
}

SecureBytes encode(const DialogAnswer& answer) {
  wire::BodyWriter out(kRoom);
  out.u32(answer.number);
  out.u8(answer.secret ? 1 : 0);
  out.array(answer.secret ? answer.secret->view() : ByteView());
  put_text(out, answer.failure);
  return out.take();
}

std::optional<DialogAnswer> decode_answer(ByteView packet) {
  ByteReader in(packet);
  DialogAnswer answer;
  answer.number = in.u32();
  const bool has_secret = in.boolean();
  const ByteView secret = in.array();
  answer.failure = in.text();
  if (!in.finish()) return std::nullopt;
  if (has_secret) answer.secret = SecureBytes::copy_of(secret);
  return answer;
}

}  // namespace sks::daemon
