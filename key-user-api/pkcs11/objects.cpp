#include "key-user-api/pkcs11/objects.h"

#include "key-user-api/pkcs11/attributes.h"

namespace sks::p11 {
namespace {

/// Applications that look for one object get it with the first answer.
constexpr std::uint16_t kPage = 256;

/// result of spec/sksd.md 6, getAttributes.
constexpr std::uint8_t kHasValue = 0;
constexpr std::uint8_t kNoSuchAttribute = 1;
constexpr std::uint8_t kSensitive = 2;

/// Keeps the first of several reasons.
CK_RV first_of(CK_RV so_far, CK_RV next) { return so_far != CKR_OK ? so_far : next; }

CK_RV refuse(CK_ATTRIBUTE& attribute, CK_RV code) {
  attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
  return code;
}

}  // namespace

Answer<void> check_use(const KeyFacts& key, const Mechanism& mechanism, CK_FLAGS use) {
  if (!suits(mechanism, key.type)) return Rv{CKR_KEY_TYPE_INCONSISTENT};
  if ((key.uses & use) == 0) return Rv{CKR_KEY_FUNCTION_NOT_PERMITTED};
  return {};
}

Answer<void> Objects::check_may_write(const Session& session, Template attributes) {
  if (!session.read_write && boolean_of(attributes, CKA_TOKEN, false)) return Rv{CKR_SESSION_READ_ONLY};
  return {};
}

Answer<void> Objects::check_may_write(const Session& session, CK_OBJECT_HANDLE object) {
  if (!session.read_write && !is_session_object(object)) return Rv{CKR_SESSION_READ_ONLY};
  return {};
}

void Objects::write_object(Request& request, const Session& session, CK_OBJECT_HANDLE object, CK_RV invalid) const {
  p11::write_object(request, session.slot, object, daemon_.era(), invalid);
}

Answer<CK_OBJECT_HANDLE> Objects::read_object(Session& session, Reply& reply) {
  SKS_LET(const CK_OBJECT_HANDLE handle, handle_for_application(reply.in.u64(), reply.era));
  if (is_session_object(handle)) session.objects.push_back(handle);
  return handle;
}

Answer<CK_OBJECT_HANDLE> Objects::call_for_object(Session& session, Request request) {
  SKS_LET(Reply reply, daemon_.call(std::move(request)));
  SKS_LET(const CK_OBJECT_HANDLE handle, read_object(session, reply));
  SKS_TRY(reply.finish());
  return handle;
}

Answer<CK_OBJECT_HANDLE> Objects::create(Session& session, Template attributes) {
  SKS_TRY(check_may_write(session, attributes));
  Request request(kCreateObject);
  request.out.u32(session.slot);
  SKS_TRY(write_template(request.out, attributes));
  return call_for_object(session, std::move(request));
}

Answer<CK_OBJECT_HANDLE> Objects::copy(Session& session, CK_OBJECT_HANDLE object, Template attributes) {
  // A copy is of the token when the original is, unless the template says otherwise.
  if (!session.read_write && boolean_of(attributes, CKA_TOKEN, !is_session_object(object)))
    return Rv{CKR_SESSION_READ_ONLY};
  Request request(kCopyObject);
  write_object(request, session, object, CKR_OBJECT_HANDLE_INVALID);
  SKS_TRY(write_template(request.out, attributes));
  return call_for_object(session, std::move(request));
}

Answer<void> Objects::destroy(Session& session, CK_OBJECT_HANDLE object) {
  if (!session.read_write && !is_session_object(object)) {
    SKS_TRY(exists(session, object));
    return Rv{CKR_SESSION_READ_ONLY};
  }
  const Answer<void> done = destroy_object(daemon_, session.slot, object);
  keys_.forget();
  if (done) std::erase(session.objects, object);
  return done;
}

Answer<Reply> Objects::ask(Session& session, CK_OBJECT_HANDLE object, std::span<const CK_ATTRIBUTE_TYPE> types) {
  Request request(kGetAttributes, 64 + 8 * types.size());
  write_object(request, session, object, CKR_OBJECT_HANDLE_INVALID);
  request.out.count(types.size());
  for (const CK_ATTRIBUTE_TYPE type : types) request.out.u64(type);
  SKS_LET(Reply reply, daemon_.call(std::move(request)));
  if (reply.in.u16() != types.size()) return Rv{CKR_DEVICE_ERROR};
  return reply;
}

CK_RV Objects::get(Session& session, CK_OBJECT_HANDLE object, std::span<CK_ATTRIBUTE> attributes) {
  CK_RV code = CKR_OK;
  do {  // without attributes, too: whether the object is there
    const std::span<CK_ATTRIBUTE> some = attributes.first(std::min(attributes.size(), kMostAttributes));
    attributes = attributes.subspan(some.size());
    code = get_some(session, object, some, code);
    if (code == CKR_OBJECT_HANDLE_INVALID || code == CKR_DEVICE_ERROR) return code;
  } while (!attributes.empty());
  return code;
}

CK_RV Objects::get_some(Session& session, CK_OBJECT_HANDLE object, std::span<CK_ATTRIBUTE> attributes, CK_RV so_far) {
  std::array<CK_ATTRIBUTE_TYPE, kMostAttributes> types{};
  std::size_t count = 0;
  for (const CK_ATTRIBUTE& attribute : attributes)
    if (kind_of(attribute.type) != ValueKind::template_) types[count++] = attribute.type;
  Answer<Reply> reply = ask(session, object, std::span(types).first(count));
  if (!reply) return reply.error().code;
  CK_RV code = so_far;
  for (CK_ATTRIBUTE& attribute : attributes) {
    if (kind_of(attribute.type) == ValueKind::template_) {
      code = first_of(code, refuse(attribute, CKR_ATTRIBUTE_TYPE_INVALID));
      continue;
    }
    const std::uint8_t result = reply->in.u8();
    const ByteView value = reply->in.blob();
    if (reply->in.failed() || result > kSensitive) return CKR_DEVICE_ERROR;
    if (result != kHasValue) {
      const CK_RV why = result == kNoSuchAttribute ? CKR_ATTRIBUTE_TYPE_INVALID : CKR_ATTRIBUTE_SENSITIVE;
      code = first_of(code, refuse(attribute, why));
      continue;
    }
    const Answer<void> stored = store_value(attribute, value);
    if (stored) continue;
    if (stored.error().code != CKR_BUFFER_TOO_SMALL) return stored.error().code;
    code = first_of(code, refuse(attribute, CKR_BUFFER_TOO_SMALL));
  }
  return reply->finish() ? code : CKR_DEVICE_ERROR;
}

Answer<void> Objects::set(Session& session, CK_OBJECT_HANDLE object, Template attributes) {
  SKS_TRY(check_may_write(session, object));
  Request request(kSetAttributes);
  write_object(request, session, object, CKR_OBJECT_HANDLE_INVALID);
  SKS_TRY(write_template(request.out, attributes));
  const Answer<Reply> reply = daemon_.call(std::move(request));
  keys_.forget();
  if (!reply) return reply.error();
  return reply->finish();
}

Answer<void> Objects::exists(Session& session, CK_OBJECT_HANDLE object) {
  CK_ATTRIBUTE attribute{CKA_CLASS, nullptr, 0};
  const CK_RV code = get(session, object, {&attribute, 1});
  if (code != CKR_OK) return Rv{code};
  return {};
}

Answer<SecureBytes> Objects::secret_value(Session& session, CK_OBJECT_HANDLE key) {
  SKS_TRY(keys_.facts(session.slot, key));
  constexpr auto kTypes = std::to_array<CK_ATTRIBUTE_TYPE>({CKA_CLASS, CKA_VALUE});
  SKS_LET(Reply reply, ask(session, key, kTypes));
  const std::uint8_t has_class = reply.in.u8();
  const ByteView object_class = reply.in.blob();
  const std::uint8_t has_value = reply.in.u8();
  const ByteView value = reply.in.blob();
  SKS_TRY(reply.finish());
  if (has_class != kHasValue) return Rv{CKR_DEVICE_ERROR};
  SKS_LET(const CK_ULONG number, read_number(object_class));
  if (number != CKO_SECRET_KEY || has_value != kHasValue) return Rv{CKR_KEY_INDIGESTIBLE};
  return SecureBytes::copy_of(value);
}

Answer<void> Objects::start_search(Session& session, Template attributes) {
  if (session.search) return Rv{CKR_OPERATION_ACTIVE};
  auto search = std::make_unique<Search>();
  wire::BodyWriter wanted(64);
  SKS_TRY(write_template(wanted, attributes));
  if (wanted.failed()) return Rv{CKR_TEMPLATE_INCONSISTENT};
  search->request_template = wanted.take();
  session.search = std::move(search);
  const Answer<void> found = next_page(session);
  if (!found) session.search.reset();
  return found;
}

Answer<void> Objects::next_page(Session& session) {
  Search& search = *session.search;
  Request request(kFindObjects, 64 + search.request_template.size());
  request.out.u32(session.slot);
  for (const std::uint8_t byte : search.request_template.view()) request.out.u8(byte);
  request.out.u64(search.after);
  request.out.u16(kPage);
  SKS_LET(Reply reply, daemon_.call(std::move(request)));
  const std::size_t count = reply.in.u16();
  if (count > kPage) return Rv{CKR_DEVICE_ERROR};
  std::vector<CK_OBJECT_HANDLE> found;
  found.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t handle = reply.in.u64();
    // Ascending: else a search would never end.
    if (handle <= search.after) return Rv{CKR_DEVICE_ERROR};
    search.after = handle;
    SKS_LET(const CK_OBJECT_HANDLE name, handle_for_application(handle, reply.era));
    found.push_back(name);
  }
  search.more = reply.in.boolean();
  SKS_TRY(reply.finish());
  if (search.more && found.empty()) return Rv{CKR_DEVICE_ERROR};
  search.found = std::move(found);
  search.next = 0;
  return {};
}

