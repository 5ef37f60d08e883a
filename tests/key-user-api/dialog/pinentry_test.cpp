#include "key-user-api/dialog/pinentry.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "tests/key-user-api/dialog/scripted_pinentry.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/flagging_signals.h"

using namespace sks;
using namespace sks::dialog;
using namespace sks::test;

namespace {

keygen2::PinRequest request(std::uint8_t format = 0) { return {"signature PIN", {"My key"}, format, 4, 8, 3, 0, 0}; }
const keygen2::ConsentRequest kConsent{"issuer.example", "manage", true, {}};

std::string chosen(ScriptedPinentry& pinentry, std::uint8_t format = 0, const std::string& problem = "") {
  const auto pin = pinentry.dialog().choose_pin(request(format), problem);
  return pin ? to_string(pin->view()) : "cancelled";
}

}  // namespace

TEST_CASE("PinentryDialog: consent is asked for with the issuer, the action, the identification and the consequences") {
  ScriptedPinentry pinentry(kAgreeing);
  CHECK(pinentry.dialog().consent({"issuer.example", "unlock", true, {"it deletes key 7", "it unlocks key 8"}}));
  CHECK(pinentry.logged("1 SETDESC ") ==
        "issuer.example (checked by TLS) wants to unlock keys of this key store.%0A"
        "It will learn the identity of this device.%0A- it deletes key 7%0A- it unlocks key 8");
  CHECK(pinentry.has_logged("1 CONFIRM"));
  CHECK(pinentry.log().back() == "1 BYE");
  CHECK(pinentry.dialog().failure().empty());
}

TEST_CASE("PinentryDialog: only OK consents; what the person refuses is no failure of the program") {
  for (const std::string& answer : {kCanceled, kNotConfirmed, std::string("ERR 83886278 Fully cancelled")}) {
    CAPTURE(answer);
    ScriptedPinentry pinentry(Script{{{"CONFIRM", answer}}});
    CHECK_FALSE(pinentry.dialog().consent(kConsent));
    CHECK(pinentry.dialog().failure().empty());
  }
}

TEST_CASE("PinentryDialog: what the issuer says can neither leave its line nor hide what follows") {
  ScriptedPinentry pinentry(kAgreeing);
  CHECK(pinentry.dialog().consent(
      {"evil.example", "manage", false, {"a\nCONFIRM\r\x1b[2J100%\xe2\x80\xae<b>bold</b>", std::string(5000, 'x')}}));
  const std::string shown = pinentry.logged("1 SETDESC ");
  CHECK(shown.find("- a?CONFIRM??[2J100%25?(b)bold(/b)%0A") != std::string::npos);
  CHECK(shown.find(std::string(301, 'x')) == std::string::npos);
  CHECK(shown.ends_with("x..."));
}

TEST_CASE("PinentryDialog: more than one window holds is asked about in several, all of which must be agreed to") {
  std::vector<std::string> many;
  for (int i = 1; i <= 40; ++i) many.push_back("it deletes key " + std::to_string(i) + " of this key store for good");
  ScriptedPinentry agreeing(kAgreeing);
  CHECK(agreeing.dialog().consent({"issuer.example", "manage", true, many}));
  std::string all;
  for (const std::string& line : agreeing.log()) {
    CHECK(line.size() <= 1002);  // with the number in front
    if (line.find(" SETDESC ") != std::string::npos) all += line;
  }
  for (const std::string& one : many) CHECK(all.find("- " + one + "%0A") != std::string::npos);
  CHECK(all.find("%0A(1 of 3)") != std::string::npos);
  CHECK(agreeing.has_logged("3 CONFIRM"));
  CHECK_FALSE(agreeing.has_logged("4 started"));

  ScriptedPinentry refusing(Script{Process{}, {{"CONFIRM", kCanceled}}});
  CHECK_FALSE(refusing.dialog().consent({"issuer.example", "manage", true, many}));
  CHECK_FALSE(refusing.has_logged("3 started"));
}

TEST_CASE("PinentryDialog: many keys and attributes are asked about") {
  ScriptedPinentry keys(Script{{{"CONFIRM", kNotConfirmed}}});
  CHECK_FALSE(keys.dialog().accept_many_keys(21));
  CHECK(keys.logged("1 SETDESC ") == "The issuer wants to create 21 keys.");
  ScriptedPinentry attributes(kAgreeing);
  CHECK(attributes.dialog().disclose({"https://webpki.github.io/keygen2/clientattr#mac-address", "urn:x\n"}));
  CHECK(attributes.logged("1 SETDESC ") ==
        "The issuer wants to learn this about the device:%0A- the MAC addresses of its network interfaces%0A- urn:x?");
}

