#include "provisioning-server/database/watched_database.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <functional>

#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::issuer;

namespace {

class FakeTransaction final : public SqlTransaction {
 public:
  Result<SqlRows> query(std::string_view, const SqlValues&) override { return SqlRows(); }
  Result<std::int64_t> run(std::string_view, const SqlValues&) override {
    note_change();
    return std::int64_t{1};
  }
  Result<void> enqueue(std::string_view statement, SqlValues parameters) override {
    SKS_TRY(run(statement, parameters));
    return {};
  }
  Result<void> require(std::string_view statement, SqlValues parameters) override {
    return enqueue(statement, std::move(parameters));
  }
  std::size_t lane() const override { return 0; }
};

/// What works at present.
struct Health {
  bool reads = true;
  bool begins = true;
  bool changes = true;
};

class FailingDatabase final : public Database {
 public:
  explicit FailingDatabase(const Health& health) : health_(health) {}

  Result<void> write(const Work& work) override {
    if (!health_.begins) return away();
    FakeTransaction transaction;
    SKS_TRY(work(transaction));
    return transaction.has_changes() && !health_.changes ? Result<void>(away()) : Result<void>();
  }
  Result<void> read(const Work& work) override {
    if (!health_.reads) return away();
    FakeTransaction transaction;
    return work(transaction);
  }
  Result<SqlRows> select(std::string_view, const SqlValues&) override {
    if (!health_.reads) return away();
    return SqlRows();
  }
  std::size_t lanes() const override { return 1; }
  std::string_view dialect() const override { return "sqlite"; }

 private:
  static Error away() { return {Status::storage, "away"}; }

  const Health& health_;
};

/// What is logged about outages meanwhile: "outage" and "outage-over", with a blank behind each.
std::string logged(const std::function<void()>& body) {
  const test::TempDir folder;
  const std::string name = folder.file("log");
  const int terminal = ::dup(STDERR_FILENO);
  const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ::dup2(file, STDERR_FILENO);
  body();
  ::dup2(terminal, STDERR_FILENO);
  ::close(terminal);
  ::close(file);
  const std::string lines = test::read_file(name);
  std::string events;
  for (std::size_t at = lines.find(" outage"); at != std::string::npos; at = lines.find(" outage", at + 1))
    events += lines.substr(at + 1, lines.find(' ', at + 1) - at);
  return events;
}

Result<void> change(SqlTransaction& transaction) {
  SKS_TRY(transaction.run("", {}));
  return {};
}
Result<void> look(SqlTransaction& transaction) {
  SKS_TRY(transaction.query("", {}));
  return {};
}
Result<void> refuse(SqlTransaction&) { return Error{Status::not_allowed, "no"}; }

}  // namespace

TEST_CASE("watch_database: an outage ends when what has failed works again, and not when something else does") {
  using Act = std::function<void(Database&)>;
  const Act changes = [](Database& database) { static_cast<void>(database.write(change)); };
  const Act changes_nothing = [](Database& database) { static_cast<void>(database.swap(look)); };
  const Act refuses = [](Database& database) { static_cast<void>(database.write(refuse)); };
  const Act reads = [](Database& database) { static_cast<void>(database.read(look)); };
  const Act selects = [](Database& database) { static_cast<void>(database.select("", {})); };
  struct Case {
    const char* name;
    bool Health::*failing;
    Act fails;
    std::vector<Act> no_proof;
    Act proof;
  };
  const Case cases[] = {
      {"full disk", &Health::changes, changes, {reads, selects, changes_nothing, refuses}, changes},
      {"held by somebody else", &Health::begins, changes, {reads, selects}, changes_nothing},
      {"held, and refused then", &Health::begins, changes_nothing, {reads, selects}, refuses},
      {"nothing can be opened", &Health::reads, reads, {changes, changes_nothing, refuses}, selects},
      {"nothing can be read", &Health::reads, selects, {changes, changes_nothing, refuses}, reads},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Health health;
    const std::unique_ptr<Database> database = watch_database(std::make_unique<FailingDatabase>(health));
    const auto all = [&](const std::vector<Act>& acts) {
      for (const Act& act : acts) act(*database);
    };
    CHECK(logged([&] { all({changes, changes_nothing, refuses, reads, selects}); }).empty());
    health.*c.failing = false;
    CHECK(logged([&] {
            for (int i = 0; i < 3; ++i) {
              c.fails(*database);
              all(c.no_proof);
            }
          }) == "outage ");
    health.*c.failing = true;
    CHECK(logged([&] { all(c.no_proof); }).empty());
    CHECK(logged([&] {
            c.proof(*database);
            all({changes, changes_nothing, refuses, reads, selects});
          }) == "outage-over ");
  }
}

TEST_CASE("watch_database: an outage of everything is one, until everything works again") {
  Health health{false, false, false};
  const std::unique_ptr<Database> database = watch_database(std::make_unique<FailingDatabase>(health));
  CHECK(logged([&] {
          static_cast<void>(database->read(look));
          static_cast<void>(database->write(change));
          health.begins = true;
          static_cast<void>(database->write(change));
        }) == "outage ");
  health = {};
  CHECK(logged([&] { static_cast<void>(database->read(look)); }).empty());
  CHECK(logged([&] { static_cast<void>(database->write(change)); }) == "outage-over ");
}