Answer<std::size_t> Objects::take_found(Session& session, std::span<CK_OBJECT_HANDLE> out) {
  if (!session.search) return Rv{CKR_OPERATION_NOT_INITIALIZED};
  Search& search = *session.search;
  std::size_t taken = 0;
  while (taken < out.size()) {
    if (search.next == search.found.size()) {
      if (!search.more) break;
      SKS_TRY(next_page(session));
      continue;
    }
    out[taken++] = search.found[search.next++];
  }
  return taken;
}

Answer<CK_OBJECT_HANDLE> Objects::generate_key(Session& session, const CK_MECHANISM& mechanism, Template attributes) {
  SKS_LET(const EncodedMechanism encoded, encode_mechanism(mechanism, CKF_GENERATE));
  SKS_TRY(check_may_write(session, attributes));
  Request request(kGenerateKey);
  request.out.u32(session.slot);
  encoded.write(request.out);
  SKS_TRY(write_template(request.out, attributes));
  return call_for_object(session, std::move(request));
}

Answer<Objects::Pair> Objects::generate_pair(Session& session, const CK_MECHANISM& mechanism, Template public_key,
                                             Template private_key) {
  SKS_LET(const EncodedMechanism encoded, encode_mechanism(mechanism, CKF_GENERATE_KEY_PAIR));
  SKS_TRY(check_may_write(session, public_key));
  SKS_TRY(check_may_write(session, private_key));
  Request request(kGenerateKeyPair, 512);
  request.out.u32(session.slot);
  encoded.write(request.out);
  SKS_TRY(write_template(request.out, public_key));
  SKS_TRY(write_template(request.out, private_key));
  SKS_LET(Reply reply, daemon_.call(std::move(request)));
  SKS_LET(const CK_OBJECT_HANDLE first, read_object(session, reply));
  SKS_LET(const CK_OBJECT_HANDLE second, read_object(session, reply));
  SKS_TRY(reply.finish());
  return Pair{first, second};
}

