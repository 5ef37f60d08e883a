#include "key-user-api/pkcs11/session.h"

namespace sks::p11 {
namespace {

/// Far more than anybody needs, and not enough to use up the memory.
constexpr std::size_t kMostSessions = 65'536;
/// What is longer than any PIN can be typed is refused before it is sent, and without costing an attempt.
constexpr std::size_t kMostPin = 1024;

constexpr std::uint8_t kSoUser = 0;
constexpr std::uint8_t kNormalUser = 1;

struct StateRow {
  LoggedIn logged_in;
  bool read_write;
  CK_STATE state;
};
constexpr StateRow kStates[] = {
    {LoggedIn::nobody, false, CKS_RO_PUBLIC_SESSION}, {LoggedIn::nobody, true, CKS_RW_PUBLIC_SESSION},
    {LoggedIn::user, false, CKS_RO_USER_FUNCTIONS},   {LoggedIn::user, true, CKS_RW_USER_FUNCTIONS},
    {LoggedIn::so, true, CKS_RW_SO_FUNCTIONS},
};

CK_STATE state_of(LoggedIn logged_in, bool read_write) {
  for (const StateRow& row : kStates)
    if (row.logged_in == logged_in && row.read_write == read_write) return row.state;
  return CKS_RO_PUBLIC_SESSION;
}

bool is_too_long(const std::optional<ByteView>& pin) { return pin && pin->size() > kMostPin; }

/// ask and pin of spec/sksd.md 5.
void write_pin(Request& request, const std::optional<ByteView>& pin) {
  request.out.u8(pin ? 0 : 1);
  request.out.array(pin.value_or(ByteView()));
}

}  // namespace

void Session::drop(Kind kind) {
  if (const std::unique_ptr<Operation> dropped = std::move(operation(kind))) dropped->cancel();
}

Operation* Session::waiting_for_pin() {
  const auto asks = [](const std::unique_ptr<Operation>& each) { return each != nullptr && each->asks_for_pin(); };
  if (asks(operation(latest))) return operation(latest).get();
  const auto* const found = std::find_if(std::begin(operations), std::end(operations), asks);
  return found == std::end(operations) ? nullptr : found->get();
}

Answer<CK_SESSION_HANDLE> Sessions::open(CK_SLOT_ID slot, CK_FLAGS flags) {
  SKS_LET(const TokenView token, tokens_.find(slot));
  if ((flags & CKF_SERIAL_SESSION) == 0) return Rv{CKR_SESSION_PARALLEL_NOT_SUPPORTED};
  const bool read_write = (flags & CKF_RW_SESSION) != 0;
  if (!read_write && token.logged_in == LoggedIn::so) return Rv{CKR_SESSION_READ_WRITE_SO_EXISTS};
  auto session = std::make_shared<Session>(token.slot, read_write);
  const std::lock_guard lock(mutex_);
  Slot& of_slot = slots_[slot];
  while (of_slot.is_logging_out) logged_out_.wait(mutex_);
  if (sessions_.size() >= kMostSessions) return Rv{CKR_SESSION_COUNT};
  const CK_SESSION_HANDLE handle = next_++;
  sessions_.emplace(handle, std::move(session));
  ++of_slot.sessions.all;
  if (read_write) ++of_slot.sessions.read_write;
  return handle;
}

std::shared_ptr<Session> Sessions::take(CK_SESSION_HANDLE handle, bool& was_last) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(handle);
  if (found == sessions_.end()) return nullptr;
  std::shared_ptr<Session> session = std::move(found->second);
  sessions_.erase(found);
  Slot& of_slot = slots_[session->slot];
  --of_slot.sessions.all;
  if (session->read_write) --of_slot.sessions.read_write;
  was_last = of_slot.sessions.all == 0 && of_slot.may_be_logged_in;
  if (was_last) {
    of_slot.may_be_logged_in = false;
    of_slot.is_logging_out = true;
  }
  return session;
}

/// A new session would else log in before the daemon has heard that nobody is logged in any more, and lose its login.
class Sessions::LastSession {
 public:
  LastSession(Sessions& sessions, CK_SLOT_ID slot) : sessions_(sessions), slot_(slot) {}
  LastSession(const LastSession&) = delete;
  LastSession& operator=(const LastSession&) = delete;
  ~LastSession() {
    const std::lock_guard lock(sessions_.mutex_);
    sessions_.slots_.find(slot_)->second.is_logging_out = false;
    sessions_.logged_out_.notify_all();
  }

 private:
  Sessions& sessions_;
  CK_SLOT_ID slot_;
};

Answer<void> Sessions::close(CK_SESSION_HANDLE handle) {
  bool was_last = false;
  const std::shared_ptr<Session> session = take(handle, was_last);
  if (session == nullptr) return Rv{CKR_SESSION_HANDLE_INVALID};
  std::optional<LastSession> last;
  if (was_last) last.emplace(*this, session->slot);
  end(*session);
  if (was_last) end_login(session->slot);
  return {};
}

Answer<void> Sessions::close_all(CK_SLOT_ID slot) {
  std::vector<CK_SESSION_HANDLE> handles;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : sessions_)
      if (entry.second->slot == slot) handles.push_back(entry.first);
  }
  // Sessions end also when their token is gone, or when there is no daemon that tells of it.
  if (handles.empty()) SKS_TRY(tokens_.find(slot));
  // Another thread may have closed one of them in between.
  for (const CK_SESSION_HANDLE handle : handles) static_cast<void>(code_of(close(handle)));
  return {};
}

