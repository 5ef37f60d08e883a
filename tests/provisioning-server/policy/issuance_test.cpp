#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>

#include "provisioning-server/tickets/ticket_office.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/issuer_fixture.h"

using namespace sks;
using namespace sks::issuer;
using test::Device;
using test::IssuerLab;
using test::outcome;

namespace {

constexpr const char* kHead = "[certificate]\nvalidity_days = 10\n";
constexpr const char* kKey = "[[key]]\napp_usage = \"authentication\"\nalgorithm = \"ec.nist.p256\"\n";

void write_profile(const IssuerLab& lab, const std::string& content, const std::string& name = "staff") {
  test::write_file(lab.path + "/profiles/" + name + ".toml", content);
}

/// Init URL of a ticket from where every ticket comes; or the sentence with which it was refused.
std::string ticket(IssuerLab& lab, const TicketRequest& request) {
  TicketOffice office(lab.issuer->ticket_office_ports());
  const auto made = office.make_ticket(request, Caller::command_line());
  return made ? lab.target_of(made->links.init) : made.error().detail;
}

Response run_to(Device& device, const std::string& init, int posts) {
  Response response = device.get(init);
  for (int i = 0; i < posts; ++i) response = device.post(device.answer(response));
  return response;
}

}  // namespace

TEST_CASE("Issuance: a certificate says what its profile makes of the ticket's data") {
  IssuerLab lab;
  write_profile(
      lab, std::string(kHead) +
               "subject = \"CN={cn},O=Example\"\npolicies = [\"1.3.6.1.4.1.99999.5\"]\n"
               "extended_key_usage = [\"emailProtection\", \"documentSigning\", \"1.3.6.1.4.1.99999.6\"]\n"
               "alternative_names = { email = [\"{email}\"], upn = [\"{upn?}\"], uri = [\"urn:card:{card}\"] }\n"
               "key_usage = { authentication = [\"digitalSignature\", \"nonRepudiation\"] }\n"
               "[[certificate.extension]]\noid = \"1.3.6.1.4.1.99999.7\"\ncritical = true\nvalue = \"0c026869\"\n" +
               kKey);
  Device device(lab);
  const std::string init =
      ticket(lab, {"staff", "", 0, R"({"cn": "Doe, Jo", "email": "jo@example.org", "card": "17"})"});
  CHECK(outcome(device.enrol(init)) == "complete");
  const auto certificate = crypto::Certificate::from_der(device.certificate(0));
  REQUIRE(certificate);
  CHECK(certificate->subject() == "O=Example,CN=Doe\\, Jo");
  CHECK(certificate->policies() == std::vector<std::string>{"1.3.6.1.4.1.99999.5"});
  CHECK(certificate->extended_key_usages() ==
        std::vector<std::string>{"1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.99999.6"});
  CHECK(certificate->key_usage() == 0x03);
  CHECK(certificate->alternative_emails() == std::vector<std::string>{"jo@example.org"});
  CHECK(certificate->not_after() - lab.clock.now() == 10 * 86400);
  // Criticality and value stand behind the identifier: openssl's own words for 0c026869 under that number.
  const std::string der = to_hex(certificate->der());
  CHECK(der.find("0101ff04040c026869") != std::string::npos);
  CHECK(lab.count("SELECT count(*) FROM tickets WHERE subject = 'CN=Doe\\, Jo,O=Example'") == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE subject = 'CN=Doe\\, Jo,O=Example'") == 1);
}

TEST_CASE("Issuance: a certificate without further settings is for logging in") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const auto certificate = crypto::Certificate::from_der(device.certificate(0));
  CHECK(certificate->extended_key_usages() == std::vector<std::string>{"1.3.6.1.5.5.7.3.2"});
  CHECK(certificate->key_usage() == 0x01);
  CHECK_FALSE(certificate->policies());
}

