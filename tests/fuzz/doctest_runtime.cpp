// The issuer of the tests checks attestations with CHECK: outside of a test program, a failing one ends the process.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "tests/fuzz/checks.h"
#include "tests/fuzz/device.h"

namespace sks::fuzz {

void make_checks_fatal() {
  static doctest::Context& context = *[] {
    auto* const made = new doctest::Context;
    made->setAsDefaultForAssertsOutOfTestCases();
    made->setAssertHandler([](const doctest::AssertData& data) { require(!data.m_failed, data.m_expr); });
    return made;
  }();
  static_cast<void>(context);
}

}  // namespace sks::fuzz
