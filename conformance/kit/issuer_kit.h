#pragma once

#include "conformance/kit/device.h"
#include "conformance/kit/endings.h"
#include "conformance/kit/scenario.h"
#include "conformance/kit/scenario_result.h"
#include "conformance/kit/tls.h"

namespace sks::conformance {

/// Where the issuer under examination is.
struct IssuerAddress {
  std::string init;            ///< https URL of the first message, used again for each scenario
  std::string url;             ///< main URL
  std::string ticket_command;  ///< of the shell: writes an invocation URI, or an https URL, for one scenario
  std::string order_command;   ///< the same for an order, see KeyOrder: {action} and {fingerprint} stand in it
  std::string ca;              ///< PEM file of the CAs that are trusted; empty: those of the system
  std::chrono::seconds patience;
};

/// What starts a session. Spec: keygen2.md 2.1
struct Invocation {
  std::string init;
  std::string url;
  std::string cookie;
};

/// Takes an issuer through scenarios, as a client with a device of the kit.
class IssuerExaminer {
 public:
  /// The devices must outlive it. Fails with option when the address is not usable.
  static Result<IssuerExaminer> create(IssuerAddress address, const Devices& devices);

  ScenarioResult run(const Scenario& scenario);

 private:
  IssuerExaminer(IssuerAddress address, const Devices& devices, TlsContext context)
      : address_(std::move(address)), devices_(&devices), context_(std::move(context)) {}
  struct Played {
    std::unique_ptr<Device> device;
    std::string location;  ///< of the last response
    bool good = false;     ///< the session ended, and nothing was wrong with it
    EarlierSession seen = {};
  };
  Result<void> examine(const Scenario& scenario, ScenarioResult& result);
  Result<void> rehearse();
  Result<Played> play(const Scenario& scenario, ScenarioResult& result);
  Result<Played> play_with(std::unique_ptr<Device> device, const Invocation& invocation, const Scenario& scenario,
                           ScenarioResult& result);
  Result<void> play_order(const Scenario& scenario, ScenarioResult& result);
  Result<std::unique_ptr<Device>> prepare_device(const Json& otherwise, ScenarioResult& result) const;

  IssuerAddress address_;
  const Devices* devices_;
  TlsContext context_;
  bool rehearsed_ = false;
  std::string unready_;             ///< why there is no earlier session, or empty
  std::optional<Endings> endings_;  ///< of sessions whose outcome is known
  EarlierSession earlier_;          ///< the first of them
};

}  // namespace sks::conformance
