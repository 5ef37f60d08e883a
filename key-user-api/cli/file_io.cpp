#include "key-user-api/cli/file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "key-user-api/cli/extension_view.h"
#include "key-user-api/dialog/pin_text.h"
#include "sks-core/crypto/fetch.h"
#include "sks-core/crypto/ossl.h"

namespace sks::cli {
namespace {

constexpr std::size_t kChunk = std::size_t{64} * 1024;

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  const bool standard = path.empty() || path == "-";
  const int fd = standard ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  std::string name = standard ? "the standard input" : path;
  if (fd < 0) return sealed::system_error("cannot open " + name, Status::not_available);
  return InputFile(std::move(name), sealed::FileDescriptor(fd));
}

Result<Bytes> InputFile::digest(HashId hash) {
  const ossl::MdCtx context(EVP_MD_CTX_new());
  if (context == nullptr || EVP_DigestInit_ex2(context.get(), crypto::fetched_md(hash), nullptr) != 1)
    return ossl::take_error("the hash cannot be started");
  SecureBytes buffer(kChunk);
  for (std::size_t size = 1; size != 0;) {
    SKS_LET(size, sealed::read_up_to(file_.get(), buffer.span(), name_));
    if (EVP_DigestUpdate(context.get(), buffer.data(), size) != 1) return ossl::take_error("hashing failed");
  }
  Bytes digest(static_cast<std::size_t>(EVP_MD_CTX_get_size(context.get())));
  if (EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) return ossl::take_error("hashing failed");
  return digest;
}

Result<SecureBytes> InputFile::read(std::size_t limit, const std::string& too_long) {
  SecureBytes content;
  std::size_t size = 0;
  for (bool more = true; more;) {
    if (size == content.size()) {  // grows by half, within the limit and one byte that tells of more
      SecureBytes larger(std::min(limit + 1, std::max(kChunk, size + size / 2)));
      std::copy_n(content.data(), size, larger.data());
      content = std::move(larger);
    }
    SKS_LET(const std::size_t got, sealed::read_up_to(file_.get(), content.span().subspan(size), name_));
    size += got;
    if (size > limit) return Error{Status::option, too_long};
    more = got != 0;
  }
  content.truncate(size);
  return content;
}

Result<void> deliver(ByteView content, const OutputOptions& options, std::ostream& out) {
  if (!options.file.empty()) return sealed::write_whole_file(options.file, content);
  const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
  if (options.reader == Reader::person && !is_plain_text(text))
    return Error{Status::option, "the " + std::to_string(content.size()) +
                                     " bytes are not plain text; --out FILE writes them as they are"};
  out << text;
  return {};
}

}  // namespace sks::cli
