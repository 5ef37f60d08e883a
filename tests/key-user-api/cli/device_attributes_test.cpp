#include "key-user-api/cli/device_attributes.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::cli;

namespace {

// keygen2.md 4.2.
const std::string kVendor = "https://webpki.github.io/keygen2/clientattr#os-vendor";
const std::string kVersion = "https://webpki.github.io/keygen2/clientattr#os-version";
const std::string kIp = "https://webpki.github.io/keygen2/clientattr#ip-address";
const std::string kMac = "https://webpki.github.io/keygen2/clientattr#mac-address";

DeviceAttributes of(const std::string& os_release) {
  const test::TempDir dir;
  test::write_file(dir.file("os-release"), os_release);
  return device_attributes("", dir.file("os-release"));
}

std::string output_of(const std::string& command) {
  const test::TempDir dir;
  const std::string whole = command + " > " + dir.file("out");
  REQUIRE(std::system(whole.c_str()) == 0);  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
  return test::read_file(dir.file("out"));
}

}  // namespace

TEST_CASE("device_attributes: vendor and version are those of os-release") {
  const auto debian =
      of("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n"
         "VERSION=\"12 (bookworm)\"\nID=debian\n");
  CHECK(debian == DeviceAttributes{{kVendor, {"Debian GNU/Linux"}}, {kVersion, {"12"}}});
  CHECK(of("# NAME=x\nNAME=Plain\nVERSION='1 \"a\\b\"'\nVENDOR_NAME=Company\n") ==
        DeviceAttributes{{kVendor, {"Company"}}, {kVersion, {"1 \"a\\b\""}}});
  CHECK(of("NAME=\"A \\\"b\\\" \\$c \\\\d\"") == DeviceAttributes{{kVendor, {"A \"b\" $c \\d"}}});
}

TEST_CASE("device_attributes: agrees with a shell about this machine") {
  const std::string expected =
      output_of(". /etc/os-release; printf %s \"${VENDOR_NAME:-$NAME}|${VERSION_ID:-$VERSION}\"");
  auto attributes = device_attributes("");
  attributes[kVendor].resize(1);
  attributes[kVersion].resize(1);
  CHECK(attributes[kVendor][0] + "|" + attributes[kVersion][0] == expected);
}

TEST_CASE("device_attributes: what is not known is left out") {
  CHECK(device_attributes("", "/absent").empty());
  for (const char* const text : {"", "NAME=", "NAME=\"\"", "NAME=\"open", "NAME=\"", "NAME=a\\", "NAME=a\x1b[2J",
                                 "NAME=\xff", "NAME", "#NAME=a", " NAME=a"}) {
    CAPTURE(text);
    CHECK(of(text).empty());
  }
  CHECK(of("NAME=" + std::string(2000, 'x')).empty());
  CHECK(of(std::string(300, '\n') + "NAME=a").empty());
  // No interface has this address of RFC 5737.
  CHECK(device_attributes("192.0.2.1", "/absent").empty());
}

TEST_CASE("device_attributes: the loopback has an address and no hardware behind it") {
  CHECK(device_attributes("127.0.0.1", "/absent") == DeviceAttributes{{kIp, {"127.0.0.1"}}});
}

TEST_CASE("device_attributes: an interface has the hardware address that the kernel names") {
  const std::string listed = output_of(
      "python3 -c \"\n"
      "import socket, struct, fcntl, os\n"
      "for name in os.listdir('/sys/class/net'):\n"
      "    mac = open('/sys/class/net/%s/address' % name).read().strip()\n"
      "    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
      "        try:\n"
      "            ip = socket.inet_ntoa(fcntl.ioctl(s, 0x8915, struct.pack('256s', name.encode()))[20:24])\n"
      "        except OSError:\n"
      "            continue\n"
      "    if len(mac) == 17 and mac != '00:00:00:00:00:00':\n"
      "        print(ip, mac, end='')\n"
      "        break\n"
      "\"");
  if (listed.empty()) {
    MESSAGE("this machine has no interface with a hardware address");
    return;
  }
  const std::size_t blank = listed.find(' ');
  const std::string ip = listed.substr(0, blank);
  CHECK(device_attributes(ip, "/absent") == DeviceAttributes{{kIp, {ip}}, {kMac, {listed.substr(blank + 1)}}});
}