void Sessions::end(Session& session) {
  const std::lock_guard lock(session.mutex);
  for (const Kind kind : {Kind::encrypt, Kind::decrypt, Kind::sign, Kind::verify, Kind::digest}) session.drop(kind);
  for (const CK_OBJECT_HANDLE object : session.objects)
    static_cast<void>(code_of(destroy_object(daemon_, session.slot, object)));
  if (!session.objects.empty()) keys_.forget();
}

void Sessions::end_login(std::uint32_t slot) {
  Request request(kLogout);
  request.out.u32(slot);
  static_cast<void>(code_of(send(std::move(request))));
  forget();
}

Answer<std::shared_ptr<Session>> Sessions::find(CK_SESSION_HANDLE handle) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(handle);
  if (found == sessions_.end()) return Rv{CKR_SESSION_HANDLE_INVALID};
  return found->second;
}

Answer<CK_SESSION_INFO> Sessions::info(CK_SESSION_HANDLE handle) {
  SKS_LET(const std::shared_ptr<Session> session, find(handle));
  CK_SESSION_INFO info{};
  info.slotID = session->slot;
  info.flags = CKF_SERIAL_SESSION | (session->read_write ? CKF_RW_SESSION : 0);
  info.state = state_of(tokens_.logged_in(session->slot), session->read_write);
  return info;
}

SessionCount Sessions::count(CK_SLOT_ID slot) {
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(slot);
  return found == slots_.end() ? SessionCount{} : found->second.sessions;
}

Answer<void> Sessions::send(Request request) {
  SKS_LET(const Reply reply, daemon_.call(std::move(request)));
  return reply.finish();
}

void Sessions::forget() {
  tokens_.forget();
  keys_.forget();
}

Answer<void> Sessions::login(Session& session, CK_USER_TYPE user, std::optional<ByteView> pin) {
  if (user != CKU_USER && user != CKU_SO) return Rv{CKR_USER_TYPE_INVALID};
  if (is_too_long(pin)) return Rv{CKR_PIN_LEN_RANGE};
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[session.slot];
    if (user == CKU_SO && slot.sessions.all != slot.sessions.read_write) return Rv{CKR_SESSION_READ_ONLY_EXISTS};
    slot.may_be_logged_in = true;
  }
  Request request(kLogin);
  request.out.u32(session.slot);
  request.out.u8(user == CKU_SO ? kSoUser : kNormalUser);
  write_pin(request, pin);
  const Answer<void> done = send(std::move(request));
  forget();
  return done;
}

Answer<void> Sessions::login_for_operation(Session& session, std::optional<ByteView> pin) {
  if (is_too_long(pin)) return Rv{CKR_PIN_LEN_RANGE};
  const std::lock_guard lock(session.mutex);
  Operation* const waiting = session.waiting_for_pin();
  if (waiting == nullptr) return Rv{CKR_OPERATION_NOT_INITIALIZED};
  const Answer<Ticket> ticket = get_ticket(daemon_, session.slot, waiting->key(), pin);
  tokens_.forget();
  if (!ticket) return ticket.error();
  waiting->set_ticket(ticket->number, ticket->era);
  return {};
}

Answer<void> Sessions::logout(Session& session) {
  Request request(kLogout);
  request.out.u32(session.slot);
  const Answer<void> done = send(std::move(request));
  forget();
  return done;
}

Answer<void> Sessions::change_pin(Session& session, std::optional<ByteView> old_pin, std::optional<ByteView> new_pin) {
  if (!session.read_write) return Rv{CKR_SESSION_READ_ONLY};
  if (is_too_long(old_pin) || is_too_long(new_pin)) return Rv{CKR_PIN_LEN_RANGE};
  if (old_pin.has_value() != new_pin.has_value()) return Rv{CKR_ARGUMENTS_BAD};
  // It would be the PIN of the security officer, the PUK, which nobody but the issuer sets.
  if (tokens_.logged_in(session.slot) == LoggedIn::so) return Rv{CKR_FUNCTION_NOT_SUPPORTED};
  Request request(kChangePin);
  request.out.u32(session.slot);
  write_pin(request, old_pin);
  request.out.array(new_pin.value_or(ByteView()));
  const Answer<void> done = send(std::move(request));
  forget();
  return done;
}

Answer<void> Sessions::init_pin(Session& session, std::optional<ByteView> new_pin) {
  if (!session.read_write) return Rv{CKR_SESSION_READ_ONLY};
  if (is_too_long(new_pin)) return Rv{CKR_PIN_LEN_RANGE};
  Request request(kInitPin);
  request.out.u32(session.slot);
  write_pin(request, new_pin);
  const Answer<void> done = send(std::move(request));
  forget();
  return done;
}

Answer<Ticket> get_ticket(Daemon& daemon, std::uint32_t slot, CK_OBJECT_HANDLE key, std::optional<ByteView> pin) {
  Request request(kLoginForOperation);
  write_object(request, slot, key, daemon.era(), CKR_DEVICE_ERROR);
  write_pin(request, pin);
  SKS_LET(Reply reply, daemon.call(std::move(request)));
  const std::uint32_t number = reply.in.u32();
  SKS_TRY(reply.finish());
  return Ticket{number, reply.era};
}

Answer<void> destroy_object(Daemon& daemon, std::uint32_t slot, CK_OBJECT_HANDLE object) {
  Request request(kDestroyObject);
  write_object(request, slot, object, daemon.era(), CKR_OBJECT_HANDLE_INVALID);
  SKS_LET(const Reply reply, daemon.call(std::move(request)));
  return reply.finish();
}

}  // namespace sks::p11
