#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "provisioning-server/database/database.h"
#include "provisioning-server/database/postgresql_limits.h"
#include "sks-core/crypto/ossl.h"

namespace sks::issuer {

/// What a failure means for the transaction it happened in.
enum class SqlFailureKind : std::uint8_t {
  lost,       ///< the connection is of no use any more; whether a COMMIT under way counted is unknown
  no_answer,  ///< lost, because the server has been silent for too long
  collision,  ///< another transaction was faster: worth repeating
  unique,     ///< a UNIQUE rule
  unchanged,  ///< a required change had no row to change
  read_only,  ///< a change where nothing can be changed
  no_room,    ///< the server cannot do it at present: full disk, damage, a cancelled statement
  statement,  ///< the statement is wrong
};

struct SqlFailure {
  SqlFailureKind kind = SqlFailureKind::statement;
  std::string detail;  ///< the server's main sentence; never holds parameters
};

/// What SQLSTATE codes mean, by their longest matching beginning. Public for its test.
SqlFailureKind failure_kind(std::string_view sqlstate);

/// One connection in pipeline mode: statements are sent without waiting, and their answers are read together.
/// For one thread at a time.
class PostgresqlConnection {
 public:
  /// What came back for the statement that was sent last.
  struct Answer {
    SqlRows rows;
    std::int64_t changed = 0;
    std::string command;  ///< command tag, such as "COMMIT"
  };

  /// Connects within the limits and takes `lock`, a number that no other connection may hold at the same time: what an
  /// earlier connection of the lane has left behind in the server is over then. Fails with not_available (there is no
  /// such database) or storage.
  static Result<std::unique_ptr<PostgresqlConnection>> connect(const std::string& url, const PostgresqlLimits& limits,
                                                               std::int64_t lock);
  /// Whether connecting works at all. Fails like connect().
  static Result<void> probe(const std::string& url, const PostgresqlLimits& limits);

  enum class Prepare : std::uint8_t { yes, no };
  /// Puts a statement into the pipeline. With Prepare::yes it is kept in the server under a name for the next time.
  Result<void, SqlFailure> send(std::string_view statement, const SqlValues& values, Prepare prepare = Prepare::yes);
  /// Reads the answers to all that was sent, and returns the last one; or the first failure, behind which the server
  /// has skipped the rest.
  Result<Answer, SqlFailure> receive(std::chrono::milliseconds longest);
  /// Hands over what was sent to the network and leaves the answers to the next receive(), which drops them.
  void leave();

  /// Whether the server has not closed the connection meanwhile, as far as that can be told without asking it.
  bool alive();
  /// Whether no transaction is under way, as far as the answers that were read tell.
  bool idle() const { return PQtransactionStatus(connection_.get()) == PQTRANS_IDLE; }

 private:
  enum class Expected : std::uint8_t { prepare, answer, ignored, sync };
  struct Sent {
    Expected what;
    std::string prepared;  ///< of prepare: the key in statements_
  };
  using Deadline = std::chrono::steady_clock::time_point;

  explicit PostgresqlConnection(PGconn* connection) : connection_(connection) {}
  static Result<std::unique_ptr<PostgresqlConnection>> open(const std::string& url, const PostgresqlLimits& limits);
  Result<void, SqlFailure> wait(Deadline deadline);
  Result<PGresult*, SqlFailure> next_result(Deadline deadline);
  Result<void, SqlFailure> expect(Expected what, bool sent, std::string prepared = {});
  /// Reads what belongs to one thing that was sent. Fails when the connection is lost; other failures go to `outcome`
  /// unless there is one already.
  Result<void, SqlFailure> take(const Sent& sent, Deadline deadline, Result<Answer, SqlFailure>& outcome);
  SqlFailure lost(std::string_view otherwise) const;

  ossl::Ptr<PGconn, PQfinish> connection_;
  std::map<std::string, std::string> statements_;  ///< types and text -> name in the server
  std::size_t next_name_ = 0;
  std::deque<Sent> sent_;
};

}  // namespace sks::issuer
