#include "key-user-api/dialog/secret_entry.h"

namespace sks::dialog {

Result<SecretEntry> enter_secret(const PinentrySettings& settings, const SecretQuestion& question) {
  SKS_LET(PinentryProgram program, PinentryProgram::start(settings));
  SKS_TRY(program.offer("SETTITLE", kWindowTitle));
  SKS_TRY(program.set("SETDESC", question.description));
  SKS_TRY(program.set("SETPROMPT", question.prompt));
  SKS_TRY(program.offer("SETOK", "OK"));
  SKS_TRY(program.offer("SETCANCEL", "Cancel"));
  if (!question.complaint.empty()) SKS_TRY(program.set("SETERROR", question.complaint));
  if (question.offer_repeat) {
    SKS_LET(const bool repeats, program.offer("SETREPEAT", "Once more:"));
    if (repeats) SKS_TRY(program.offer("SETREPEATERROR", "The two entries differ."));
  }
  SKS_LET(assuan::Answer answer, program.ask("GETPIN"));
  if (answer.error != 0 || answer.data.empty()) return SecretEntry{};
  return SecretEntry{std::move(answer.data), answer.pin_repeated};
}

Result<std::optional<SecureBytes>> enter_secret_twice(const PinentrySettings& settings, SecretQuestion question) {
  while (true) {
    SKS_LET(SecretEntry first, enter_secret(settings, question));
    if (!first.typed || first.repeated) return std::move(first.typed);
    // Not every program can ask twice by itself, and some only say so.
    SKS_LET(const SecretEntry second, enter_secret(settings, {question.description, "Once more:", "", false}));
    if (!second.typed) return std::optional<SecureBytes>();
    if (equal_constant_time(first.typed->view(), second.typed->view())) return std::move(first.typed);
    question.complaint = "The two entries differ.";
  }
}

}  // namespace sks::dialog