TEST_CASE("Issuance: a ticket must fit its profile when it is made") {
  IssuerLab lab;
  write_profile(lab, std::string(kHead) + "subject = \"CN={cn}\"\n" + kKey);
  CHECK(ticket(lab, {"staff"}) == "the subject: \"cn\" is not known of the subject");
  CHECK(ticket(lab, {"staff", "", 0, "{"}).starts_with("the data is not a JSON object: "));
  CHECK(ticket(lab, {"staff", "", 0, R"({"cn": 1})"}).starts_with("the data: "));
  CHECK(ticket(lab, {"staff", "CN=Jo", 0, R"({"cn": "Jo"})"}) ==
        "profile staff makes the subject of the data: leave it out");
  CHECK(lab.count("SELECT count(*) FROM tickets") == 0);
  CHECK(ticket(lab, {"staff", "", 0, R"({"cn": "Jo"})"}).starts_with("/keygen2?ticket="));
}

TEST_CASE("Issuance: the directory is asked when the session starts, and what it said then counts") {
  IssuerLab lab;
  test::write_file(lab.path + "/people.csv", "user,cn\njo,Jo Doe\n");
  const std::string config = test::read_file(lab.path + "/issuer.toml");
  test::write_file(lab.path + "/issuer.toml", config + "\n[directory]\nfile = \"people.csv\"\n");
  lab.restart();
  write_profile(lab, std::string(kHead) + "subject = \"CN={cn}\"\nfrom_directory = true\n" + kKey);
  const TicketRequest request{"staff", "", 0, R"({"user": "jo"})"};
  const std::string first = ticket(lab, request);
  const std::string second = ticket(lab, request);
  const std::string third = ticket(lab, request);

  Device device(lab);
  test::write_file(lab.path + "/people.csv", "user,cn\njo,Jo Married\n");
  const std::string body = device.answer(device.get(first));
  test::write_file(lab.path + "/people.csv", "user,cn\njo,Jo Later\n");
  Response response = device.post(body);
  while (response.status == 200) response = device.post(device.answer(response));
  CHECK(outcome(response) == "complete");
  CHECK(crypto::Certificate::from_der(device.certificate(0))->subject() == "CN=Jo Married");

  test::write_file(lab.path + "/people.csv", "user,cn\nmax,Max\n");
  CHECK(outcome(device.get(second)) == "subject");
  CHECK(lab.count(
            "SELECT count(*) FROM audit WHERE result = 'subject' AND detail = 'the directory knows no user \"jo\"'") ==
        1);
  test::write_file(lab.path + "/people.csv", "broken \"");
  CHECK(outcome(device.get(third)) == "subject");  // the last good version has no jo
}

TEST_CASE("Issuance: a key gets logotypes, property bags and extensions") {
  IssuerLab lab;
  test::write_file(lab.path + "/profiles/logo.png", "not really an image");
  write_profile(lab,
                std::string(kHead) + kKey +
                    "[[key.logotype]]\nfile = \"logo.png\"\nmedia_type = \"image/png\"\n"
                    "[[key.property_bag]]\ntype = \"https://example.org/bag\"\n"
                    "property = [{ name = \"card\", value = \"{card}\", writable = true }, "
                    "{ name = \"note\", value = \"{note?}\" }]\n"
                    "[[key.extension]]\ntype = \"https://example.org/open\"\ntext = \"in the clear\"\n"
                    "[[key.extension]]\ntype = \"https://example.org/secret\"\nhex = \"00ff10\"\nencrypted = true\n");
  Device device(lab);
  const std::string init = ticket(lab, {"staff", "CN=Jo", 0, R"({"card": "17"})"});
  // The file is gone and another process goes on: the session has what it began with.
  std::string body = device.answer(device.get(init));
  std::filesystem::remove(lab.path + "/profiles/logo.png");
  lab.restart();
  Response response = device.post(body);
  while (response.status == 200) response = device.post(device.answer(response));
  CHECK(outcome(response) == "complete");

  const auto text = [&](const char* type) { return to_string(device.extension(0, type).data.view()); };
  CHECK(text("https://webpki.github.io/keygen2/logotype#application") == "not really an image");
  CHECK(device.extension(0, "https://webpki.github.io/keygen2/logotype#application").qualifier == "image/png");
  CHECK(text("https://example.org/open") == "in the clear");
  CHECK(to_hex(device.extension(0, "https://example.org/secret").data.view()) == "00ff10");
  const std::string bag = text("https://example.org/bag");
  CHECK(bag.find("card") != std::string::npos);
  CHECK(bag.find("17") != std::string::npos);
  CHECK(bag.find("note") == std::string::npos);
}

