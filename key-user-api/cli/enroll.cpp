#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/enrolment.h"

namespace sks::cli {

Result<void> run_enroll(EnrollOptions options, HttpTransport& transport, SecureKeyStore& store,
                        dialog::AttendedDialog* attended, const Clock& clock, std::ostream& out) {
  out << std::unitbuf;  // the user sees whom we are connected to before being asked
  dialog::ScriptDialog script(options.consent, std::move(options.pins), attended, out, options.disclosure);
  const auto enrolled = enrol(options.invocation, transport, store, script, clock, out);
  if (enrolled) {
    if (const std::size_t unused = script.unused_pins(); unused != 0)
      out << "Not needed: " << unused << " of the PINs that were given.\n";
    return {};
  }
  if (enrolled.error().status == Status::user_abort && !options.invocation.cancel_url.empty())
    out << "The issuer's page for a cancelled session: " << options.invocation.cancel_url << "\n";
  if (!script.failure().empty()) return Error{Status::user_abort, script.failure()};
  return enrolled.error();
}

}  // namespace sks::cli