TEST_CASE("PinentryDialog: what the user should know is a message") {
  ScriptedPinentry pinentry(Script{{{"MESSAGE", "OK"}}});
  pinentry.dialog().alert("the issuer knows the <key>\n");
  CHECK(pinentry.logged("1 SETDESC ") == "the issuer knows the (key)?");
  CHECK(pinentry.has_logged("1 MESSAGE"));
}

TEST_CASE("PinentryDialog: a program that repeats by itself is asked once, with the policy explained") {
  ScriptedPinentry pinentry(Script{{{"GETPIN", "S PIN_REPEATED\nD 2468\nOK"}}});
  CHECK(chosen(pinentry) == "2468");
  CHECK(pinentry.logged("1 SETDESC ") ==
        "Choose the signature PIN: 4 to 8 digits; it is blocked after 3 wrong tries.%0AIt is for: My key");
  CHECK(pinentry.logged("1 SETPROMPT ") == "New signature PIN:");
  CHECK(pinentry.has_logged("1 SETREPEAT "));
  CHECK(pinentry.logged("1 SETREPEATERROR ") == "The two entries differ.");
  CHECK_FALSE(pinentry.has_logged("1 SETERROR"));
  CHECK_FALSE(pinentry.has_logged("2 started"));
}

TEST_CASE("PinentryDialog: the PIN is asked for twice where the program cannot, or does not say that it did") {
  struct Case {
    const char* name;
    Process first;
  };
  for (const Case& c : {Case{"SETREPEAT unknown", {{"SETREPEAT", kUnknownCommand}, {"GETPIN", "D 2468\nOK"}}},
                        Case{"no PIN_REPEATED", {{"GETPIN", "D 2468\nOK"}}}}) {
    CAPTURE(c.name);
    ScriptedPinentry same(Script{c.first, {{"GETPIN", "D 2468\nOK"}}});
    CHECK(chosen(same) == "2468");
    CHECK(same.logged("2 SETPROMPT ") == "Once more:");
    CHECK_FALSE(same.has_logged("2 SETREPEAT"));

    ScriptedPinentry different(Script{c.first, {{"GETPIN", "D 2469\nOK"}}, {{"GETPIN", "S PIN_REPEATED\nD 1357\nOK"}}});
    CHECK(chosen(different) == "1357");
    CHECK(different.logged("3 SETERROR ") == "The two entries differ.");
  }
}

TEST_CASE("PinentryDialog: the broken rule is shown with the next question") {
  ScriptedPinentry pinentry(Script{{{"GETPIN", "S PIN_REPEATED\nD 2468\nOK"}}});
  CHECK(chosen(pinentry, 0, "the PIN is a sequence") == "2468");
  CHECK(pinentry.logged("1 SETERROR ") == "Not accepted: the PIN is a sequence.");
}

TEST_CASE("PinentryDialog: a PIN comes out of its escapes, and becomes what its format says") {
  ScriptedPinentry escaped(Script{{{"GETPIN", "S PIN_REPEATED\nD a%25b%0d\xc3\xa9\nOK"}}});
  CHECK(chosen(escaped, 2) == "a%b\r\xc3\xa9");
  ScriptedPinentry binary(
      Script{{{"GETPIN", "S PIN_REPEATED\nD 00x\nOK"}}, {{"GETPIN", "S PIN_REPEATED\nD 3132fF\nOK"}}});
  CHECK(chosen(binary, 3) == "12\xff");
  CHECK(binary.logged("2 SETERROR ") == "Not accepted: the PIN must be an even number of hexadecimal digits.");
  ScriptedPinentry letters(Script{{{"GETPIN", "S PIN_REPEATED\nD ab12\nOK"}}});
  CHECK(chosen(letters, 1) == "AB12");
}

