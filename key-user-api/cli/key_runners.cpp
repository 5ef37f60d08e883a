#include "key-user-api/cli/export.h"
#include "key-user-api/cli/file_secrets.h"
#include "key-user-api/cli/interrupt.h"
#include "key-user-api/cli/key_admin.h"
#include "key-user-api/cli/key_use.h"
#include "key-user-api/cli/program.h"
#include "key-user-api/cli/runners.h"

/// Rows of the table for commands that use one key, or change how it is guarded.
namespace sks::cli {
namespace {

/// Runs `body` with the key store and the terminal; `key` is the key as its user named it, then its handle.
template <class Body>
Outcome with_key(const Arguments& arguments, std::string& key, const Body& body) {
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  if (const auto resolved = resolve(key, *store); !resolved) return refused(resolved.error());
  std::optional<dialog::Terminal> terminal = find_terminal();
  const InterruptGuard guard;  // Ctrl-C at the prompt must not leave the terminal without echo
  return to_outcome(body(store->engine(), pointer_to(terminal)));
}

template <auto RunUse>
Outcome use(Arguments& arguments, std::ostream& out) {
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  UseOptions& options = arguments.use;
  options.pins = std::move(*pins);
  options.output.reader = reader_of(out);
  return with_key(arguments, options.key, [&](SecureKeyStore& store, dialog::Terminal* terminal) {
    return RunUse(options, format_of(arguments), store, terminal, out);
  });
}

template <Activation What>
Outcome activation(Arguments& arguments, std::ostream& out) {
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  ActivationOptions& options = arguments.activation;
  options.pins = std::move(*pins);
  return with_key(arguments, options.key, [&](SecureKeyStore& store, dialog::Terminal* terminal) {
    return run_activation(What, std::move(options), format_of(arguments), store, terminal, out);
  });
}

}  // namespace

Outcome sign(Arguments& arguments, std::ostream& out) { return use<run_sign>(arguments, out); }
Outcome verify(Arguments& arguments, std::ostream& out) { return use<run_verify>(arguments, out); }
Outcome encrypt(Arguments& arguments, std::ostream& out) { return use<run_encrypt>(arguments, out); }
Outcome decrypt(Arguments& arguments, std::ostream& out) { return use<run_decrypt>(arguments, out); }
Outcome suspend(Arguments& arguments, std::ostream& out) { return activation<Activation::suspend>(arguments, out); }
Outcome resume_key(Arguments& arguments, std::ostream& out) { return activation<Activation::resume>(arguments, out); }

Outcome change_pin(Arguments& arguments, std::ostream& out) {
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  if (const auto ok = refuse_empty(arguments.secrets.new_pins, "--new-pin"); !ok) return wrong_usage(ok.error());
  PinChangeOptions& options = arguments.pin_change;
  options.pins = std::move(*pins);
  options.new_pins = std::move(arguments.secrets.new_pins);
  if (!arguments.pin_file.empty() && options.pins.size() == 2 && options.new_pins.empty()) {
    options.new_pins.push_back(std::move(options.pins.back()));
    options.pins.pop_back();
  }
  return with_key(arguments, options.key, [&](SecureKeyStore& store, dialog::Terminal* terminal) {
    return run_pin_change(std::move(options), format_of(arguments), store, terminal, out);
  });
}

Outcome unblock_pin(Arguments& arguments, std::ostream& out) {
  if (const auto ok = refuse_empty(arguments.secrets.puks, "--puk"); !ok) return wrong_usage(ok.error());
  if (const auto ok = refuse_empty(arguments.secrets.new_pins, "--new-pin"); !ok) return wrong_usage(ok.error());
  PinUnblockOptions& options = arguments.pin_unblock;
  options.puks = std::move(arguments.secrets.puks);
  options.new_pins = std::move(arguments.secrets.new_pins);
  return with_key(arguments, options.key, [&](SecureKeyStore& store, dialog::Terminal* terminal) {
    return run_pin_unblock(std::move(options), format_of(arguments), store, terminal, out);
  });
}

Outcome export_key(Arguments& arguments, std::ostream& out) {
  auto passwords = take_pins(arguments);
  if (!passwords) return wrong_usage(passwords.error());
  if (const auto puks = refuse_empty(arguments.secrets.puks, "--puk"); !puks) return wrong_usage(puks.error());
  ExportOptions& options = arguments.key_export;
  options.passwords = std::move(*passwords);
  for (SecureBytes& puk : arguments.secrets.puks) options.passwords.push_back(std::move(puk));
  options.output.reader = reader_of(out);
  FileSecrets secrets(arguments.export_passphrase_file, "--export-passphrase-file", "");
  return with_key(arguments, options.key, [&](SecureKeyStore& store, dialog::Terminal* terminal) {
    return run_export(std::move(options), format_of(arguments), store, secrets, terminal, out);
  });
}

}  // namespace sks::cli