Answer<std::uint32_t> Objects::check_key(const Session& session, CK_OBJECT_HANDLE key, const Mechanism& mechanism,
                                         CK_FLAGS use) {
  SKS_LET(const KeyFacts facts, keys_.facts(session.slot, key));
  SKS_TRY(check_use(facts, mechanism, use));
  if (!facts.always_authenticate) return std::uint32_t{0};
  SKS_LET(const Ticket ticket, get_ticket(daemon_, session.slot, key, std::nullopt));
  return ticket.number;
}

Answer<CK_OBJECT_HANDLE> Objects::derive(Session& session, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE base,
                                         Template attributes) {
  SKS_LET(const EncodedMechanism encoded, encode_mechanism(mechanism, CKF_DERIVE));
  SKS_TRY(check_may_write(session, attributes));
  SKS_LET(const std::uint32_t ticket, check_key(session, base, *encoded.row, CKF_DERIVE));
  Request request(kDeriveKey, 512);
  write_object(request, session, base, CKR_KEY_HANDLE_INVALID);
  encoded.write(request.out);
  request.out.u32(ticket);
  SKS_TRY(write_template(request.out, attributes));
  return call_for_object(session, std::move(request));
}

Answer<SecureBytes> Objects::wrap(Session& session, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE wrapping,
                                  CK_OBJECT_HANDLE key) {
  SKS_LET(const EncodedMechanism encoded, encode_mechanism(mechanism, CKF_WRAP));
  const Answer<std::uint32_t> ticket = check_key(session, wrapping, *encoded.row, CKF_WRAP);
  if (!ticket) {
    const CK_RV code = ticket.error().code;
    if (code == CKR_KEY_HANDLE_INVALID) return Rv{CKR_WRAPPING_KEY_HANDLE_INVALID};
    if (code == CKR_KEY_TYPE_INCONSISTENT) return Rv{CKR_WRAPPING_KEY_TYPE_INCONSISTENT};
    return Rv{code};
  }
  Request request(kWrapKey);
  write_object(request, session, wrapping, CKR_WRAPPING_KEY_HANDLE_INVALID);
  encoded.write(request.out);
  request.out.u32(*ticket);
  write_object(request, session, key, CKR_KEY_HANDLE_INVALID);
  SKS_LET(Reply reply, daemon_.call(std::move(request)));
  const ByteView wrapped = reply.in.blob();
  SKS_TRY(reply.finish());
  return SecureBytes::copy_of(wrapped);
}

