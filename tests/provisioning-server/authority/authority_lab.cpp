#include "tests/provisioning-server/authority/authority_lab.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>

#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

crypto::PrivateKey new_key(const std::string& name) {
  const Algorithm* const algorithm = find_algorithm("https://webpki.github.io/sks/algorithm#" + name);
  REQUIRE(algorithm != nullptr);
  auto key = crypto::PrivateKey::generate(*algorithm);
  REQUIRE(key);
  return std::move(key).value();
}

crypto::Certificate ca_certificate(const crypto::Signer& signer) {
  crypto::CertificateTemplate contents{};
  contents.kind = crypto::CertificateKind::ca;
  contents.subject = {{"CN", "Lab CA"}};
  contents.not_before = kLabStart;
  contents.not_after = kLabStart + std::int64_t{20} * 365 * 86400;
  auto certificate = crypto::issue_certificate(contents, signer.public_key(), nullptr, signer);
  REQUIRE(certificate);
  return std::move(certificate).value();
}

std::string run(const std::string& command) {
  std::string output;
  std::FILE* const pipe = popen(("{ " + command + "; } 2>&1").c_str(), "r");  // NOLINT: a test drives programs
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) output += part.data();
  const int status = pclose(pipe);
  if (status != 0) output += "exit " + std::to_string(status);
  return output;
}

bool openssl_accepts(const std::vector<Bytes>& path, const std::string& options) {
  const TempDir folder;
  std::string untrusted;
  for (std::size_t i = 1; i + 1 < path.size(); ++i) untrusted += to_pem(path[i], "CERTIFICATE");
  write_file(folder.file("leaf"), to_pem(path.front(), "CERTIFICATE"));
  write_file(folder.file("ca"), to_pem(path.back(), "CERTIFICATE"));
  write_file(folder.file("between"), untrusted);
  const std::string between = untrusted.empty() ? "" : " -untrusted " + folder.file("between");
  const std::string output = run("openssl verify -x509_strict " + options + " -CAfile " + folder.file("ca") + between +
                                 ' ' + folder.file("leaf"));
  if (output.find(": OK") == std::string::npos) MESSAGE(output);
  return output.find(": OK") != std::string::npos;
}

}  // namespace sks::test
