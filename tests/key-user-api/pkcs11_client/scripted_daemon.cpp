#include "tests/key-user-api/pkcs11_client/scripted_daemon.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "sks-core/wire/frame.h"

namespace sks::test {
namespace {

bool read_all(int socket, std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = ::recv(socket, out.data(), out.size(), 0);
    if (got <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

bool write_all(int socket, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return true;
}

Bytes number(std::uint64_t value) { return ByteWriter().u64(value).take(); }
const Bytes kYes{1};
const Bytes kNo{0};

using Attributes = std::map<CK_ATTRIBUTE_TYPE, Bytes>;
struct Object {
  std::uint32_t slot;
  bool needs_login;
  Attributes attributes;
};

const std::map<CK_OBJECT_HANDLE, Object>& objects() {
  static const auto all = [] {
    // prime256v1, as SEC 2 names it.
    const Bytes p256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    Bytes modulus(256, 0xAB);
    const Attributes ec{{CKA_CLASS, number(CKO_PRIVATE_KEY)},
                        {CKA_KEY_TYPE, number(CKK_EC)},
                        {CKA_EC_PARAMS, p256},
                        {CKA_SIGN, kYes},
                        {CKA_DERIVE, kYes},
                        {CKA_DECRYPT, kNo},
                        {CKA_LABEL, {'e', 'c'}},
                        {CKA_ID, {1, 2, 3}}};
    Attributes ec_public{ec};
    ec_public[CKA_CLASS] = number(CKO_PUBLIC_KEY);
    ec_public[CKA_SIGN] = kNo;
    ec_public[CKA_VERIFY] = kYes;
    const Attributes rsa{{CKA_CLASS, number(CKO_PRIVATE_KEY)},
                         {CKA_KEY_TYPE, number(CKK_RSA)},
                         {CKA_MODULUS, modulus},
                         {CKA_SIGN, kYes},
                         {CKA_DECRYPT, kYes},
                         {CKA_ALWAYS_AUTHENTICATE, kYes}};
    const Attributes aes{{CKA_CLASS, number(CKO_SECRET_KEY)},
                         {CKA_KEY_TYPE, number(CKK_AES)},
                         {CKA_ENCRYPT, kYes},
                         {CKA_DECRYPT, kYes},
                         {CKA_VALUE, Bytes(16, 0x42)},
                         {CKA_WRAP, kYes},
                         {CKA_UNWRAP, kYes}};
    const Attributes certificate{{CKA_CLASS, number(CKO_CERTIFICATE)}, {CKA_VALUE, Bytes(300, 0x30)}};
    std::map<CK_OBJECT_HANDLE, Object> map{{kEcKey, {kPinSlot, true, ec}},
                                           {kEcPublicKey, {kPinSlot, false, ec_public}},
                                           {kCertificate, {kPinSlot, false, certificate}},
                                           {kRsaKey, {kPinSlot, true, rsa}},
                                           {kOpenEcKey, {kOpenSlot, false, ec}},
                                           {kOpenAesKey, {kOpenSlot, false, aes}}};
    for (std::size_t i = 0; i < kManyObjects; ++i) map[0x10003 + 0x100 * i] = {kOpenSlot, false, certificate};
    return map;
  }();
  return all;
}

bool is_visible(const ScriptedDaemon::Application& application, std::uint32_t slot, std::uint64_t handle) {
  if (application.objects.count(handle) != 0) return true;
  const auto found = objects().find(handle);
  if (found == objects().end() || found->second.slot != slot) return false;
  const auto login = application.logged_in.find(slot);
  return !found->second.needs_login || (login != application.logged_in.end() && login->second == 1);
}

Reaction list_tokens(ScriptedDaemon& daemon, ScriptedDaemon::Call& call) {
  if (!call.in.finish()) return refusal(CKR_ARGUMENTS_BAD);
  const auto state = static_cast<std::uint8_t>((daemon.wrong_pins > 0 ? 1 : 0) | (daemon.wrong_pins == 2 ? 2 : 0) |
                                               (daemon.wrong_pins >= 3 ? 4 : 0));
  ByteWriter out;
  out.u16(2);
  out.u32(kOpenSlot).text("keys without PIN").text("0123456789abcdef").text("issuer.example.com");
  out.boolean(false).boolean(false).u8(0).u16(0).u16(0).u8(0).u8(0).boolean(false).boolean(false).u8(0);
  out.u32(kPinSlot).text("bank").text("0123456700000007").text("issuer.example.com");
  out.boolean(true).boolean(true).u8(0).u16(4).u16(12).u8(state).u8(0).boolean(false).boolean(true);
  out.u8(static_cast<std::uint8_t>(call.application->logged_in[kPinSlot]));
  return outputs(std::move(out));
}

Reaction list_mechanisms(ScriptedDaemon&, ScriptedDaemon::Call&) {
  ByteWriter out;
  out.u16(3);
  out.u64(CKM_ECDSA).u64(256).u64(521).u64(CKF_SIGN | CKF_VERIFY);
  out.u64(CKM_RSA_PKCS).u64(2048).u64(4096).u64(CKF_SIGN | CKF_DECRYPT);
  out.u64(0x80001234).u64(0).u64(0).u64(CKF_SIGN);  // of a later version
  return outputs(std::move(out));
}

Reaction login(ScriptedDaemon& daemon, ScriptedDaemon::Call& call) {
  const std::uint32_t slot = call.in.u32();
  const std::uint8_t user = call.in.u8();
  const bool ask = call.in.boolean();
  const std::string pin = to_string(call.in.array());
  int& now = call.application->logged_in[slot];
  if (now != 0) return refusal(CKR_USER_ALREADY_LOGGED_IN);
  if (slot != kPinSlot) return refusal(CKR_USER_PIN_NOT_INITIALIZED);
  if (daemon.wrong_pins >= 3 && user == 1) return refusal(CKR_PIN_LOCKED);
  if (!ask && pin != (user == 1 ? kPin : kPuk)) {
    ++daemon.wrong_pins;
    return refusal(CKR_PIN_INCORRECT);
  }
  daemon.wrong_pins = 0;
  now = user == 1 ? 1 : 2;
  return outputs();
}

Reaction login_for_operation(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  call.in.u32();
  call.in.u64();
  call.in.boolean();
  return to_string(call.in.array()) == kPin ? outputs(ByteWriter().u32(0x71C7)) : refusal(CKR_PIN_INCORRECT);
}

Reaction logout(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  int& now = call.application->logged_in[call.in.u32()];
  if (now == 0) return refusal(CKR_USER_NOT_LOGGED_IN);
  now = 0;
  return outputs();
}

Reaction find_objects(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  const std::uint32_t slot = call.in.u32();
  std::vector<std::pair<std::uint64_t, Bytes>> wanted;
  for (std::size_t left = call.in.u16(); left > 0; --left) {
    const std::uint64_t type = call.in.u64();
    wanted.emplace_back(type, to_bytes(call.in.blob()));
  }
  const std::uint64_t after = call.in.u64();
  const std::size_t limit = call.in.u16();
  if (!call.in.finish()) return refusal(CKR_ARGUMENTS_BAD);
  std::vector<std::uint64_t> found;
  for (const auto& [handle, object] : objects()) {
    if (handle <= after || object.slot != slot || !is_visible(*call.application, slot, handle)) continue;
    bool matches = true;
    for (const auto& [type, value] : wanted) {
      const auto has = object.attributes.find(type);
      matches = matches && has != object.attributes.end() && has->second == value;
    }
    if (matches) found.push_back(handle);
  }
  const bool more = found.size() > limit;
  found.resize(std::min(found.size(), limit));
  ByteWriter out;
  out.u16(static_cast<std::uint16_t>(found.size()));
  for (const std::uint64_t handle : found) out.u64(handle);
  return outputs(std::move(out.boolean(more)));
}

Reaction get_attributes(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  const std::uint32_t slot = call.in.u32();
  const std::uint64_t handle = call.in.u64();
  if (!is_visible(*call.application, slot, handle)) return refusal(CKR_OBJECT_HANDLE_INVALID);
  static const Attributes kSessionKey = objects().at(kOpenEcKey).attributes;
  const auto stored = objects().find(handle);
  const Attributes& attributes = stored == objects().end() ? kSessionKey : stored->second.attributes;
  const std::uint16_t count = call.in.u16();
  ByteWriter out;
  out.u16(count);
  for (unsigned i = 0; i < count; ++i) {
    const std::uint64_t type = call.in.u64();
    const auto found = attributes.find(type);
    if (type == CKA_PRIVATE_EXPONENT)
      out.u8(2).blob({});
    else if (found == attributes.end())
      out.u8(1).blob({});
    else
      out.u8(0).blob(found->second);
  }
  return outputs(std::move(out));
}

Reaction create_object(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  const std::uint64_t handle = call.application->next_object++;
  call.application->objects.insert(handle);
  return outputs(ByteWriter().u64(handle));
}

Reaction generate_pair(ScriptedDaemon& daemon, ScriptedDaemon::Call& call) {
  const std::uint64_t first = call.application->next_object;
  create_object(daemon, call);
  create_object(daemon, call);
  return outputs(ByteWriter().u64(first).u64(first + 1));
}

Reaction destroy_object(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  call.in.u32();
  return call.application->objects.erase(call.in.u64()) == 1 ? outputs() : refusal(CKR_OBJECT_HANDLE_INVALID);
}

/// What stands for the result of an operation: its kind in the right length.
Bytes result_of(std::uint8_t kind, std::uint64_t mechanism, ByteView data) {
  if (mechanism == CKM_SHA256) return Bytes(32, 0xD1);
  if (kind == 3) return Bytes(mechanism == CKM_ECDSA || mechanism == CKM_ECDSA_SHA256 ? 64 : 256, 0x51);
  if (kind == 2 && mechanism == CKM_RSA_PKCS) return Bytes(20, 0xDE);
  Bytes out = to_bytes(data);
  for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(byte ^ 0xFF);
  return out;
}

struct Started {
  std::uint8_t kind;
  std::uint32_t slot;
  std::uint64_t key;
  std::uint64_t mechanism;
  std::uint32_t ticket;
};

Started read_start(ByteReader& in) {
  Started started{};
  started.kind = in.u8();
  started.slot = in.u32();
  started.key = in.u64();
  started.mechanism = in.u64();
  in.blob();
  started.ticket = in.u32();
  return started;
}

std::optional<Reaction> refuse_start(ScriptedDaemon::Call& call, const Started& started) {
  if (started.kind != 5 && !is_visible(*call.application, started.slot, started.key))
    return refusal(CKR_KEY_HANDLE_INVALID);
  if (started.key == kRsaKey && started.ticket != 0x71C7) return refusal(CKR_USER_NOT_LOGGED_IN);
  return std::nullopt;
}

Reaction operate(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  const Started started = read_start(call.in);
  const ByteView data = call.in.blob();
  if (!call.in.finish()) return refusal(CKR_ARGUMENTS_BAD);
  if (auto refused = refuse_start(call, started)) return *refused;
  return outputs(ByteWriter().blob(result_of(started.kind, started.mechanism, data)));
}

Reaction verify(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  call.in.u32();
  call.in.u64();
  call.in.u64();
  call.in.blob();
  call.in.blob();
  const ByteView signature = call.in.blob();
  return equal(signature, Bytes(64, 0x51)) ? outputs() : refusal(CKR_SIGNATURE_INVALID);
}

Reaction begin(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  const Started started = read_start(call.in);
  if (auto refused = refuse_start(call, started)) return *refused;
  const auto operation = static_cast<std::uint32_t>(call.application->operations.size() + 1);
  call.application->operations[operation] = {started.kind, static_cast<std::uint8_t>(started.mechanism >> 8),
                                             static_cast<std::uint8_t>(started.mechanism & 0xFF)};
  return outputs(ByteWriter().u32(operation));
}

Reaction update(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  const auto found = call.application->operations.find(call.in.u32());
  if (found == call.application->operations.end()) return refusal(CKR_OPERATION_NOT_INITIALIZED);
  const std::uint8_t kind = found->second[0];
  const ByteView data = call.in.blob();
  return outputs(ByteWriter().blob(kind <= 2 ? result_of(kind, 0, data) : Bytes()));
}

Reaction finish(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  const auto found = call.application->operations.find(call.in.u32());
  if (found == call.application->operations.end()) return refusal(CKR_OPERATION_NOT_INITIALIZED);
  const Bytes start = found->second;
  call.application->operations.erase(found);
  const auto mechanism = static_cast<std::uint64_t>(start[1] << 8 | start[2]);
  return outputs(ByteWriter().blob(start[0] <= 2 ? Bytes() : result_of(start[0], mechanism, {})));
}

Reaction abandon(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  call.application->operations.erase(call.in.u32());
  return outputs();
}

Reaction wrap_key(ScriptedDaemon&, ScriptedDaemon::Call&) { return outputs(ByteWriter().blob(Bytes(24, 0x77))); }

Reaction random(ScriptedDaemon&, ScriptedDaemon::Call& call) {
  return outputs(ByteWriter().blob(Bytes(call.in.u32(), 0x99)));
}

Reaction nothing(ScriptedDaemon&, ScriptedDaemon::Call&) { return outputs(); }

const std::map<std::uint8_t, Reaction (*)(ScriptedDaemon&, ScriptedDaemon::Call&)> kAnswers{
    {161, list_tokens},    {162, list_mechanisms}, {163, login},          {164, login_for_operation},
    {165, logout},         {166, nothing},         {167, nothing},        {170, find_objects},
    {171, get_attributes}, {172, nothing},         {173, create_object},  {174, create_object},
    {175, generate_pair},  {176, create_object},   {177, destroy_object}, {180, operate},
    {181, verify},         {182, begin},           {183, update},         {184, finish},
    {185, nothing},        {186, abandon},         {187, create_object},  {188, wrap_key},
    {189, create_object},  {190, random}};

}  // namespace

Reaction outputs(ByteWriter out) {
  Bytes body{0};
  const ByteView view = out.view();
  body.insert(body.end(), view.begin(), view.end());
  return {Reaction::Kind::answer, std::move(body)};
}

Reaction refusal(CK_RV code) { return {Reaction::Kind::answer, ByteWriter().u8(0x80).u64(code).text("no").take()}; }

ScriptedDaemon::ScriptedDaemon(std::string socket) : path_(std::move(socket)) { listen_again(); }

ScriptedDaemon::~ScriptedDaemon() { kill(); }

void ScriptedDaemon::listen_again() {
  ::unlink(path_.c_str());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SKS_CHECK(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  SKS_CHECK(::listen(listener_, 64) == 0);
  acceptor_ = std::thread([this, listener = listener_] { accept_all(listener); });
}

void ScriptedDaemon::kill() {
  if (listener_ < 0) return;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  listener_ = -1;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& peer : peers_)
      if (!peer->ended) ::shutdown(peer->socket, SHUT_RDWR);
  }
  for (const auto& peer : peers_) peer->thread.join();
  peers_.clear();
  known_.clear();
}

void ScriptedDaemon::accept_all(int listener) {
  for (;;) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const std::lock_guard lock(mutex_);
    peers_.push_back(std::make_unique<Peer>());
    Peer& peer = *peers_.back();
    peer.socket = socket;
    peer.thread = std::thread([this, &peer] { serve(peer); });
  }
}

void ScriptedDaemon::serve(Peer& peer) {
  for (;;) {
    std::array<std::uint8_t, wire::kFrameHeaderSize> header{};
    if (!read_all(peer.socket, header)) break;
    Bytes body(wire::body_size(header));
    if (!read_all(peer.socket, body)) break;
    const Reaction reaction = react(peer, body);
    if (reaction.kind == Reaction::Kind::hang_up) break;
    Bytes frame = to_bytes(wire::frame_header(static_cast<std::uint32_t>(reaction.body.size())));
    frame.insert(frame.end(), reaction.body.begin(), reaction.body.end());
    if (!write_all(peer.socket, frame)) break;
  }
  const std::lock_guard lock(mutex_);
  peer.ended = true;
  peer.application.reset();
  ::close(peer.socket);
}

Reaction ScriptedDaemon::react(Peer& peer, ByteView body) {
  ByteReader in(body);
  Call call{in.u8(), nullptr, ByteReader({}), body};
  call.in = in;
  Handler handler;
  {
    const std::lock_guard lock(mutex_);
    ++calls_[call.method];
    const auto found = handlers_.find(call.method);
    if (found != handlers_.end()) handler = found->second;
  }
  call.application = peer.application.get();
  if (handler) return handler(call);  // without the lock: it may take its time
  const std::lock_guard lock(mutex_);
  if (call.method == 160) return open_application(peer, call.in);
  if (call.application == nullptr) return {Reaction::Kind::answer, ByteWriter().u8(0x02).text("none").take()};
  return answer(call);
}

Reaction ScriptedDaemon::open_application(Peer& peer, ByteReader& in) {
  const Bytes secret = to_bytes(in.array());
  if (in.u8() != 1 || !in.finish()) return refusal(CKR_FUNCTION_NOT_SUPPORTED);
  if (secret.empty()) {
    peer.secret = Bytes(32, next_secret_++);
    peer.application = std::make_shared<Application>();
    known_[peer.secret] = peer.application;
  } else {
    peer.secret = secret;
    peer.application = known_[secret].lock();
    if (peer.application == nullptr) return refusal(CKR_DEVICE_REMOVED);
  }
  return outputs(ByteWriter().array(peer.secret).u32(1'000'000));
}

Reaction ScriptedDaemon::answer(Call& call) {
  const auto row = kAnswers.find(call.method);
  return row == kAnswers.end() ? refusal(CKR_FUNCTION_NOT_SUPPORTED) : row->second(*this, call);
}

void ScriptedDaemon::on(std::uint8_t method, Handler handler) {
  const std::lock_guard lock(mutex_);
  if (handler)
    handlers_[method] = std::move(handler);
  else
    handlers_.erase(method);
}

int ScriptedDaemon::calls(std::uint8_t method) {
  const std::lock_guard lock(mutex_);
  return calls_[method];
}

std::size_t ScriptedDaemon::connections() {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(peers_, [](const auto& peer) { return !peer->ended; }));
}

std::size_t ScriptedDaemon::applications() {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(known_, [](const auto& entry) { return !entry.second.expired(); }));
}

}  // namespace sks::test