Answer<CK_OBJECT_HANDLE> Objects::unwrap(Session& session, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE unwrapping,
                                         ByteView wrapped, Template attributes) {
  SKS_LET(const EncodedMechanism encoded, encode_mechanism(mechanism, CKF_UNWRAP));
  if (wrapped.empty() || wrapped.size() > daemon_.maximum_data()) return Rv{CKR_WRAPPED_KEY_LEN_RANGE};
  SKS_TRY(check_may_write(session, attributes));
  const Answer<std::uint32_t> ticket = check_key(session, unwrapping, *encoded.row, CKF_UNWRAP);
  if (!ticket) {
    const CK_RV code = ticket.error().code;
    if (code == CKR_KEY_HANDLE_INVALID) return Rv{CKR_UNWRAPPING_KEY_HANDLE_INVALID};
    if (code == CKR_KEY_TYPE_INCONSISTENT) return Rv{CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT};
    return Rv{code};
  }
  Request request(kUnwrapKey, 512 + wrapped.size());
  write_object(request, session, unwrapping, CKR_UNWRAPPING_KEY_HANDLE_INVALID);
  encoded.write(request.out);
  request.out.u32(*ticket);
  request.out.blob(wrapped);
  SKS_TRY(write_template(request.out, attributes));
  return call_for_object(session, std::move(request));
}

}  // namespace sks::p11
