#include "sealed-storage/node_table.h"

namespace sks::sealed {

Result<NodeTable> NodeTable::open(Database& database) {
  SKS_LET(Statement get, database.prepare("SELECT tags FROM node WHERE kind = ?1 AND level = ?2 AND number = ?3"));
  SKS_LET(Statement put,
          database.prepare("INSERT OR REPLACE INTO node (kind, level, number, tags) VALUES (?1, ?2, ?3, ?4)"));
  SKS_LET(Statement erase, database.prepare("DELETE FROM node WHERE kind = ?1 AND level = ?2 AND number = ?3"));
  return NodeTable(std::move(get), std::move(put), std::move(erase));
}

Result<std::optional<Bytes>> NodeTable::load(NodeId id) {
  const StatementReset guard(get_);
  SKS_LET(const bool row, get_.bind(1, id.kind).bind(2, id.level).bind(3, id.number).step());
  if (!row) return std::optional<Bytes>();
  return std::optional(to_bytes(get_.blob(0)));
}

Result<void> NodeTable::store(NodeId id, ByteView node) {
  return put_.bind(1, id.kind).bind(2, id.level).bind(3, id.number).bind(4, node).run();
}

Result<void> NodeTable::erase(NodeId id) { return erase_.bind(1, id.kind).bind(2, id.level).bind(3, id.number).run(); }

}  // namespace sks::sealed
