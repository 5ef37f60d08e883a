// The issuer of the tests makes assertions: here they end the program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <benchmark/benchmark.h>
#include <doctest/doctest.h>

#include "bench/filled_store.h"

int main(int argc, char** argv) {
  doctest::Context assertions;
  assertions.setAsDefaultForAssertsOutOfTestCases();
  assertions.setAssertHandler([](const doctest::AssertData& data) {
    if (data.m_failed) sks::fail_check(data.m_expr, data.m_file, data.m_line);
  });
  if (argc == 3 && std::string_view(argv[1]) == "--open-store") return sks::bench::report_opening(argv[2]);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
