#include "sks-core/wire/address.h"

#include <doctest/doctest.h>

namespace sks::test {

using wire::parse_address;

TEST_CASE("parse_address: reads Unix paths and loopback ports, and writes them as they were") {
  for (const char* const text : {"unix:/run/user/1000/sksd", "unix:relative", "unix:a:b", "tcp:127.0.0.1:7788",
                                 "tcp:127.255.0.9:0", "tcp:[::1]:65535"}) {
    CAPTURE(text);
    const Result<wire::Address> address = parse_address(text);
    REQUIRE(address);
    CHECK(to_string(*address) == text);
  }
  CHECK(std::get<wire::UnixAddress>(parse_address("unix:a:b").value()).path == "a:b");
  CHECK(std::get<wire::TcpAddress>(parse_address("tcp:[::1]:7").value()).port == 7);
  CHECK(to_string(parse_address("tcp:[0:0:0:0:0:0:0:1]:7").value()) == "tcp:[::1]:7");
}

TEST_CASE("parse_address: refuses what is no address of this machine alone") {
  for (const char* const text : {"",
                                 "unix",
                                 "unix:",
                                 "/run/sksd",
                                 "tcp:",
                                 "tcp:127.0.0.1",
                                 "tcp:127.0.0.1:",
                                 "tcp:127.0.0.1:x",
                                 "tcp:127.0.0.1:-1",
                                 "tcp:127.0.0.1:65536",
                                 "tcp:127.0.0.1:+1",
                                 "tcp:127.0.0.1: 1",
                                 "tcp:127.0.0.1:1 ",
                                 "tcp:127.1:7788",
                                 "tcp:localhost:7788",
                                 "tcp:0.0.0.0:7788",
                                 "tcp:128.0.0.1:7788",
                                 "tcp:192.168.0.1:7788",
                                 "tcp:::1:7788",
                                 "tcp:[::]:7788",
                                 "tcp:[::2]:7788",
                                 "tcp:[::ffff:127.0.0.1]:7788",
                                 "tcp:[127.0.0.1]:7788",
                                 "tcp::7788",
                                 "http:x:1"}) {
    CAPTURE(text);
    const Result<wire::Address> address = parse_address(text);
    REQUIRE_FALSE(address);
    CHECK(address.error().status == Status::option);
  }
}

TEST_CASE("parse_address: a path is as long as the system takes") {
  CHECK(parse_address("unix:" + std::string(107, 'a')));
  CHECK_FALSE(parse_address("unix:" + std::string(108, 'a')));
  CHECK_FALSE(parse_address(std::string("unix:a\0b", 8)));
}

}  // namespace sks::test
