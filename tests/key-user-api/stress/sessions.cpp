#include <set>

#include "tests/key-user-api/stress/scene.h"
#include "tests/support/pkcs11/keys.h"

namespace sks::stress {
namespace {

/// All sessions have an operation at the same time, and each must sign its own data.
void sign_in_all(const Signer& signer, std::vector<client::Session>& sessions, Tally& tally) {
  CK_FUNCTION_LIST& functions = signer.module.functions();
  for (const client::Session& session : sessions) {
    CK_MECHANISM how{CKM_ECDSA, nullptr, 0};
    const CK_RV code = functions.C_SignInit(session.handle(), &how, signer.private_key);
    if (code != CKR_OK) tally.wrong("C_SignInit: " + client::name_of(code));
  }
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    Bytes hash = client::test_hash(i);
    Bytes signature(64);
    CK_ULONG size = signature.size();
    const CK_RV code = functions.C_Sign(sessions[i].handle(), hash.data(), hash.size(), signature.data(), &size);
    if (code != CKR_OK)
      tally.wrong("C_Sign: " + client::name_of(code));
    else if (size != signature.size() || !client::is_p256_signature(signer.judge.get(), hash, signature))
      tally.wrong("a wrong signature");
    else
      tally.good();
  }
}

client::Answer<void> open_sign_close(const Options& options, Tally& tally) {
  SKS_LET(const Signer signer, open_signer(options));
  const client::Session& first = signer.session;
  std::vector<client::Session> sessions;
  std::set<CK_SESSION_HANDLE> handles;
  for (std::size_t i = 0; i < options.sessions; ++i) {
    CK_SESSION_HANDLE handle = 0;
    SKS_TRY(client::check("C_OpenSession", signer.module.functions().C_OpenSession(first.slot(), CKF_SERIAL_SESSION,
                                                                                   nullptr, nullptr, &handle)));
    sessions.push_back(client::Session::adopt(signer.module, handle, first.slot()));
    handles.insert(handle);
  }
  if (handles.size() != options.sessions) tally.wrong("two sessions have one handle");
  sign_in_all(signer, sessions, tally);
  sessions.clear();
  for (const CK_SESSION_HANDLE handle : handles) {
    CK_SESSION_INFO info{};
    const CK_RV code = signer.module.functions().C_GetSessionInfo(handle, &info);
    if (code != CKR_SESSION_HANDLE_INVALID) tally.wrong("a closed session answers " + client::name_of(code));
  }
  // The login is that of the session that is left.
  Bytes signature;
  SKS_TRY(first.sign(signer.private_key, CKM_ECDSA, client::test_hash(0), signature));
  return {};
}

}  // namespace

test::Sample run_sessions(const Options& options) {
  const test::Job job = [&](const std::function<void()>&) -> test::Sample {
    Tally tally;
    const auto done = open_sign_close(options, tally);
    if (!done) tally.wrong(done.error().text());
    return tally.sum();
  };
  return test::sum_of(test::run_together(std::vector<test::Job>(options.processes, job), std::chrono::seconds(300)));
}

}  // namespace sks::stress
