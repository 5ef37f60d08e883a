#include <doctest/doctest.h>

#include <filesystem>

#include "tests/key-user-api/protection/program_run.h"
#include "tests/sealed-storage/software_tpm.h"
#include "tests/support/temp_dir.h"

/// sks as a process, with key stores that are sealed by a TPM.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

struct TpmPlace {
  ProgramRun sks(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--store", store});
    return run_program_process(SKS_PROGRAM, std::move(arguments));
  }

  /// Runs a command that has to succeed, without a word on the standard error.
  std::string out_of(const std::vector<std::string>& arguments) const {
    const ProgramRun run = sks(arguments);
    CHECK(run.exit_code == 0);
    CHECK(run.err.empty());
    return run.out;
  }

  void check_refused(const std::vector<std::string>& arguments, int exit_code, const std::string& sentence) const {
    const ProgramRun run = sks(arguments);
    CHECK(run.exit_code == exit_code);
    CHECK(run.err == "sks: " + sentence + "\n");
    CHECK(run.out.empty());
  }

  /// Every file of the store but those that only say who used it.
  std::string content() const { return read_file(store + "/master.key") + read_file(store + "/store.db"); }

  TempDir dir;
  std::string store = dir.file("store");
  SoftwareTpm tpm;
  UseTpm use{tpm.tcti()};
};

}  // namespace

TEST_CASE("sks: a store sealed to registers of a TPM opens until one of them changes, and then nothing is touched") {
  TpmPlace place;
  CHECK(place.out_of({"init", "--protect", "tpm2", "--tpm2-pcrs", "0,7"}).starts_with("Key store made in "));
  CHECK(place.out_of({"list", "--json"}) == "[]\n");
  place.tpm.restart();
  CHECK(place.out_of({"list", "--json"}) == "[]\n");

  const std::string content = place.content();
  const std::string differs =
      "the state of the machine is not the one that the key store in " + place.store + " is sealed to: PCR 7 changed";
  place.tpm.tool("tpm2_pcrextend 7:sha256=" + std::string(64, '5'));
  place.check_refused({"list"}, 1, differs);
  place.check_refused({"reprotect", "--protect", "file"}, 1, differs);
  CHECK(place.content() == content);

  place.tpm.stop();
  place.check_refused({"list"}, 1, place.store + ": no TPM answers at " + place.tpm.tcti() + " ($SKS_TPM2_TCTI)");
  place.check_refused({"reprotect", "--protect", "file"}, 1,
                      place.store + ": no TPM answers at " + place.tpm.tcti() + " ($SKS_TPM2_TCTI)");
  CHECK(place.content() == content);
  place.tpm.restart();
  CHECK(place.out_of({"list", "--json"}) == "[]\n");
}

TEST_CASE("sks reprotect: binds a store to a TPM, to the state of a changed machine, and sets it free again") {
  TpmPlace place;
  place.out_of({"init"});
  const std::string said = "The key store in " + place.store + " is protected by: ";
  CHECK(place.out_of({"reprotect", "--protect", "tpm2"}) == said + "tpm2\n");
  place.tpm.tool("tpm2_pcrextend 7:sha256=" + std::string(64, '5'));
  CHECK(place.out_of({"reprotect", "--protect", "tpm2", "--tpm2-pcrs", "7"}) == said + "tpm2\n");
  CHECK(place.out_of({"list", "--json"}) == "[]\n");
  CHECK(place.out_of({"reprotect", "--protect", "file"}) == said + "file\n");
  place.tpm.stop();
  CHECK(place.out_of({"list", "--json"}) == "[]\n");
}

TEST_CASE("sks init: a TPM that is not there, or lists of registers that are none, make no store") {
  TpmPlace place;
  const std::string form = "--tpm2-pcrs: PCRs are a list of numbers from 0 to 23, such as 0,2,7";
  for (const char* const wrong : {"24", "0,", "seven", "0-7"})
    place.check_refused({"init", "--protect", "tpm2", "--tpm2-pcrs", wrong}, 2, form);
  place.check_refused({"init", "--protect", "tpm2", "--tpm2-pcrs", "7,7"}, 2, "--tpm2-pcrs: PCR 7 is named twice");
  place.check_refused({"init", "--tpm2-pcrs", "7"}, 2, "--tpm2-pcrs needs --protect tpm2");
  place.check_refused({"reprotect", "--protect", "passphrase", "--tpm2-pcrs", "7"}, 2,
                      "--tpm2-pcrs needs --protect tpm2");
  CHECK(place.sks({"init", "--protect", "tpm2", "--tpm2-pcrs", ""}).exit_code == 2);
  place.tpm.stop();
  place.check_refused({"init", "--protect", "tpm2"}, 1, "no TPM answers at " + place.tpm.tcti() + " ($SKS_TPM2_TCTI)");
  CHECK_FALSE(fs::exists(place.store));
}

}  // namespace sks::test
