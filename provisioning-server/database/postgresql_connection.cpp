#include "provisioning-server/database/postgresql_connection.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sks::issuer {
namespace {

/// OIDs of the types that repositories use, from PostgreSQL's catalogue pg_type.
enum : Oid { kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25, kUnknown = 705, kVarchar = 1043 };

constexpr int kBinary = 1;

/// Statements are constants of the program. More than this would be texts put together at run time, and those are not
/// worth keeping.
constexpr std::size_t kMaxPrepared = 500;

struct StateRow {
  std::string_view beginning;
  SqlFailureKind kind;
};
/// Spec: PostgreSQL, appendix A. The longest beginning counts.
constexpr auto kStates = std::to_array<StateRow>({
    {"08", SqlFailureKind::lost},          // connection exception
    {"22012", SqlFailureKind::unchanged},  // division by zero: see require()
    {"22021", SqlFailureKind::statement},  // a byte that UTF-8 does not have
    {"23505", SqlFailureKind::unique},
    {"25006", SqlFailureKind::read_only},  // behind a failover, an old primary
    {"25P03", SqlFailureKind::lost},       // idle in a transaction for too long
    {"40", SqlFailureKind::collision},     // serialization failure, deadlock
    {"53", SqlFailureKind::no_room},       // disk full, out of memory, too many connections
    {"55P03", SqlFailureKind::no_room},    // a lock that is not to be had
    {"57", SqlFailureKind::no_room},       // cancelled, by an operator or by statement_timeout
    {"57P", SqlFailureKind::lost},         // shutdown, crash, not yet started
    {"58", SqlFailureKind::no_room},       // input and output
    {"XX001", SqlFailureKind::no_room},    // damaged data
    {"XX002", SqlFailureKind::no_room},    // damaged index
});

/// Messages of libpq have several lines, logs one.
std::string one_line(std::string_view message) {
  std::string line;
  for (const char c : message) line += c == '\n' || c == '\t' ? ' ' : c;
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

using ResultPtr = ossl::Ptr<PGresult, PQclear>;

SqlFailure failure_of(const PGresult* result) {
  const auto field = [result](int code) -> std::string_view {
    const char* const value = PQresultErrorField(result, code);
    return value == nullptr ? "" : value;
  };
  const std::string_view state = field(PG_DIAG_SQLSTATE);
  // libpq makes results without state of its own when the connection breaks.
  if (state.empty()) return {SqlFailureKind::lost, one_line(PQresultErrorMessage(result))};
  // Details are left out: they may hold values of columns.
  return {failure_kind(state), one_line(field(PG_DIAG_MESSAGE_PRIMARY)) + " (" + std::string(state) + ")"};
}

/// One parameter as the binary protocol has it.
struct Parameter {
  Oid type;
  std::array<std::uint8_t, 8> number{};
  const char* data = nullptr;
  std::size_t size = 0;
};

/// Points into `value`.
void describe(const SqlValue& value, Parameter& out) {
  const auto point_at = [&out](const void* data, std::size_t size) {
    // A null pointer is NULL, which an empty byte string is not.
    out.data = size == 0 ? "" : static_cast<const char*>(data);
    out.size = size;
  };
  if (const auto* const number = std::get_if<std::int64_t>(&value)) {
    out.type = kInt8;
    auto rest = static_cast<std::uint64_t>(*number);
    for (auto byte = out.number.rbegin(); byte != out.number.rend(); ++byte, rest >>= 8)
      *byte = static_cast<std::uint8_t>(rest & 0xff);
    point_at(out.number.data(), out.number.size());
  } else if (const auto* const text = std::get_if<std::string>(&value)) {
    out.type = kText;
    point_at(text->data(), text->size());
  } else {
    const Bytes& bytes = std::get<Bytes>(value);
    out.type = kBytea;
    point_at(bytes.data(), bytes.size());
  }
}

/// What PQsend...() wants: arrays side by side.
class Parameters {
 public:
  explicit Parameters(const SqlValues& values) : described_(values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      describe(values[i], described_[i]);
      types_.push_back(described_[i].type);
      data_.push_back(described_[i].data);
      sizes_.push_back(static_cast<int>(described_[i].size));
      formats_.push_back(kBinary);
    }
  }
  int count() const { return static_cast<int>(types_.size()); }
  const Oid* types() const { return types_.data(); }
  const char* const* data() const { return data_.data(); }
  const int* sizes() const { return sizes_.data(); }
  const int* formats() const { return formats_.data(); }
  /// One letter for each, so that a statement with other types is prepared on its own.
  std::string signature() const {
    std::string letters;
    for (const Oid type : types_) letters += type == kInt8 ? 'i' : type == kText ? 't' : 'b';
    return letters;
  }

 private:
  std::vector<Parameter> described_;
  std::vector<Oid> types_;
  std::vector<const char*> data_;
  std::vector<int> sizes_;
  std::vector<int> formats_;
};

std::int64_t big_endian(ByteView bytes) {
  std::uint64_t value = (bytes[0] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return static_cast<std::int64_t>(value);
}

Result<SqlValue, SqlFailure> read_column(const PGresult* result, int row, int column) {
  const auto mistake = [&](std::string_view what) {
    return SqlFailure{SqlFailureKind::statement,
                      "column \"" + std::string(PQfname(result, column)) + "\" " + std::string(what)};
  };
  if (PQgetisnull(result, row, column) != 0) return mistake("is NULL");
  const char* const data = PQgetvalue(result, row, column);
  const auto size = static_cast<std::size_t>(PQgetlength(result, row, column));
  const ByteView bytes = as_bytes({data, size});
  switch (PQftype(result, column)) {
    case kInt2:
    case kInt4:
    case kInt8:
      return SqlValue(big_endian(bytes));
    case kText:
    case kVarchar:
    case kUnknown:
      return SqlValue(std::string(data, size));
    case kBytea:
      return SqlValue(to_bytes(bytes));
    default:
      return mistake("is neither BIGINT, TEXT nor BYTEA");
  }
}

Result<SqlRows, SqlFailure> read_rows(const PGresult* result) {
  SqlRows rows;
  const int columns = PQnfields(result);
  for (int row = 0; row < PQntuples(result); ++row) {
    SqlValues values;
    for (int column = 0; column < columns; ++column) {
      SKS_LET(SqlValue value, read_column(result, row, column));
      values.push_back(std::move(value));
    }
    rows.emplace_back(std::move(values));
  }
  return rows;
}

}  // namespace

SqlFailureKind failure_kind(std::string_view sqlstate) {
  const StateRow* best = nullptr;
  for (const StateRow& row : kStates)
    if (sqlstate.starts_with(row.beginning) && (best == nullptr || best->beginning.size() < row.beginning.size()))
      best = &row;
  return best == nullptr ? SqlFailureKind::statement : best->kind;
}

Result<std::unique_ptr<PostgresqlConnection>> PostgresqlConnection::open(const std::string& url,
                                                                         const PostgresqlLimits& limits) {
  const std::string timeout = std::to_string(limits.connect.count());
  const std::string silence = std::to_string(limits.answer.count());
  // The URL wins over what stands before it.
  const auto keywords = std::to_array<const char*>(
      {"fallback_application_name", "connect_timeout", "target_session_attrs", "tcp_user_timeout", "keepalives_idle",
       "keepalives_interval", "keepalives_count", "dbname", "client_encoding", nullptr});
  const auto values = std::to_array<const char*>(
      {"sks-issuer", timeout.c_str(), "read-write", silence.c_str(), "10", "5", "3", url.c_str(), "UTF8", nullptr});
  PGconn* const opened = PQconnectdbParams(keywords.data(), values.data(), 1);
  if (opened == nullptr) throw std::bad_alloc();
  std::unique_ptr<PostgresqlConnection> connection(new PostgresqlConnection(opened));
  if (PQstatus(opened) != CONNECTION_OK) {
    // libpq gives no SQLSTATE here. A server that speaks another language costs the distinction only.
    const std::string why = one_line(PQerrorMessage(opened));
    const bool absent = why.find("database \"") != std::string::npos && why.ends_with("does not exist");
    return Error{absent ? Status::not_available : Status::storage, why};
  }
  // Notices of the server are not for the error output of the program.
  PQsetNoticeReceiver(
      opened, [](void*, const PGresult*) {}, nullptr);
  if (PQsetnonblocking(opened, 1) != 0 || PQenterPipelineMode(opened) != 1)
    return Error{Status::storage, one_line(PQerrorMessage(opened))};
  return connection;
}

Result<void> PostgresqlConnection::probe(const std::string& url, const PostgresqlLimits& limits) {
  SKS_TRY(open(url, limits));
  return {};
}

Result<std::unique_ptr<PostgresqlConnection>> PostgresqlConnection::connect(const std::string& url,
                                                                            const PostgresqlLimits& limits,
                                                                            std::int64_t lock) {
  SKS_LET(auto connection, open(url, limits));
  // The server gives up a little earlier than we do, which keeps the connection.
  const std::string answer = std::to_string(limits.answer.count() * 9 / 10);
  const auto prepare = [&]() -> Result<void, SqlFailure> {
    SKS_TRY(
        connection->send("SELECT set_config('statement_timeout', $1, false), "
                         "set_config('idle_in_transaction_session_timeout', '60s', false)",
                         {answer}));
    SKS_TRY(connection->send("SELECT 1 FROM pg_advisory_lock($1)", {lock}));
    SKS_TRY(connection->receive(limits.answer));
    return {};
  };
  const auto prepared = prepare();
  if (!prepared) return Error{Status::storage, prepared.error().detail};
  return connection;
}

bool PostgresqlConnection::alive() {
  // A server that goes away sends a farewell and closes: two readings.
  constexpr int kReadings = 4;
  for (int i = 0; i < kReadings; ++i) {
    pollfd readable{PQsocket(connection_.get()), POLLIN, 0};
    if (PQstatus(connection_.get()) != CONNECTION_OK) return false;
    if (poll(&readable, 1, 0) <= 0) return true;
    if (PQconsumeInput(connection_.get()) == 0) return false;
  }
  return PQstatus(connection_.get()) == CONNECTION_OK;
}

SqlFailure PostgresqlConnection::lost(std::string_view otherwise) const {
  const std::string why = one_line(PQerrorMessage(connection_.get()));
  return {SqlFailureKind::lost, why.empty() ? std::string(otherwise) : why};
}

Result<void, SqlFailure> PostgresqlConnection::expect(Expected what, bool sent, std::string prepared) {
  if (!sent) return lost("the statement cannot be sent");
  sent_.push_back({what, std::move(prepared)});
  return {};
}

Result<void, SqlFailure> PostgresqlConnection::send(std::string_view statement, const SqlValues& values,
                                                    Prepare prepare) {
  const Parameters parameters(values);
  PGconn* const out = connection_.get();
  const std::string text(statement);
  if (prepare == Prepare::no || statements_.size() >= kMaxPrepared)
    return expect(Expected::answer,
                  PQsendQueryParams(out, text.c_str(), parameters.count(), parameters.types(), parameters.data(),
                                    parameters.sizes(), parameters.formats(), kBinary) == 1);
  std::string key = parameters.signature() + ':' + text;
  const auto [known, added] = statements_.try_emplace(key, "s" + std::to_string(next_name_));
  const std::string& name = known->second;
  if (added) {
    ++next_name_;
    SKS_TRY(expect(Expected::prepare,
                   PQsendPrepare(out, name.c_str(), text.c_str(), parameters.count(), parameters.types()) == 1,
                   std::move(key)));
  }
  return expect(Expected::answer, PQsendQueryPrepared(out, name.c_str(), parameters.count(), parameters.data(),
                                                      parameters.sizes(), parameters.formats(), kBinary) == 1);
}

void PostgresqlConnection::leave() {
  for (Sent& sent : sent_)
    if (sent.what == Expected::answer) sent.what = Expected::ignored;
  // A failure shows at the next use.
  if (PQpipelineSync(connection_.get()) == 1) sent_.push_back({Expected::sync, {}});
  PQflush(connection_.get());
}

Result<void, SqlFailure> PostgresqlConnection::wait(Deadline deadline) {
  PGconn* const connection = connection_.get();
  const int unsent = PQflush(connection);
  if (unsent < 0) return lost("the server is away");
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  if (left.count() <= 0) return SqlFailure{SqlFailureKind::no_answer, "the server does not answer"};
  pollfd ready{PQsocket(connection), POLLIN, 0};
  if (unsent > 0) ready.events = POLLIN | POLLOUT;
  const int count = poll(&ready, 1, static_cast<int>(left.count()) + 1);
  if (count < 0 && errno != EINTR) return lost("the connection cannot be waited for");
  if (count > 0 && (ready.revents & ~POLLOUT) != 0 && PQconsumeInput(connection) == 0)
    return lost("the server is away");
  return {};
}

Result<PGresult*, SqlFailure> PostgresqlConnection::next_result(Deadline deadline) {
  while (PQisBusy(connection_.get()) != 0) SKS_TRY(wait(deadline));
  return PQgetResult(connection_.get());
}

Result<void, SqlFailure> PostgresqlConnection::take(const Sent& sent, Deadline deadline,
                                                    Result<Answer, SqlFailure>& outcome) {
  const ExecStatusType wanted = sent.what == Expected::sync ? PGRES_PIPELINE_SYNC : PGRES_COMMAND_OK;
  bool answered = false;
  for (;;) {
    SKS_LET(PGresult* const raw, next_result(deadline));
    const ResultPtr result(raw);
    if (!result) {
      if (answered) return {};
      return lost("the server is away");
    }
    answered = true;
    const ExecStatusType status = PQresultStatus(raw);
    if (wanted == PGRES_PIPELINE_SYNC) {
      if (status == PGRES_PIPELINE_SYNC) return {};
      return lost("the connection is out of step");
    }
    const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good && sent.what == Expected::prepare) statements_.erase(sent.prepared);
    if (status == PGRES_PIPELINE_ABORTED || sent.what == Expected::ignored) continue;
    if (!good) {
      SqlFailure failure = failure_of(raw);
      if (failure.kind == SqlFailureKind::lost) return failure;
      if (outcome) outcome = std::move(failure);
      continue;
    }
    if (!outcome || sent.what == Expected::prepare) continue;
    Result<SqlRows, SqlFailure> rows = read_rows(raw);
    if (!rows) {
      outcome = std::move(rows).error();
      continue;
    }
    outcome = Answer{std::move(*rows), std::strtoll(PQcmdTuples(raw), nullptr, 10), PQcmdStatus(raw)};
  }
}

Result<PostgresqlConnection::Answer, SqlFailure> PostgresqlConnection::receive(std::chrono::milliseconds longest) {
  const Deadline deadline = std::chrono::steady_clock::now() + longest;
  SKS_TRY(expect(Expected::sync, PQpipelineSync(connection_.get()) == 1));
  Result<Answer, SqlFailure> outcome = Answer{};
  while (!sent_.empty()) {
    SKS_TRY(take(sent_.front(), deadline, outcome));
    sent_.pop_front();
  }
  return outcome;
}

}  // namespace sks::issuer
