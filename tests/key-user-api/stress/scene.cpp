#include "tests/key-user-api/stress/scene.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "tests/support/pkcs11/daemon.h"
#include "tests/support/pkcs11/keys.h"

namespace sks::stress {
namespace {

client::Answer<void> ensure(const Options& options) {
  SKS_LET(const client::Module module, client::Module::load(options.module));
  SKS_TRY(module.initialize());
  SKS_LET(const client::Session session, client::Session::open(module, options.token));
  SKS_LET(const std::vector<CK_OBJECT_HANDLE> found, session.find(signing_key(options, CKO_PRIVATE_KEY)));
  if (found.empty())
    SKS_TRY(client::generate_p256(session, client::Lifetime::token, Bytes{0x57, 0x01}, options.key_label));
  return {};
}

}  // namespace

void Tally::add(std::size_t good, std::size_t wrong, std::string what) {
  const std::lock_guard lock(guard_);
  good_ += good;
  wrong_ += wrong;
  if (first_.empty()) first_ = std::move(what);
}

void Tally::wrong(std::string what) { add(0, 1, std::move(what)); }

void Tally::expected(const std::string& what) {
  const std::lock_guard lock(guard_);
  const auto found =
      std::find_if(expected_.begin(), expected_.end(), [&](const auto& row) { return row.first == what; });
  if (found == expected_.end())
    expected_.emplace_back(what, 1);
  else
    ++found->second;
}

test::Sample Tally::sum() const {
  const std::lock_guard lock(guard_);
  test::Sample sample{static_cast<double>(good_), wrong_, {}};
  if (wrong_ != 0) sample.problem = "first wrong answer: " + first_ + "; ";
  for (const auto& [what, count] : expected_) sample.problem += std::to_string(count) + " x " + what + "; ";
  return sample;
}

client::Attributes signing_key(const Options& options, CK_OBJECT_CLASS object_class) {
  client::Attributes wanted;
  return wanted.number(CKA_CLASS, object_class).number(CKA_KEY_TYPE, CKK_EC).add(CKA_LABEL, options.key_label);
}

test::Sample ensure_key(const Options& options) {
  return test::run_together({[&](const std::function<void()>&) -> test::Sample {
                              const auto done = ensure(options);
                              if (!done) return {0, 1, done.error().text()};
                              return {1, 0, {}};
                            }},
                            std::chrono::seconds(60))
      .front();
}

client::Answer<Signer> open_signer(const Options& options) {
  SKS_LET(const client::Module module, client::Module::load(options.module));
  SKS_TRY(module.initialize());
  SKS_LET(client::Session session, client::Session::open(module, options.token));
  SKS_LET(const CK_OBJECT_HANDLE private_key, session.find_one(signing_key(options, CKO_PRIVATE_KEY)));
  SKS_LET(const CK_OBJECT_HANDLE public_key, session.find_one(signing_key(options, CKO_PUBLIC_KEY)));
  SKS_LET(ossl::Pkey judge, client::p256_public_key(session, public_key));
  return Signer{module, std::move(session), private_key, public_key, std::move(judge)};
}

bool kill_daemon(const Options& options) {
  if (!options.kill_command.empty()) return std::system(options.kill_command.c_str()) == 0;
  const std::optional<pid_t> pid = client::listener_of(options.socket);
  return pid && ::kill(*pid, SIGKILL) == 0;
}

std::chrono::duration<double> seconds(double count) { return std::chrono::duration<double>(count); }

}  // namespace sks::stress
