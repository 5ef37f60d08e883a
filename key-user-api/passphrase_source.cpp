#include "key-user-api/passphrase_source.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "sealed-storage/files.h"
#include "sealed-storage/passphrase_envelope.h"

namespace sks {
namespace {

using Found = Result<std::optional<SecureBytes>>;

constexpr std::size_t kReadLimit = sealed::kMaxPassphrase + 2;  // and the end of its line

/// Takes the end off a line, and refuses everything that is not one line.
Result<SecureBytes> passphrase_of(SecureBytes line, const std::string& where) {
  if (!line.empty() && line.view().back() == '\n') line.truncate(line.size() - 1);
  if (!line.empty() && line.view().back() == '\r') line.truncate(line.size() - 1);
  if (line.empty()) return Error{Status::option, where + " holds no passphrase"};
  const auto ends_line = [](std::uint8_t c) { return c == '\n' || c == '\r' || c == '\0'; };
  if (std::ranges::any_of(line.view(), ends_line))
    return Error{Status::option, where + " holds more than one line, and cannot be a passphrase"};
  return line;
}

Found find_credential(std::string& tried) {
  const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (folder == nullptr || *folder == '\0') {
    tried = "$CREDENTIALS_DIRECTORY is not set";
    return std::optional<SecureBytes>();
  }
  const std::string path = std::string(folder) + "/" + kPassphraseCredential;
  auto content = sealed::read_private_file(path, kReadLimit, sealed::Readers::owner_and_group);
  if (!content && content.error().status == Status::not_available) {
    tried = content.error().detail;
    return std::optional<SecureBytes>();
  }
  if (!content) return content.error();
  SKS_LET(SecureBytes passphrase, passphrase_of(std::move(*content), path));
  return std::optional(std::move(passphrase));
}

/// Errors that mean that there is no such key; the last three come from kernels and sandboxes without keyrings.
constexpr auto kNoSuchKey = std::to_array({ENOKEY, ENOSYS, EPERM, EOPNOTSUPP});

Found find_in_keyring(std::string& tried) {
  const std::string name = std::string("key ") + kPassphraseKey + " in the kernel's keyring";
  const long key = ::syscall(SYS_request_key, "user", kPassphraseKey, nullptr, 0L);
  if (key < 0 && std::ranges::find(kNoSuchKey, errno) != kNoSuchKey.end()) {
    tried = "there is no " + name;
    return std::optional<SecureBytes>();
  }
  if (key < 0) return sealed::system_error("cannot use the " + name);
  SecureBytes content(kReadLimit);
  const long size = ::syscall(SYS_keyctl, static_cast<long>(KEYCTL_READ), key, content.data(), content.size());
  if (size < 0) return sealed::system_error("cannot read the " + name);
  if (static_cast<std::size_t>(size) > content.size()) return Error{Status::option, "the " + name + " is too long"};
  content.truncate(static_cast<std::size_t>(size));
  SKS_LET(SecureBytes passphrase, passphrase_of(std::move(content), "the " + name));
  return std::optional(std::move(passphrase));
}

/// In the order in which they are asked: what was given to this service before what everything of this user finds.
constexpr auto kPlaces = std::to_array<Found (*)(std::string& tried)>({find_credential, find_in_keyring});

}  // namespace

Result<SecureBytes> read_passphrase_file(const std::string& path) {
  auto content = sealed::read_private_file(path, kReadLimit);
  if (content) return passphrase_of(std::move(*content), path);
  // A file that was named and is not there must not pass for a place without a passphrase.
  if (content.error().status == Status::not_available) return Error{Status::option, content.error().detail};
  return content.error();
}

Result<WaitingPassphrase> find_waiting_passphrase(const std::string& file) {
  if (!file.empty()) {
    SKS_LET(SecureBytes passphrase, read_passphrase_file(file));
    return WaitingPassphrase{std::move(passphrase), {}};
  }
  WaitingPassphrase waiting;
  for (const auto find : kPlaces) {
    std::string tried;
    SKS_LET(waiting.passphrase, find(tried));
    if (waiting.passphrase) return waiting;
    waiting.tried += (waiting.tried.empty() ? "" : ", ") + tried;
  }
  return waiting;
}

Result<SecureBytes> UnattendedSecrets::get(Secret /*secret*/, const std::string& store) {
  SKS_LET(WaitingPassphrase waiting, find_waiting_passphrase(file_));
  if (waiting.passphrase) return std::move(*waiting.passphrase);
  return Error{Status::not_available,
               "the key store in " + store + " is protected by a passphrase, and there is none: " + waiting.tried};
}

}  // namespace sks
