#include "sealed-storage/file_anchor.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "sealed-storage/files.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/mac.h"

namespace sks::sealed {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'S', 'K', 'S', 'A', 'N', 'C', 'H', 0};
constexpr std::uint8_t kFileVersion = 1;
constexpr std::size_t kMacSize = 32;
constexpr std::size_t kFileSize = kMagic.size() + 1 + kStoreIdSize + 8 + kMacSize;
constexpr std::size_t kMaxPath = 1024;

Bytes encode(std::uint64_t epoch, const AnchorContext& context) {
  Bytes file(kMagic.begin(), kMagic.end());
  file.push_back(kFileVersion);
  file.insert(file.end(), context.store_id.begin(), context.store_id.end());
  for (std::uint32_t shift = 64; shift > 0; shift -= 8) file.push_back(static_cast<std::uint8_t>(epoch >> (shift - 8)));
  const crypto::Sha256Digest mac = crypto::hmac_sha256(context.key, file);
  file.insert(file.end(), mac.begin(), mac.end());
  return file;
}

/// The epoch in a file of this store.
Result<std::uint64_t> decode(ByteView file, const std::string& path, const AnchorContext& context) {
  if (file.size() < kMagic.size() || !equal(file.first(kMagic.size()), kMagic))
    return Error{Status::crypto, path + " is not the anchor of a key store"};
  if (file.size() != kFileSize || file[kMagic.size()] != kFileVersion)
    return Error{Status::crypto, path + " is damaged, or an anchor of a kind that this program does not know"};
  const ByteView checked = file.first(kFileSize - kMacSize);
  if (!equal(checked.subspan(kMagic.size() + 1, kStoreIdSize), context.store_id))
    return Error{Status::crypto, path + " is the anchor of another key store"};
  const crypto::Sha256Digest mac = crypto::hmac_sha256(context.key, checked);
  if (!equal_constant_time(mac, file.last(kMacSize))) return Error{Status::crypto, path + " was altered"};
  std::uint64_t epoch = 0;
  for (const std::uint8_t byte : checked.last(8)) epoch = epoch << 8U | byte;
  return epoch;
}

class FileAnchor final : public Anchor {
 public:
  FileAnchor(std::string path, const AnchorContext& context) : path_(std::move(path)), context_(context) {}

  Result<std::uint64_t> read() override {
    auto content = read_private_file(path_, kFileSize, Readers::anyone);
    if (!content && content.error().status == Status::not_available)
      return Error{Status::not_available,
                   "the anchor of the key store in " + context_.store + " is out of reach: " + content.error().detail};
    if (!content) return content.error();
    return decode(content->view(), path_, context_);
  }

  Result<void> advance(std::uint64_t epoch) override {
    return replace_file(path_, path_ + ".new", encode(epoch, context_));
  }

  Result<void> remove() override {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return system_error("cannot remove " + path_);
    return {};
  }

 private:
  std::string path_;
  AnchorContext context_;
};

/// The path as the store keeps it: good from every working directory.
Result<std::string> absolute_place(const std::string& place, const std::string& store) {
  namespace fs = std::filesystem;
  std::error_code failure;
  const fs::path absolute = fs::absolute(place, failure);
  const fs::path folder = failure ? fs::path() : fs::canonical(absolute.parent_path(), failure);
  if (failure || !absolute.has_filename())
    return Error{Status::option, "the folder of the anchor " + place + " does not exist"};
  std::string path = (folder / absolute.filename()).string();
  if (path.size() > kMaxPath) return Error{Status::option, "the path of the anchor is longer than 1024 bytes"};
  if ((path + "/").starts_with(store + "/"))
    return Error{Status::option, "an anchor in the key store's own folder would be put back together with it"};
  return path;
}

}  // namespace

Result<NewAnchor> create_file_anchor(const std::string& place, const AnchorContext& context) {
  SKS_LET(const std::string path, absolute_place(place, context.store));
  const std::string so_far = sks::to_string(context.parameters);
  std::error_code ignored;
  if (path != so_far && !so_far.empty() && std::filesystem::equivalent(path, so_far, ignored))
    return Error{Status::option, path + " is the present anchor under another name"};
  const auto present = read_private_file(path, kFileSize, Readers::anyone);
  const bool absent = !present && present.error().status == Status::not_available;
  const auto own = present ? decode(present->view(), path, context) : Result<std::uint64_t>(present.error());
  // One of this store was left behind by an attempt that was interrupted.
  if (!absent && !own) return Error{Status::option, "there is a file already: " + path};
  if (path == so_far && own && (*own == context.epoch || *own + 1 == context.epoch))
    return NewAnchor{to_bytes(as_bytes(path)), context.epoch};  // it stays as it is
  // A number that the store had before would let its copies of then pass.
  const std::uint64_t epoch = context.generation + 1;
  const Bytes file = encode(epoch, context);
  SKS_TRY(absent ? write_new_file(path, file) : replace_file(path, path + ".new", file));
  SKS_TRY(sync_folder(folder_of(path)));
  return NewAnchor{to_bytes(as_bytes(path)), epoch};
}

Result<std::unique_ptr<Anchor>> open_file_anchor(ByteView parameters, const AnchorContext& context) {
  const std::string path = sks::to_string(parameters);
  if (path.empty() || path.size() > kMaxPath || path.front() != '/' || path.find('\0') != std::string::npos)
    return Error{Status::crypto, "the path of the key store's anchor is malformed"};
  return std::unique_ptr<Anchor>(std::make_unique<FileAnchor>(path, context));
}

}  // namespace sks::sealed
