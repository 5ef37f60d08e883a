#include "key-user-api/ssh_agent/agent_lock.h"

#include <algorithm>

#include "sks-core/crypto/scrypt.h"

namespace sks::ssh {
namespace {

using std::chrono::milliseconds;

constexpr crypto::ScryptCosts kCosts{12, 8, 1};  ///< 4 MiB, which must be there while memory is locked
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kHashSize = 32;

constexpr milliseconds kFirstPause{250};
constexpr milliseconds kLongestPause{8'000};

milliseconds pause_after(unsigned failures) {
  milliseconds pause = kFirstPause;
  for (unsigned i = 1; i < failures && pause < kLongestPause; ++i) pause *= 2;
  return std::min(pause, kLongestPause);
}

}  // namespace

Result<SecureBytes> AgentLock::hash_of(ByteView passphrase) const {
  return crypto::scrypt(passphrase, salt_, kCosts, kHashSize);
}

Result<void> AgentLock::lock(ByteView passphrase) {
  const std::lock_guard guard(mutex_);
  if (locked_) return Error{Status::not_allowed, "the agent is locked already"};
  salt_ = random_.bytes(kSaltSize);
  SKS_LET(hash_, hash_of(passphrase));
  failures_ = 0;
  locked_ = true;
  return {};
}

Result<void> AgentLock::unlock(ByteView passphrase) {
  const std::lock_guard guard(mutex_);
  if (!locked_) return Error{Status::not_allowed, "the agent is not locked"};
  SKS_LET(const SecureBytes hash, hash_of(passphrase));
  if (!equal_constant_time(hash.view(), hash_.view())) {
    pause_(pause_after(++failures_));
    return Error{Status::authorization, "the passphrase of the agent is wrong"};
  }
  hash_ = SecureBytes();
  locked_ = false;
  return {};
}

}  // namespace sks::ssh