TEST_CASE(
    "PinentryDialog: cancel works at the first PIN, at the second, and after a complaint; nothing typed is none") {
  const Process typed = {{"GETPIN", "D 2468\nOK"}};
  const Process cancel = {{"GETPIN", kCanceled}};
  for (const Script& script :
       {Script({cancel}), Script({typed, cancel}), Script({typed, {{"GETPIN", "D 1\nOK"}}, cancel}),
        Script{{{"GETPIN", "OK"}}}, Script{{{"GETPIN", "D \nOK"}}}, Script({typed, {{"GETPIN", "OK"}}})}) {
    CAPTURE(script.size());
    ScriptedPinentry pinentry(script);
    CHECK(chosen(pinentry) == "cancelled");
    CHECK(pinentry.dialog().failure().empty());
  }
}

TEST_CASE("PinentryDialog: data in front of an error is no PIN") {
  ScriptedPinentry pinentry(Script{{{"GETPIN", "S PIN_REPEATED\nD 2468\n" + kCanceled}}});
  CHECK(chosen(pinentry) == "cancelled");
}

TEST_CASE("PinentryDialog: answers may come in pieces") {
  ScriptedPinentry pinentry(
      Script{{{"greeting", "@byte by byte OK hello"}, {"GETPIN", "@byte by byte S PIN_REPEATED\nD 2468\nOK"}}});
  CHECK(chosen(pinentry) == "2468");
}

TEST_CASE("PinentryDialog: wishes that a program does not know are no failure, texts that it does not take are") {
  Process unknown;
  for (const char* const command :
       {"OPTION", "SETTITLE", "SETOK", "SETCANCEL", "SETTIMEOUT", "SETREPEAT", "SETREPEATERROR", "BYE"})
    unknown[command] = kUnknownCommand;
  unknown["GETPIN"] = "D 2468\nOK";
  ScriptedPinentry spartan(Script{unknown});
  CHECK(chosen(spartan) == "2468");
  CHECK(spartan.dialog().consent(kConsent));

  for (const char* const command : {"SETDESC", "SETPROMPT", "SETERROR"}) {
    CAPTURE(command);
    ScriptedPinentry blind(Script{{{command, kUnknownCommand}, {"GETPIN", "S PIN_REPEATED\nD 2468\nOK"}}});
    CHECK(chosen(blind, 0, "the PIN is a sequence") == "cancelled");
    CHECK(blind.complaint() == "refuses " + std::string(command) + ": Unknown IPC command <User defined source 1>");
  }
}

TEST_CASE("PinentryDialog: a program that fails cancels, with one sentence that says how") {
  struct Case {
    const char* command;
    std::string answer;
    std::string complaint;
  };
  for (const Case& c : {Case{"greeting", "@die", "has ended"},
                        Case{"greeting", "ERR 83886165 no display\x1b", "does not start: no display?"},
                        Case{"greeting", "Welcome", "answers something that is not of its protocol"},
                        Case{"SETDESC", "@die", "has ended"}, Case{"GETPIN", "@die", "has ended"},
                        Case{"GETPIN", "D 2468\nD %4", "answers something that is not of its protocol"},
                        Case{"GETPIN", "ERR 83886165 No pinentry\x1b[2J", "cannot ask: No pinentry?[2J"},
                        Case{"GETPIN", kTimeout, "got no answer in time"},
                        Case{"GETPIN", "@endless line", "answers a line without end"},
                        Case{"GETPIN", "@endless comments", "answers without end"},
                        Case{"GETPIN", "@endless data", "answers more than any PIN has"},
                        Case{"SETTITLE", "@endless comments", "answers without end"}}) {
    CAPTURE(c.command);
    CAPTURE(c.answer);
    ScriptedPinentry pinentry(Script{{{c.command, c.answer}}});
    CHECK(chosen(pinentry) == "cancelled");
    CHECK(pinentry.complaint() == c.complaint);
  }
  ScriptedPinentry dying(Script{{{"CONFIRM", "@die"}}, {}});
  CHECK_FALSE(dying.dialog().consent(kConsent));
  CHECK(dying.complaint() == "has ended");
  CHECK(dying.dialog().consent(kConsent));
  CHECK(dying.dialog().failure().empty());
}

TEST_CASE("PinentryDialog: a program that hangs is given up") {
  for (const char* const command : {"greeting", "OPTION", "SETDESC", "GETPIN"}) {
    CAPTURE(command);
    ScriptedPinentry pinentry(Script{{{command, "@hang"}}}, std::chrono::milliseconds(20));
    PinentrySettings settings = pinentry.settings();
    settings.person_limit = std::chrono::seconds(0);
    pinentry.use(settings);
    CHECK(chosen(pinentry) == "cancelled");
    CHECK(pinentry.complaint() == "does not answer");
  }
}

