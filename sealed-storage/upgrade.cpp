#include "sealed-storage/upgrade.h"

#include <limits>

#include "sealed-storage/store_index.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"

namespace sks::sealed {
namespace {

Result<void> reseal(Database& database, const RecordSealer& before, const RecordSealer& after, SealTree& tree,
                    std::int64_t newest) {
  SKS_LET(Statement next, database.prepare("SELECT kind, handle, generation, sealed FROM record "
                                           "WHERE (kind, handle) > (?1, ?2) ORDER BY kind, handle LIMIT 1"));
  SKS_LET(Statement put, database.prepare(kPutRecord));
  for (std::int64_t kind = 0, handle = 0;;) {
    const StatementReset guard(next);
    SKS_LET(const bool row, next.bind(1, kind).bind(2, handle).step());
    if (!row) return {};
    kind = next.integer(0);
    handle = next.integer(1);
    const std::int64_t generation = next.integer(2);
    // The constraints of the schema bind us, not somebody else who writes to the file.
    if (kind < 1 || kind > std::numeric_limits<std::uint8_t>::max() || handle < 0 ||
        handle > std::numeric_limits<std::uint32_t>::max() || generation < 1 || generation > newest) {
      return Error{Status::crypto, "the sealed record " + std::to_string(kind) + "/" + std::to_string(handle) +
                                       " was altered or does not belong there"};
    }
    const RecordLabel label{static_cast<std::uint8_t>(kind), static_cast<std::uint32_t>(handle),
                            static_cast<std::uint64_t>(generation)};
    SKS_LET(const SecureBytes plaintext, before.open(label, next.blob(3)));
    const Bytes sealed = after.seal(label, system_random().bytes(crypto::kGcmNonce), plaintext.view());
    SKS_TRY(tree.set(label.kind, label.handle, tag_of_record(sealed)));
    SKS_TRY(put.bind(1, kind).bind(2, handle).bind(3, generation).bind(4, sealed).run());
  }
}

Result<void> upgrade_in_transaction(Database& database, ByteView master_key, std::uint32_t version, Header& header) {
  const RecordSealer before(master_key, header.store_id, version);
  const RecordSealer after(master_key, header.store_id);
  SKS_TRY(upgrade_tables(database));
  SKS_LET(const std::unique_ptr<StoreIndex> index, StoreIndex::make(database, after));
  SKS_TRY(reseal(database, before, after, index->tree(), header.generation));
  ++header.generation;
  header.key_check = to_bytes(after.key_check().view());
  SKS_TRY(index->write(header.generation));
  SKS_TRY(write_header(database, header));
  return database.execute("COMMIT");
}

}  // namespace

Result<void> upgrade(Database& database, ByteView master_key, std::uint32_t version, Header& header) {
  if (header.generation == std::numeric_limits<std::int64_t>::max())
    return Error{Status::storage, "the key store has used up the generations of its records"};
  SKS_TRY(database.execute("BEGIN IMMEDIATE"));
  Header upgraded = header;
  Result<void> done = upgrade_in_transaction(database, master_key, version, upgraded);
  if (done) header = upgraded;
  if (!done && database.in_transaction()) static_cast<void>(database.execute("ROLLBACK"));
  return done;
}

}  // namespace sks::sealed