TEST_CASE("Issuance: limits end a session with their word, and free a slot when a credential goes") {
  struct Case {
    const char* setting;
    const char* word;
    bool same_device;
    bool same_subject;
  };
  for (const Case& c : {Case{"credentials_per_device = 2", "limit-device", true, false},
                        Case{"credentials_per_subject = 2", "limit-subject", false, true},
                        Case{"sessions_per_device_and_hour = 2", "limit-sessions", true, false}}) {
    CAPTURE(c.setting);
    IssuerLab lab;
    write_profile(lab, std::string(kHead) + "[limits]\n" + c.setting + "\n" + kKey);
    Device device(lab);
    Device other(lab);
    const auto subject = [&](int i) { return c.same_subject ? std::string("CN=Jo") : "CN=Jo " + std::to_string(i); };
    CHECK(outcome(device.enrol(ticket(lab, {"staff", subject(0)}))) == "complete");
    CHECK(outcome((c.same_device ? device : other).enrol_again(ticket(lab, {"staff", subject(1)}))) == "complete");
    CHECK(outcome(device.enrol_again(ticket(lab, {"staff", subject(2)}))) == c.word);
    CHECK(lab.count("SELECT count(*) FROM credentials") == 2);
    CHECK(lab.count(std::string("SELECT count(*) FROM audit WHERE result = '") + c.word + "'") == 1);
    if (!c.same_subject) {
      Device third(lab);
      CHECK(outcome(third.enrol(ticket(lab, {"staff", subject(3)}))) == "complete");
    }
    // Other profiles have limits of their own.
    if (std::string_view(c.word) != "limit-sessions") {
      CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
      lab.execute("UPDATE credentials SET status = 'revoked' WHERE subject = '" + subject(0) + "'");
      CHECK(outcome(device.enrol_again(ticket(lab, {"staff", subject(2)}))) == "complete");
    } else {
      lab.clock.set(lab.clock.now() + 3601);
      CHECK(outcome(device.enrol_again(ticket(lab, {"staff", subject(2)}))) == "complete");
    }
  }
}

TEST_CASE("Issuance: a session that cannot keep to a limit is refused before the device makes keys") {
  IssuerLab lab;
  write_profile(
      lab, std::string(kHead) + "[limits]\ncredentials_per_device = 3\ncredentials_per_subject = 4\n" + kKey + kKey);
  Device device(lab);
  REQUIRE(outcome(device.enrol(ticket(lab, {"staff", "CN=Jo"}))) == "complete");
  // One place is left on the device, and the session would take two.
  device.begin_again();
  const Response refused = run_to(device, ticket(lab, {"staff", "CN=Mo"}), 2);
  CHECK(outcome(refused) == "limit-device");
  CHECK(
      lab.count("SELECT count(*) FROM audit WHERE result = 'limit-device' AND action ="
                " 'ProvisioningInitializationResponse' AND detail LIKE 'the device has 2 credentials of profile staff,"
                " the session would add 2, and the profile allows 3 for each device (device %)'") == 1);
  CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'aborted'") == 1);
  CHECK(device.key_count() == 2);

  // For the subject there is room for two more, and for no more after that; the ticket stays good for later.
  Device other(lab);
  REQUIRE(outcome(other.enrol(ticket(lab, {"staff", "CN=Jo"}))) == "complete");
  const std::string later = ticket(lab, {"staff", "CN=Jo"});
  Device third(lab);
  CHECK(outcome(third.get(later)) == "limit-subject");
  CHECK(
      lab.count("SELECT count(*) FROM audit WHERE result = 'limit-subject' AND action = 'InvocationRequest' AND detail"
                " = 'the subject has 4 credentials of profile staff, the session would add 2, and the profile allows 4"
                " for each subject'") == 1);
  CHECK(lab.count("SELECT count(*) FROM sessions") == 3);
  // Those of other profiles, and those that have expired, do not count.
  lab.execute(
      "UPDATE credentials SET profile = 'other' WHERE fingerprint IN (SELECT min(fingerprint) FROM credentials)");
  CHECK(outcome(third.get(later)) == "limit-subject");
  lab.execute("UPDATE credentials SET not_after = 1 WHERE fingerprint IN (SELECT max(fingerprint) FROM credentials)");
  CHECK(outcome(third.enrol(later)) == "complete");
}

