#include "provisioning-server/operations/sealed_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/cipher.h"

namespace sks::issuer {
namespace {

constexpr std::string_view kMagic = "SKSISSUE";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSalt = 16;
constexpr std::size_t kHeader = 8 + 1 + 3 + kSalt;
constexpr std::size_t kBlock = 1 << 20;
// Spec: sealed-record.md 2.2
constexpr std::uint8_t kMinLog2N = 14;
constexpr std::uint8_t kMaxLog2N = 20;

std::string reason() { return std::strerror(errno); }  // NOLINT(concurrency-mt-unsafe): glibc's is

Bytes nonce_of(std::uint64_t index, bool last) {
  return ByteWriter().u8(last ? 1 : 0).u8(0).u8(0).u8(0).u64(index).take();
}

Error damaged(const std::string& file) { return {Status::crypto, file + " is damaged, or not all of it is there"}; }

}  // namespace

Result<SealedWriter> SealedWriter::create(const std::string& file, const SecureBytes& passphrase, const Random& random,
                                          crypto::ScryptCosts costs) {
  if (passphrase.empty()) return Error{Status::option, "the passphrase is empty"};
  const Bytes salt = random.bytes(kSalt);
  Bytes header(kMagic.begin(), kMagic.end());
  for (const std::uint8_t byte : {kVersion, costs.log2_n, costs.r, costs.p}) header.push_back(byte);
  header.insert(header.end(), salt.begin(), salt.end());
  SKS_LET(SecureBytes key, crypto::scrypt(passphrase.view(), salt, costs, crypto::kAes256Key));
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) return Error{errno == EEXIST ? Status::option : Status::storage, "cannot make " + file + ": " + reason()};
  close(fd);
  SealedWriter writer(file, std::move(key), std::move(header));
  writer.out_.open(file, std::ios::binary | std::ios::trunc);
  writer.out_.write(reinterpret_cast<const char*>(writer.header_.data()),
                    static_cast<std::streamsize>(writer.header_.size()));
  if (!writer.out_) return Error{Status::storage, "cannot write " + file + ": " + reason()};
  return writer;
}

Result<void> SealedWriter::write_block(bool last) {
  const Bytes sealed = crypto::aes_256_gcm_seal(key_.view(), nonce_of(index_++, last), header_, block_);
  cleanse(block_);
  block_.clear();
  if (!out_.write(reinterpret_cast<const char*>(sealed.data()), static_cast<std::streamsize>(sealed.size())))
    return Error{Status::storage, "cannot write " + file_ + ": " + reason()};
  return {};
}

Result<void> SealedWriter::write(ByteView content) {
  block_.reserve(kBlock);
  while (!content.empty()) {
    const std::size_t size = std::min(content.size(), kBlock - block_.size());
    block_.insert(block_.end(), content.begin(), content.begin() + static_cast<std::ptrdiff_t>(size));
    content = content.subspan(size);
    if (block_.size() == kBlock) SKS_TRY(write_block(false));
  }
  return {};
}

Result<void> SealedWriter::finish() {
  SKS_TRY(write_block(true));
  out_.close();
  const int fd = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = out_ && fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  if (!synced) return Error{Status::storage, "cannot write " + file_ + ": " + reason()};
  return {};
}

Result<SealedReader> SealedReader::open(const std::string& file, const SecureBytes& passphrase) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{Status::not_available, "cannot read " + file + ": " + reason()};
  Bytes header(kHeader);
  in.read(reinterpret_cast<char*>(header.data()), static_cast<std::streamsize>(header.size()));
  const auto size = static_cast<std::size_t>(in.gcount());
  if (size < kMagic.size() || !std::equal(kMagic.begin(), kMagic.end(), header.begin()))
    return Error{Status::option, file + " is no backup of an issuer"};
  if (size < kHeader) return damaged(file);
  if (header[8] != kVersion) return Error{Status::option, file + " was written by a newer sks-issuer"};
  const crypto::ScryptCosts costs{header[9], header[10], header[11]};
  if (costs.log2_n < kMinLog2N || costs.log2_n > kMaxLog2N || costs.r != 8 || costs.p != 1) return damaged(file);
  SKS_LET(SecureBytes key,
          crypto::scrypt(passphrase.view(), ByteView(header).subspan(kHeader - kSalt), costs, crypto::kAes256Key));
  SealedReader reader(file, std::move(key), std::move(header));
  reader.in_ = std::move(in);
  if (!reader.next_block()) return Error{Status::authorization, "the passphrase is wrong, or " + file + " is damaged"};
  return reader;
}

Result<void> SealedReader::next_block() {
  if (last_) return damaged(file_);
  Bytes sealed(kBlock + crypto::kGcmTag);
  in_.read(reinterpret_cast<char*>(sealed.data()), static_cast<std::streamsize>(sealed.size()));
  sealed.resize(static_cast<std::size_t>(in_.gcount()));
  if (sealed.size() < crypto::kGcmTag) return damaged(file_);
  last_ = in_.peek() == std::ifstream::traits_type::eof();
  Result<SecureBytes> opened = crypto::aes_256_gcm_open(key_.view(), nonce_of(index_++, last_), header_, sealed);
  if (!opened) return damaged(file_);
  block_ = std::move(opened).value();
  used_ = 0;
  return {};
}

Result<SecureBytes> SealedReader::read(std::size_t size) {
  SecureBytes content(size);
  std::size_t have = 0;
  while (have < size) {
    if (used_ == block_.size()) SKS_TRY(next_block());
    const std::size_t part = std::min(size - have, block_.size() - used_);
    std::copy_n(block_.view().begin() + static_cast<std::ptrdiff_t>(used_), part,
                content.span().begin() + static_cast<std::ptrdiff_t>(have));
    used_ += part;
    have += part;
  }
  return content;
}

Result<void> SealedReader::finish() {
  if (used_ == block_.size() && !last_) SKS_TRY(next_block());
  if (used_ != block_.size() || !last_) return damaged(file_);
  return {};
}

}  // namespace sks::issuer
