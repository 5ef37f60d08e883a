#include "provisioning-server/database/schema_directory.h"
#include "provisioning-server/directory/certificate_facts.h"
#include "provisioning-server/directory/subject_words.h"
#include "sks-core/crypto/x509.h"

namespace sks::issuer {

Result<void> fill_directory(SqlTransaction& transaction) {
  constexpr std::int64_t kPage = 500;
  std::string last;
  for (;;) {
    SKS_LET(const SqlRows rows, transaction.query("SELECT fingerprint, subject, certificate, created FROM credentials"
                                                  " WHERE fingerprint > $1 ORDER BY fingerprint LIMIT $2",
                                                  {last, kPage}));
    for (const SqlRow& row : rows) {
      last = row.text(0);
      SKS_TRY(insert_words(transaction, {row.text(1), row.integer(3), last}));
      // One that does not decode stays without: it is none of ours, and no reason not to start.
      const auto certificate = crypto::Certificate::from_der(row.blob(2));
      if (!certificate) continue;
      SKS_TRY(
          transaction.enqueue("UPDATE credentials SET serial = $1, issuer = $2, not_after = $3 WHERE fingerprint = $4",
                              {serial_of(*certificate), certificate->issuer(), certificate->not_after(), last}));
    }
    if (rows.size() < static_cast<std::size_t>(kPage)) return {};
  }
}

}  // namespace sks::issuer