TEST_CASE("Issuance: credentials that others may yet fail to get are no reason to refuse at the start") {
  IssuerLab lab;
  write_profile(lab, std::string(kHead) + "[limits]\ncredentials_per_subject = 1\n" + kKey);
  Device device(lab);
  const Response pending = run_to(device, ticket(lab, {"staff", "CN=Jo"}), 3);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'pending'") == 1);
  Device second(lab);
  // The transaction has the last word.
  CHECK(outcome(second.enrol(ticket(lab, {"staff", "CN=Jo"}))) == "limit-subject");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'limit-subject' AND action = 'KeyCreationResponse'") == 1);
  Device third(lab);
  const Response started = third.get(ticket(lab, {"staff", "CN=Jo"}));
  CHECK(started.status == 200);
  CHECK(outcome(device.post(device.answer(pending))) == "complete");
  // Issued meanwhile.
  CHECK(outcome(run_to(third, ticket(lab, {"staff", "CN=Jo"}), 0)) == "limit-subject");
}

TEST_CASE("Issuance: who withholds the last message has used up a place, until somebody revokes the certificate") {
  for (const char* const setting : {"credentials_per_device = 1", "credentials_per_subject = 1"}) {
    CAPTURE(setting);
    IssuerLab lab;
    write_profile(lab, std::string(kHead) + "[limits]\n" + setting + "\n" + kKey);
    Device device(lab);
    // No certificate is made before the third message: whoever leaves earlier has nothing.
    for (const int posts : {2, 3}) {
      device.begin_again();
      REQUIRE(run_to(device, ticket(lab, {"staff", "CN=Jo"}), posts).status == 200);
      lab.clock.set(lab.clock.now() + 3600);
      REQUIRE(lab.issuer->repository().expire_sessions(lab.clock.now()).value() == 1);
    }
    CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'abandoned'") == 1);
    const std::string again = ticket(lab, {"staff", "CN=Jo"});
    CHECK(outcome(device.enrol_again(again)).starts_with("limit-"));
    lab.execute("UPDATE credentials SET status = 'revoked'");
    CHECK(outcome(device.enrol_again(ticket(lab, {"staff", "CN=Jo"}))) == "complete");
  }
}

TEST_CASE("Issuance: a credential that the session deletes makes room for the new one") {
  IssuerLab lab;
  write_profile(
      lab, std::string(kHead) + "[limits]\ncredentials_per_device = 1\n" + kKey + "[[lookup]]\naction = \"delete\"\n");
  Device device(lab);
  CHECK(outcome(device.enrol(ticket(lab, {"staff", "CN=Jo"}))) == "complete");
  CHECK(outcome(device.enrol_again(ticket(lab, {"staff", "CN=Jo"}))) == "complete");
  CHECK(device.key_count() == 1);
}

TEST_CASE("Issuance: of sessions that race for the last slot exactly one wins") {
  IssuerLab lab;
  write_profile(lab, std::string(kHead) + "[limits]\ncredentials_per_subject = 1\n" + kKey);
  constexpr std::size_t kDevices = 4;
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<Request> requests;
  for (std::size_t i = 0; i < kDevices; ++i) {
    devices.push_back(std::make_unique<Device>(lab));
    Device& device = *devices.back();
    // InvocationResponse and ProvisioningInitializationResponse; the keys come next.
    requests.push_back(device.post_request(device.answer(run_to(device, ticket(lab, {"staff", "CN=Jo"}), 2))));
  }
  std::array<Response, kDevices> responses;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kDevices; ++i)
    threads.emplace_back([&, i] { responses.at(i) = lab.handler->handle(requests.at(i)); });
  for (std::thread& thread : threads) thread.join();
  std::size_t winners = 0;
  for (std::size_t i = 0; i < kDevices; ++i) {
    if (responses.at(i).status == 200) {
      ++winners;
      CHECK(outcome(devices.at(i)->post(devices.at(i)->answer(responses.at(i)))) == "complete");
    } else {
      CHECK(outcome(responses.at(i)) == "limit-subject");
    }
  }
  CHECK(winners == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued'") == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials") == 1);
}
