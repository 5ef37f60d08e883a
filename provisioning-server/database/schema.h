#pragma once

#include "provisioning-server/database/database.h"

/// The tables of an issuer, and how they became what they are.
namespace sks::issuer {

/// Takes the steps that a database has not taken yet, all or none: an empty one gets all tables. Several processes may
/// try at the same time. Fails with option (a newer program has changed the database) or storage.
Result<void> bring_schema_forward(Database& database);

/// How many steps bring_schema_forward() would take; changes nothing. Fails as it does.
Result<std::size_t> count_missing_steps(Database& database);

Result<bool> has_table(SqlTransaction& transaction, std::string_view dialect, const std::string& name);

/// One step. The name stands in table schema_version once it has been taken, so steps are never renamed and never
/// changed after a release; a new one goes to the end of the list in schema.cpp.
struct SchemaStep {
  std::string_view name;
  /// Statements with a semicolon behind each, and none inside. {integer}, {text}, {blob}, {empty} (an empty byte
  /// string) and {clustered} (behind a table that is found by its key alone) become what the database calls them. Texts
  /// compare by their bytes.
  const char* statements = "";
  /// What takes more than statements; runs behind them.
  Result<void> (*run)(SqlTransaction&) = nullptr;
};

/// Runs the statements of a step. Fails as SqlTransaction::run().
Result<void> run_schema_statements(SqlTransaction& transaction, std::string_view dialect, std::string_view statements);

}  // namespace sks::issuer
