// Runs many enrolments at the same time against issuers behind a load balancer, each on a device of its own, and
// repeats every request word for word until it is answered.
//
// usage: cluster_client CA_FILE <LINES
// A line: URL of the first GET, main URL, and cookie, with a space in between. For each of them one line comes out as
// soon as it is over: "complete FINGERPRINT..." with the certificates that the device has got, or "failed REASON".

#include <atomic>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "tests/provisioning-server/enrolling_client.h"

namespace sks::test {
namespace {

Result<EnrolmentLink> parse_link(const std::string& line) {
  std::istringstream words(line);
  std::string init;
  std::string main;
  std::string cookie;
  words >> init >> main >> cookie;
  SKS_LET(cli::Url first, cli::parse_url(init));
  SKS_LET(cli::Url later, cli::parse_url(main));
  return EnrolmentLink{std::move(first), std::move(later), main, cookie};
}

Result<std::string> enrol(const std::string& ca_file, const std::string& line) {
  SKS_LET(const EnrolmentLink link, parse_link(line));
  SKS_LET(const std::vector<std::string> fingerprints, enrol_new_device(ca_file, link, Connections::one_each));
  std::string text = "complete";
  for (const std::string& fingerprint : fingerprints) text += ' ' + fingerprint;
  return text;
}

int run(const std::string& ca_file) {
  std::mutex lock;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (std::string line; std::getline(std::cin, line);)
      threads.emplace_back([&, line] {
        const Result<std::string> done = enrol(ca_file, line);
        if (!done) ++failures;
        const std::lock_guard guard(lock);
        std::cout << (done ? *done : "failed " + done.error().detail) << std::endl;
      });
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sks::test

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: cluster_client CA_FILE <LINES\n";
    return 2;
  }
  return sks::test::run(argv[1]);
}
