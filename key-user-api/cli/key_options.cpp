#include <CLI/CLI.hpp>

#include "key-user-api/cli/option_helpers.h"
#include "key-user-api/cli/options.h"

/// The options of the commands that use one key, or change how it is guarded.
namespace sks::cli {
namespace {

/// --algorithm, --in, --out and the PIN.
void add_use(CLI::App& command, Arguments& arguments, Purpose purpose) {
  add_key(command, arguments.use.key);
  const std::string names = mechanism_names(purpose);
  command
      .add_option("--algorithm,--mechanism", arguments.use.mechanism,
                  "how, by its name here, in PKCS#11 or as URI (default: what fits the key): " + names)
      ->type_name("NAME")
      ->check(check_not_empty);
  add_file(command, "--in", arguments.use.input, "what to read (default: the standard input)");
  add_pins(command, arguments);
  add_json_option(command, arguments);
}

void add_out(CLI::App& command, std::string& file) {
  add_file(command, "--out", file, "a file to be made (default: the standard output)");
}

void add_raw(CLI::App& command, Arguments& arguments) {
  command.add_flag("--raw", arguments.use.raw, "ECDSA signatures as r and s of fixed length, not as DER");
}

void add_new_pin(CLI::App& command, Arguments& arguments) {
  add_secret(command, "--new-pin", "PIN", arguments, "the new PIN (default: asked for)");
}

void add_activation(CLI::App& command, Arguments& arguments) {
  add_key(command, arguments.activation.key);
  add_pins(command, arguments);
  add_json_option(command, arguments);
}

}  // namespace

void add_sign_options(CLI::App& command, Arguments& arguments) {
  add_use(command, arguments, Purpose::signing);
  add_out(command, arguments.use.output.file);
  add_raw(command, arguments);
}

void add_verify_options(CLI::App& command, Arguments& arguments) {
  add_use(command, arguments, Purpose::signing);
  add_file(command, "--signature", arguments.use.signature, "the signature")->required();
  add_raw(command, arguments);
}

void add_encryption_options(CLI::App& command, Arguments& arguments) {
  add_use(command, arguments, Purpose::encryption);
  add_out(command, arguments.use.output.file);
}

void add_pin_change_options(CLI::App& command, Arguments& arguments) {
  add_key(command, arguments.pin_change.key);
  CLI::Option* const pin = add_secret(command, "--pin", "PIN", arguments, "the PIN so far (default: asked for)");
  add_new_pin(command, arguments);
  add_file(command, "--pin-file", arguments.pin_file, "a file with the PIN so far, and the new one in its second line")
      ->excludes(pin);
  add_json_option(command, arguments);
}

void add_pin_unblock_options(CLI::App& command, Arguments& arguments) {
  add_key(command, arguments.pin_unblock.key);
  add_secret(command, "--puk", "PUK", arguments, "the PUK (default: asked for)");
  command.add_flag("--set-pin", arguments.pin_unblock.new_pin, "set another PIN too");
  add_secret(command, "--new-pin", "PIN", arguments, "the other PIN, which implies --set-pin");
  add_json_option(command, arguments);
}

void add_suspend_options(CLI::App& command, Arguments& arguments) { add_activation(command, arguments); }
void add_resume_key_options(CLI::App& command, Arguments& arguments) { add_activation(command, arguments); }

void add_export_options(CLI::App& command, Arguments& arguments) {
  ExportOptions& options = arguments.key_export;
  add_key(command, options.key);
  const auto add_kind = [&](const char* name, Exported what, const char* description) {
    return command.add_flag_callback(
        name, [&options, what] { options.what = what; }, description);
  };
  CLI::Option* const public_key = add_kind("--public", Exported::public_key, "the public key alone, as PEM");
  CLI::Option* const private_key =
      add_kind("--private", Exported::private_key, "the private key, as PEM of encrypted PKCS#8");
  CLI::Option* const pkcs12 =
      add_kind("--pkcs12", Exported::pkcs12, "the private key and its certificates, as PKCS#12");
  public_key->excludes(private_key)->excludes(pkcs12);
  private_key->excludes(pkcs12);
  add_out(command, options.output.file);
  add_file(command, "--export-passphrase-file", arguments.export_passphrase_file,
           "a file with the passphrase that the private key is encrypted with, for nobody else to read");
  add_secret(command, "--puk", "PUK", arguments, "the PUK, for a key that demands it")
      ->excludes(add_pins(command, arguments))
      ->excludes(command.get_option("--pin-file"));
  add_json_option(command, arguments);
}

void add_no_options(CLI::App& /*command*/, Arguments& /*arguments*/) {}

}  // namespace sks::cli
