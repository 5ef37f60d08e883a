#include "key-user-api/daemon/program.h"
#include "tests/key-user-api/daemon/scripted_service.h"

namespace sks {
namespace {

/// The service of scripted_service.h, and method 210, which asks the user: 1 and the secret, or 0.
class AskingService final : public token::Service {
 public:
  explicit AskingService(token::Ports ports) : ports_(std::move(ports)) {}

  std::shared_ptr<token::Application> new_application() override { return scripted_.new_application(); }
  void store_changed() override { scripted_.store_changed(); }
  void properties_changed(KeyHandle key) override { scripted_.properties_changed(key); }
  void pin_changed(KeyHandle key) override { scripted_.pin_changed(key); }

  SecureBytes answer(token::Application* application, const token::Program& program, ByteView request,
                     token::UseRecord& record) noexcept override {
    if (request[0] != 210) return scripted_.answer(application, program, request, record);
    const std::optional<SecureBytes> secret = ports_.dialog.ask({program, "Token", "PIN", ""});
    SecureBytes body(2 + (secret ? secret->size() : 0));
    body.data()[1] = secret ? 1 : 0;
    if (secret) std::ranges::copy(secret->view(), body.data() + 2);
    return body;
  }

 private:
  token::Ports ports_;
  test::ScriptedService scripted_;
};

}  // namespace

Result<std::unique_ptr<token::Service>> token::Service::open(Ports ports) {
  return std::unique_ptr<Service>(std::make_unique<AskingService>(std::move(ports)));
}

}  // namespace sks

int main(int argc, char** argv) { return sks::daemon::run_program(argc, argv); }