TEST_CASE("PinentryDialog: the program is gone afterwards, even when it ignores every request to end") {
  ScriptedPinentry pinentry(Script{{{"GETPIN", "@nonsense, and ignore everything"}}});
  PinentrySettings settings = pinentry.settings();
  settings.ending_limit = std::chrono::milliseconds(20);
  pinentry.use(settings);
  CHECK(chosen(pinentry) == "cancelled");
  CHECK(pinentry.complaint() == "answers something that is not of its protocol");
  const pid_t process = std::stoi(pinentry.logged("1 process "));
  CHECK(::kill(process, 0) != 0);
  CHECK(errno == ESRCH);
}

TEST_CASE("PinentryDialog: a signal that asks to stop ends the question, and the program") {
  for (const char* const command : {"SETDESC", "GETPIN"}) {
    CAPTURE(command);
    const FlaggingSignals signals;
    ScriptedPinentry pinentry(Script{{{command, "@interrupt caller"}}});
    PinentrySettings settings = pinentry.settings();
    settings.stop_requested = FlaggingSignals::stop_requested;
    settings.ending_limit = std::chrono::milliseconds(20);
    pinentry.use(settings);
    CHECK(chosen(pinentry) == "cancelled");
    CHECK(pinentry.dialog().failure() == "interrupted");
    CHECK(::kill(std::stoi(pinentry.logged("1 process ")), 0) != 0);
  }
}

TEST_CASE("PinentryDialog: the program gets no argument, no open file but its socket, and the time that is left") {
  const int open_here = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  REQUIRE(open_here >= 0);
  ScriptedPinentry pinentry(kAgreeing);
  CHECK(pinentry.dialog().consent(kConsent));
  ::close(open_here);
  CHECK(pinentry.logged("1 arguments ") == "[] files [0, 1, 2]");
  CHECK(pinentry.logged("1 SETTIMEOUT ") == "300");
}

TEST_CASE("PinentryDialog: a program that cannot be run is named") {
  PinentryDialog dialog({"/nonexistent/pinentry"});
  CHECK_FALSE(dialog.consent(kConsent));
  CHECK(dialog.failure() == "the pinentry program /nonexistent/pinentry cannot be run: No such file or directory");
}

TEST_CASE("pinentry-tty: a PIN is typed twice, and only the right pair is taken") {
  ::setenv("SKS_PINENTRY", "pinentry-tty", 1);
  const auto run = run_at_terminal(ASK_PERSON, {"pinentry", "pin"},
                                   {{"New signature PIN:", "2468\n"},
                                    {"Once more:", "2469\n"},
                                    {"New signature PIN:", "1357\n"},
                                    {"Once more:", "1357\n"}});
  CAPTURE(run.out);
  CHECK(run.out.find("4 to 8 digits") != std::string::npos);
  CHECK(run.out.find("My key") != std::string::npos);
  CHECK(run.out.find("answer: 1357\r\nfailure: \r\n") != std::string::npos);
  CHECK(run.out.find("2468") == std::string::npos);
  ::unsetenv("SKS_PINENTRY");
}

TEST_CASE("pinentry-tty: consent is given and refused") {
  ::setenv("SKS_PINENTRY", "pinentry-tty", 1);
  const auto consent = [](const std::string& typed) {
    return run_at_terminal(ASK_PERSON, {"pinentry", "consent"}, {{"issuer.example", ""}, {"it deletes key 7", typed}});
  };
  CHECK(consent("a").out.find("answer: agreed\r\nfailure: \r\n") != std::string::npos);
  CHECK(consent("c").out.find("answer: refused\r\nfailure: \r\n") != std::string::npos);
  ::unsetenv("SKS_PINENTRY");
}

TEST_CASE("pinentry-tty: Ctrl-C ends the question, and the program that asked lives on") {
  ::setenv("SKS_PINENTRY", "pinentry-tty", 1);
  const auto run = run_at_terminal(ASK_PERSON, {"pinentry", "pin"}, {{"New signature PIN:", "\x03"}});
  CAPTURE(run.out);
  CHECK(run.out.find("answer: cancelled\r\n") != std::string::npos);
  CHECK(run.exit_code == 0);
  ::unsetenv("SKS_PINENTRY");
}
