#include "key-user-api/pkcs11/operation.h"

#include <cstring>

#include "sks-core/wire/frame.h"

namespace sks::p11 {
namespace {

constexpr std::size_t kMostGathered = 16'384;
/// What stands around the data in a request.
constexpr std::size_t kRoomForTheRest = 256;
constexpr std::size_t kBlock = 16;
constexpr std::size_t kMostTag = 16;

// Where the key does not tell its size: RSA with 16,384 bits, and the largest curves.
constexpr std::size_t kMostModulus = 2048;
constexpr std::size_t kMostCurve = 72;
constexpr std::size_t kMostSignature = kMostModulus;

}  // namespace

void Operation::set_ticket(std::uint32_t ticket, Era era) {
  ticket_ = ticket;
  ticket_era_ = era;
}

Operation::Size Operation::size_of(std::size_t input) const {
  const bool is_decryption = start_.kind == Kind::decrypt;
  const std::size_t known = start_.facts.size;
  const EncodedMechanism& mechanism = start_.mechanism;
  switch (mechanism.row->output) {
    case Output::nothing:
      return {0, true};
    case Output::modulus:
      return {known != 0 ? known : kMostModulus, known != 0 && !is_decryption};
    case Output::ec_signature:
    case Output::eddsa_signature:
      return {2 * (known != 0 ? known : kMostCurve), known != 0};
    case Output::fixed:
      return {mechanism.row->size, true};
    case Output::chosen:
      return {mechanism.tag_size, true};
    case Output::same:
      return {input, true};
    case Output::padded:
      if (is_decryption) return {input, false};
      // Key wrapping pads to eight bytes, and only where it has to.
      return {(input / kBlock + 1) * kBlock + (mechanism.row->in_parts ? 0 : kBlock), mechanism.row->in_parts};
    case Output::tagged:
      if (is_decryption) return {input - std::min(input, mechanism.tag_size), false};
      return {input + mechanism.tag_size, true};
  }
  return {0, true};
}

bool Operation::is_plausible(const Size& size, std::size_t produced) const {
  return size.is_exact ? produced == size.most : produced <= size.most;
}

std::size_t Operation::input_limit() const {
  const std::size_t rest = kRoomForTheRest + start_.mechanism.parameter.size() + kMostSignature;
  return std::min(daemon_.maximum_data(), wire::kMaxBodySize - rest);
}

Rv Operation::too_long() const {
  return Rv{start_.kind == Kind::decrypt ? CKR_ENCRYPTED_DATA_LEN_RANGE : CKR_DATA_LEN_RANGE};
}

void Operation::write_start(Request& request) const {
  request.out.u8(static_cast<std::uint8_t>(start_.kind));
  write_object(request, start_.slot, start_.key, daemon_.era(), CKR_KEY_HANDLE_INVALID);
  start_.mechanism.write(request.out);
  request.out.u32(ticket_);
  if (ticket_ != 0) request.bind(ticket_era_, CKR_USER_NOT_LOGGED_IN);
}

Answer<Operation::Produced> Operation::call_for_bytes(Request request) const {
  SKS_LET(Reply reply, daemon_.call(std::move(request)));
  const ByteView bytes = reply.in.blob();
  SKS_TRY(reply.finish());
  return Produced{std::move(reply.body), bytes};
}

Answer<Operation::Produced> Operation::whole(ByteView data) {
  if (data.size() <= input_limit()) {
    Request request(kOperate, kRoomForTheRest + data.size());
    write_start(request);
    request.out.blob(data);
    return call_for_bytes(std::move(request));
  }
  if (!start_.mechanism.row->in_parts) return too_long();
  SKS_TRY(begin());
  SKS_LET(Produced first, send(data));
  SKS_LET(const Produced last, end_remote());
  SecureBytes all(first.bytes.size() + last.bytes.size());
  std::copy(last.bytes.begin(), last.bytes.end(), std::copy(first.bytes.begin(), first.bytes.end(), all.data()));
  const ByteView bytes = all.view();
  return Produced{std::move(all), bytes};
}

Answer<void> Operation::begin() {
  Request request(kBegin);
  write_start(request);
  SKS_LET(Reply reply, daemon_.call(std::move(request)));
  const std::uint32_t operation = reply.in.u32();
  SKS_TRY(reply.finish());
  remote_ = Remote{operation, reply.era};
  return {};
}

Answer<Operation::Produced> Operation::send_part(ByteView part) {
  Request request(kUpdate, kRoomForTheRest + part.size());
  request.bind(remote_->era, CKR_DEVICE_ERROR);
  request.out.u32(remote_->operation);
  request.out.blob(part);
  Answer<Produced> produced = call_for_bytes(std::move(request));
  if (!produced) remote_.reset();  // spec/sksd.md 7: an operation ends with its first failure
  return produced;
}

Answer<Operation::Produced> Operation::send(ByteView part) {
  const std::size_t limit = input_limit();
  if (part.size() <= limit) return send_part(part);
  SecureBytes all(part.size() + kBlock);
  std::size_t filled = 0;
  while (!part.empty()) {
    const std::size_t size = std::min(part.size(), limit);
    SKS_LET(const Produced produced, send_part(part.first(size)));
    if (produced.bytes.size() > all.size() - filled) return Rv{CKR_DEVICE_ERROR};
    std::copy(produced.bytes.begin(), produced.bytes.end(), all.data() + filled);
    filled += produced.bytes.size();
    part = part.subspan(size);
  }
  all.truncate(filled);
  const ByteView bytes = all.view();
  return Produced{std::move(all), bytes};
}

Answer<Operation::Produced> Operation::end_remote() {
  Request request(kFinish);
  request.bind(remote_->era, CKR_DEVICE_ERROR);
  request.out.u32(remote_->operation);
  request.out.blob({});
  remote_.reset();
  return call_for_bytes(std::move(request));
}

Step Operation::one_part(ByteView data, Buffer out) {
  if (in_parts_) return {CKR_OPERATION_NOT_INITIALIZED, false};
  if (kept_ && equal(kept_->input.view(), data)) return hand_out_kept(out);
  kept_.reset();
  const Size size = size_of(data.size());
  const bool is_question = out.data == nullptr;
  if (is_question || (size.is_exact && *out.size < size.most)) {
    *out.size = size.most;
    return {is_question ? CKR_OK : CKR_BUFFER_TOO_SMALL, true};
  }
  const Answer<Produced> produced = whole(data);
  if (!produced) return {produced.error().code, false};
  if (!is_plausible(size, produced->bytes.size())) return {CKR_DEVICE_ERROR, false};
  return hand_out(produced->bytes, data, out, true);
}

Step Operation::hand_out(ByteView output, ByteView input, Buffer out, bool is_last) {
  if (*out.size < output.size()) {
    *out.size = output.size();
    kept_ = Kept{SecureBytes::copy_of(input), SecureBytes::copy_of(output), is_last};
    return {CKR_BUFFER_TOO_SMALL, true};
  }
  *out.size = output.size();
  if (!output.empty()) std::memcpy(out.data, output.data(), output.size());
  return {CKR_OK, !is_last};
}

Step Operation::hand_out_kept(Buffer out) {
  if (out.data == nullptr) {
    *out.size = kept_->output.size();
    return {CKR_OK, true};
  }
  Kept kept = std::move(*kept_);
  kept_.reset();
  return hand_out(kept.output.view(), kept.input.view(), out, kept.is_last);
}

Step Operation::update(ByteView part, Buffer out) {
  in_parts_ = true;
  if (kept_) {
    if (kept_->is_last || !equal(kept_->input.view(), part)) return {CKR_DATA_INVALID, false};
    return hand_out_kept(out);
  }
  if (!start_.mechanism.row->in_parts) return {CKR_FUNCTION_NOT_SUPPORTED, false};
  if (out.data == nullptr) {
    *out.size = static_cast<CK_ULONG>(taken_ - produced_) + part.size();
    return {CKR_OK, true};
  }
  if (!remote_) {
    const Answer<void> begun = begin();
    if (!begun) return {begun.error().code, false};
  }
  const Answer<Produced> produced = send(part);
  if (!produced) return {produced.error().code, false};
  taken_ += part.size();
  if (produced->bytes.size() > taken_ - produced_) return {CKR_DEVICE_ERROR, false};
  produced_ += produced->bytes.size();
  return hand_out(produced->bytes, part, out, false);
}

Answer<void> Operation::gather(ByteView part) {
  if (!remote_ && part.size() <= kMostGathered - gathered_size_) {
    const std::size_t needed = gathered_size_ + part.size();
    if (needed > gathered_.size()) {
      SecureBytes larger(std::min(kMostGathered, std::max(needed, 2 * gathered_.size())));
      std::copy_n(gathered_.data(), gathered_size_, larger.data());
      gathered_ = std::move(larger);
    }
    std::copy(part.begin(), part.end(), gathered_.data() + gathered_size_);
    gathered_size_ = needed;
    return {};
  }
  if (!start_.mechanism.row->in_parts) return too_long();
  if (!remote_) {
    SKS_TRY(begin());
    SKS_TRY(send(gathered()));
    gathered_ = SecureBytes();
    gathered_size_ = 0;
  }
  SKS_TRY(send(part));
  return {};
}

Step Operation::update(ByteView part) {
  if (kept_) return {CKR_OPERATION_NOT_INITIALIZED, false};
  in_parts_ = true;
  const Answer<void> done = gather(part);
  return {code_of(done), static_cast<bool>(done)};
}

Step Operation::finish(Buffer out) {
  if (kept_) return kept_->is_last && in_parts_ ? hand_out_kept(out) : Step{CKR_OPERATION_NOT_INITIALIZED, false};
  in_parts_ = true;
  const bool is_stream = start_.kind == Kind::encrypt || start_.kind == Kind::decrypt;
  const Size size =
      is_stream ? Size{static_cast<std::size_t>(taken_ - produced_) + kBlock + kMostTag, false} : size_of(0);
  const bool is_question = out.data == nullptr;
  if (is_question || (size.is_exact && *out.size < size.most)) {
    *out.size = size.most;
    return {is_question ? CKR_OK : CKR_BUFFER_TOO_SMALL, true};
  }
  if (is_stream && !remote_) {  // no part was given
    if (!start_.mechanism.row->in_parts) return {CKR_FUNCTION_NOT_SUPPORTED, false};
    const Answer<void> begun = begin();
    if (!begun) return {begun.error().code, false};
  }
  const Answer<Produced> produced = remote_ ? end_remote() : whole(gathered());
  if (!produced) return {produced.error().code, false};
  if (!is_plausible(size, produced->bytes.size())) return {CKR_DEVICE_ERROR, false};
  return hand_out(produced->bytes, {}, out, true);
}

Answer<void> Operation::verify_whole(ByteView data, ByteView signature) {
  if (data.size() <= input_limit()) {
    Request request(kVerify, kRoomForTheRest + data.size() + signature.size());
    write_object(request, start_.slot, start_.key, daemon_.era(), CKR_KEY_HANDLE_INVALID);
    start_.mechanism.write(request.out);
    request.out.blob(data);
    request.out.blob(signature);
    SKS_LET(const Reply reply, daemon_.call(std::move(request)));
    return reply.finish();
  }
  if (!start_.mechanism.row->in_parts) return too_long();
  SKS_TRY(begin());
  SKS_TRY(send(data));
  return {};
}

Step Operation::verify(ByteView data, ByteView signature) {
  if (in_parts_) return {CKR_OPERATION_NOT_INITIALIZED, false};
  if (signature.size() > kMostSignature) return {CKR_SIGNATURE_LEN_RANGE, false};
  const Answer<void> done = verify_whole(data, signature);
  if (!done || !remote_) return {code_of(done), false};
  return finish_verify(signature);
}

Step Operation::finish_verify(ByteView signature) {
  if (signature.size() > kMostSignature) return {CKR_SIGNATURE_LEN_RANGE, false};
  if (!remote_) {
    const Answer<void> done = verify_whole(gathered(), signature);
    return {code_of(done), false};
  }
  Request request(kFinishVerify, kRoomForTheRest + signature.size());
  request.bind(remote_->era, CKR_DEVICE_ERROR);
  request.out.u32(remote_->operation);
  request.out.blob(signature);
  remote_.reset();
  const Answer<Reply> reply = daemon_.call(std::move(request));
  return {reply ? code_of(reply->finish()) : reply.error().code, false};
}

void Operation::cancel() {
  if (!remote_) return;
  Request request(kAbandon);
  request.bind(remote_->era, CKR_DEVICE_ERROR);
  request.out.u32(remote_->operation);
  remote_.reset();
  // What becomes of an operation that nobody wants is not the application's affair.
  static_cast<void>(static_cast<bool>(daemon_.call(std::move(request))));
}

}  // namespace sks::p11
