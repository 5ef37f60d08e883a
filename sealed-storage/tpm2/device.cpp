#include "sealed-storage/tpm2/device.h"

#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace sks::sealed::tpm2 {
namespace {

constexpr const char* kPlaceVariable = "SKS_TPM2_TCTI";
constexpr const char* kResourceManager = "/dev/tpmrm0";

constexpr int kMaxTries = 20;
constexpr std::chrono::milliseconds kPause{50};

/// Says that the command did nothing and may be repeated.
constexpr std::array kRepeatable{TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_RATE};

struct Meaning {
  TSS2_RC kind;
  Status status;
  const char* sentence;
};

/// The codes with a cause that people can do something about.
constexpr std::array kMeanings{
    Meaning{TPM2_RC_FAILURE, Status::not_available,
            "the TPM has failed its self-test; restarting the machine may help"},
    Meaning{TPM2_RC_INITIALIZE, Status::not_available, "the TPM was not started by the firmware of the machine"},
    Meaning{TPM2_RC_LOCKOUT, Status::not_available,
            "the TPM is locked after too many wrong authorizations; wait, or have its owner reset the lock"},
    Meaning{TPM2_RC_BAD_AUTH, Status::not_available, "the owner of the TPM has set a password on the owner hierarchy"},
    Meaning{TPM2_RC_AUTH_FAIL, Status::not_available, "the owner of the TPM has set a password on the owner hierarchy"},
    Meaning{TPM2_RC_HIERARCHY, Status::not_available, "the owner hierarchy of the TPM is switched off"},
    Meaning{TPM2_RC_NV_SPACE, Status::storage, "the TPM's memory for counters is full"},
    Meaning{TPM2_RC_NV_RATE, Status::storage, "the TPM's memory was written to too often of late"},
    Meaning{TSS2_ESYS_RC_RSP_AUTH_FAILED, Status::crypto, "an answer of the TPM was altered on its way"},
    Meaning{TSS2_TCTI_RC_IO_ERROR, Status::not_available, "the TPM does not answer"},
    Meaning{TSS2_TCTI_RC_NO_CONNECTION, Status::not_available, "the TPM does not answer"},
    Meaning{TSS2_ESYS_RC_IO_ERROR, Status::not_available, "the TPM does not answer"},
};

bool from_tpm(TSS2_RC code) { return (code & TSS2_RC_LAYER_MASK) == TSS2_TPM_RC_LAYER; }

/// tpm2-tss writes to the standard error of whatever program it is in, also what is no error to its caller.
void silence_log() {
  constexpr int kKeepOnesOwn = 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the library offers no other way, and it is done once
  static const int once = ::setenv("TSS2_LOG", "all+NONE", kKeepOnesOwn);
  static_cast<void>(once);
}

/// Not from a program that runs with the rights of somebody else: the name may be that of a library to load.
std::string named_place() {
  const char* const place = ::secure_getenv(kPlaceVariable);
  return place == nullptr ? std::string() : std::string(place);
}

Result<void> check_resource_manager() {
  if (::access(kResourceManager, R_OK | W_OK) == 0) return {};
  const std::string path = kResourceManager;
  if (errno == EACCES || errno == EPERM)
    return Error{Status::not_available, "this user may not use the TPM: that takes access to " + path};
  return Error{Status::not_available, "this machine has no TPM 2.0 that is ready for use: there is no " + path};
}

}  // namespace

void Device::CloseTcti::operator()(TSS2_TCTI_CONTEXT* tcti) const noexcept { Tss2_TctiLdr_Finalize(&tcti); }

Result<Device> Device::open() {
  silence_log();
  const std::string named = named_place();
  if (named.empty()) SKS_TRY(check_resource_manager());
  const std::string place = named.empty() ? "device:" + std::string(kResourceManager) : named;
  const Error unreachable{Status::not_available,
                          "no TPM answers at " + (named.empty() ? kResourceManager : named + " ($SKS_TPM2_TCTI)")};
  Device device;
  TSS2_TCTI_CONTEXT* tcti = nullptr;
  if (Tss2_TctiLdr_Initialize(place.c_str(), &tcti) != TSS2_RC_SUCCESS) return unreachable;
  device.tcti_.reset(tcti);
  ESYS_CONTEXT* esys = nullptr;
  if (Esys_Initialize(&esys, tcti, nullptr) != TSS2_RC_SUCCESS) return unreachable;
  device.esys_.reset(esys);
  return device;
}

TSS2_RC run(const std::function<TSS2_RC()>& command) {
  for (int tries = 1;; ++tries) {
    const TSS2_RC code = command();
    if (tries == kMaxTries || std::ranges::find(kRepeatable, code) == kRepeatable.end()) return code;
    std::this_thread::sleep_for(kPause);
  }
}

TSS2_RC kind_of(TSS2_RC code) {
  constexpr TSS2_RC kNumberAndTarget = 0xF40;  // TPM 2.0 part 2, chapter "Format 1": N and P
  return from_tpm(code) && (code & TPM2_RC_FMT1) != 0 ? code & ~kNumberAndTarget : code;
}

bool refuses_argument(TSS2_RC code) {
  constexpr std::array kAuthorization{TPM2_RC_AUTH_FAIL, TPM2_RC_BAD_AUTH};
  if (code == TPM2_RC_SENSITIVE) return true;
  return from_tpm(code) && (code & TPM2_RC_FMT1) != 0 &&
         std::ranges::find(kAuthorization, kind_of(code)) == kAuthorization.end();
}

Error tpm_error(const std::string& what, TSS2_RC code) {
  const std::string beginning = "cannot " + what + ": ";
  const auto* const known = std::ranges::find(kMeanings, kind_of(code), &Meaning::kind);
  if (known != kMeanings.end()) return {known->status, beginning + known->sentence};
  return {Status::not_available, beginning + "the TPM answers " + Tss2_RC_Decode(code)};
}

Result<Handle> start_session(const Device& device, ESYS_TR salt_key, TPM2_SE type, TPMA_SESSION attributes) {
  TPMT_SYM_DEF cipher{};
  cipher.algorithm = salt_key == ESYS_TR_NONE ? TPM2_ALG_NULL : TPM2_ALG_AES;
  cipher.keyBits.aes = 128;
  cipher.mode.aes = TPM2_ALG_CFB;
  Handle session(device);
  const TSS2_RC started = run([&] {
    return Esys_StartAuthSession(device.esys(), salt_key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                 nullptr, type, &cipher, TPM2_ALG_SHA256, session.out());
  });
  if (started != TSS2_RC_SUCCESS) return tpm_error("open a session with the TPM", started);
  constexpr TPMA_SESSION kAll = 0xFF;
  const TSS2_RC set = Esys_TRSess_SetAttributes(
      device.esys(), session.get(), static_cast<TPMA_SESSION>(attributes | TPMA_SESSION_CONTINUESESSION), kAll);
  if (set != TSS2_RC_SUCCESS) return tpm_error("open a session with the TPM", set);
  return session;
}

}  // namespace sks::sealed::tpm2
