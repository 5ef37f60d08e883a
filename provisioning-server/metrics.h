#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace sks::issuer {

/// A number that only grows.
class Counter {
 public:
  void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

using MetricLabels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// What this process counts, in the text format of Prometheus. Names are rows of one table in metrics.cpp, with type
/// and help text; a name that is not there is a mistake of the program. Safe for several threads. Values of labels must
/// come from a small set of the program's own words, never from peers.
class Metrics {
 public:
  static Metrics& instance();

  /// Valid as long as the process; worth keeping where it is used often.
  Counter& counter(std::string_view name, MetricLabels labels = {});
  void set_gauge(std::string_view name, std::int64_t value, MetricLabels labels = {});
  /// For what several parts of the program have a share in.
  void add_to_gauge(std::string_view name, std::int64_t change, MetricLabels labels = {});
  /// Seconds, into the buckets of the table.
  void observe(std::string_view name, double seconds, MetricLabels labels = {});

  /// Content of /metrics.
  std::string text() const;

 private:
  Metrics();
  struct Impl;
  Impl* impl_;
};

}  // namespace sks::issuer
