#include "provisioning-server/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "sks-core/base/result.h"

namespace sks::issuer {
namespace {

enum class Type : std::uint8_t { counter, gauge, histogram };

struct Row {
  std::string_view name;  ///< behind kPrefix
  Type type;
  std::string_view help;
  std::array<std::string_view, 2> labels;  ///< in this order; empty: fewer
};

constexpr std::string_view kPrefix = "sks_issuer_";

// Alphabetical. Counters end in _total, times in _seconds.
constexpr auto kMetrics = std::to_array<Row>({
    {"audit_entries_total", Type::counter, "Entries added to the audit log.", {}},
    {"authority_queue_length",
     Type::gauge,
     "Requests that wait for keys of the CA in tokens, of all keys together.",
     {}},
    {"authority_refused_total", Type::counter, "Signatures that the CA key did not make.", {"reason"}},
    {"authority_sign_seconds", Type::histogram, "Time to a signature of the CA key, with the queue.", {}},
    {"build_info", Type::gauge, "Always 1; the label tells the version.", {"version"}},
    {"certificate_not_after_seconds", Type::gauge, "When a certificate of the issuer ends, in Unix time.", {"which"}},
    {"certificate_renewals_total", Type::counter, "Renewals of the TLS certificate by the server itself.", {"result"}},
    {"connections_closed_total", Type::counter, "Connections that the server ended because of a limit.", {"limit"}},
    {"connections_full_total", Type::counter, "Times that no connection could be accepted: all places were taken.", {}},
    {"connections_open", Type::gauge, "Connections over TLS that are open.", {}},
    {"connections_total", Type::counter, "Connections that were accepted.", {}},
    {"credentials_issued_total", Type::counter, "Credentials that became valid.", {}},
    {"credentials_revoked_total", Type::counter, "Credentials that were withdrawn.", {}},
    {"database_commit_seconds",
     Type::histogram,
     "Time of a transaction that changes something, until it is durable.",
     {}},
    {"database_errors_total", Type::counter, "Transactions that failed.", {"reason"}},
    {"database_repeats_total", Type::counter, "Transactions that were repeated after a collision.", {}},
    {"device_crl_next_update_seconds", Type::gauge, "When the next list of a device CA is due, in Unix time.", {"ca"}},
    {"device_crl_refused_total", Type::counter, "Lists of device CAs that were not used.", {"reason"}},
    {"draining", Type::gauge, "1 while the server finishes what it has begun before it stops.", {}},
    {"http_refused_total", Type::counter, "Requests that were refused for their form, by status.", {"status"}},
    {"http_request_seconds", Type::histogram, "Time to answer a request, without the network.", {"route"}},
    {"http_requests_total", Type::counter, "Requests by route and class of the status.", {"route", "class"}},
    {"logins_total", Type::counter, "Logins of administrators, and attempts.", {"result"}},
    {"rate_limited_total", Type::counter, "Requests that were asked to come back later.", {"limit"}},
    {"reloads_total", Type::counter, "Configurations read while serving.", {"result"}},
    {"sessions_expired_total", Type::counter, "Sessions that took too long.", {}},
    {"sessions_finished_total", Type::counter, "Sessions that were completed.", {}},
    {"sessions_refused_total", Type::counter, "Sessions and starts that were refused, by the word.", {"reason"}},
    {"sessions_started_total", Type::counter, "Sessions that were started.", {}},
    {"start_time_seconds", Type::gauge, "When the process began to serve, in Unix time.", {}},
    {"tickets_created_total", Type::counter, "Tickets that were made by this process.", {}},
    {"tls_handshake_failures_total", Type::counter, "TLS handshakes that failed.", {"reason"}},
    {"tls_handshakes_total", Type::counter, "TLS handshakes that succeeded.", {"kind"}},
});
static_assert(std::ranges::is_sorted(kMetrics, {}, &Row::name), "kMetrics is searched by name");

// From half a millisecond, about one commit, to what a client waits for at most.
constexpr auto kBuckets =
    std::to_array<double>({0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10});

std::string number(double value) {
  std::array<char, 64> text{};
  const auto [end, failure] = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  return failure == std::errc() ? std::string(text.data(), end) : "NaN";
}

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

/// `name="value",...`, which also tells the series of one metric apart.
std::string label_text(const Row& row, MetricLabels labels) {
  std::string text;
  std::size_t index = 0;
  for (const auto& [name, value] : labels) {
    SKS_CHECK(index < row.labels.size() && row.labels.at(index) == name);
    text.append(text.empty() ? "" : ",").append(name).append("=\"");
    append_escaped(text, value);
    text += '"';
    ++index;
  }
  SKS_CHECK(index == row.labels.size() || row.labels.at(index).empty());
  return text;
}

struct Histogram {
  std::array<std::uint64_t, kBuckets.size() + 1> counts{};  ///< the last one: above every bucket
  double sum = 0;
};

void write_sample(std::string& out, std::string_view name, std::string_view suffix, const std::string& labels,
                  const std::string& value) {
  out.append(kPrefix).append(name).append(suffix);
  if (!labels.empty()) out.append("{").append(labels).append("}");
  out.append(" ").append(value).append("\n");
}

void write_histogram(std::string& out, std::string_view name, const std::string& labels, const Histogram& histogram) {
  const std::string front = labels.empty() ? "" : labels + ',';
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    total += histogram.counts.at(i);
    const std::string bound = i < kBuckets.size() ? number(kBuckets.at(i)) : "+Inf";
    write_sample(out, name, "_bucket", front + "le=\"" + bound + '"', std::to_string(total));
  }
  write_sample(out, name, "_sum", labels, number(histogram.sum));
  write_sample(out, name, "_count", labels, std::to_string(total));
}

constexpr std::string_view type_name(Type type) {
  switch (type) {
    case Type::counter:
      return "counter";
    case Type::gauge:
      return "gauge";
    case Type::histogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

struct Metrics::Impl {
  // Only one of the three is in use, by the type of the row. Nodes of a map stay where they are.
  struct Family {
    std::map<std::string, Counter, std::less<>> counters;
    std::map<std::string, std::int64_t, std::less<>> gauges;
    std::map<std::string, Histogram, std::less<>> histograms;
  };

  Family& family(std::string_view name, Type type, const Row** row) {
    const auto* const found = std::ranges::lower_bound(kMetrics, name, {}, &Row::name);
    SKS_CHECK(found != kMetrics.end() && found->name == name && found->type == type);
    *row = found;
    return families.at(static_cast<std::size_t>(found - kMetrics.begin()));
  }

  mutable std::mutex mutex;
  std::array<Family, kMetrics.size()> families;
};

Metrics::Metrics() : impl_(new Impl) {
  // What has no labels exists from the start: a sum over time needs the zero.
  for (const Row& row : kMetrics) {
    if (!row.labels.front().empty()) continue;
    Impl::Family& family = impl_->families.at(static_cast<std::size_t>(&row - kMetrics.begin()));
    switch (row.type) {
      case Type::counter:
        family.counters[""];
        break;
      case Type::gauge:
        family.gauges[""] = 0;
        break;
      case Type::histogram:
        family.histograms[""];
        break;
    }
  }
}

Metrics& Metrics::instance() {
  static Metrics metrics;
  return metrics;
}

Counter& Metrics::counter(std::string_view name, MetricLabels labels) {
  const Row* row = nullptr;
  Impl::Family& family = impl_->family(name, Type::counter, &row);
  const std::lock_guard lock(impl_->mutex);
  return family.counters[label_text(*row, labels)];
}

void Metrics::set_gauge(std::string_view name, std::int64_t value, MetricLabels labels) {
  const Row* row = nullptr;
  Impl::Family& family = impl_->family(name, Type::gauge, &row);
  const std::lock_guard lock(impl_->mutex);
  family.gauges[label_text(*row, labels)] = value;
}

void Metrics::add_to_gauge(std::string_view name, std::int64_t change, MetricLabels labels) {
  const Row* row = nullptr;
  Impl::Family& family = impl_->family(name, Type::gauge, &row);
  const std::lock_guard lock(impl_->mutex);
  family.gauges[label_text(*row, labels)] += change;
}

void Metrics::observe(std::string_view name, double seconds, MetricLabels labels) {
  const Row* row = nullptr;
  Impl::Family& family = impl_->family(name, Type::histogram, &row);
  const auto bucket = static_cast<std::size_t>(std::ranges::lower_bound(kBuckets, seconds) - kBuckets.begin());
  const std::lock_guard lock(impl_->mutex);
  Histogram& histogram = family.histograms[label_text(*row, labels)];
  ++histogram.counts.at(bucket);
  histogram.sum += seconds;
}

std::string Metrics::text() const {
  std::string out;
  const std::lock_guard lock(impl_->mutex);
  for (std::size_t i = 0; i < kMetrics.size(); ++i) {
    const Row& row = kMetrics.at(i);
    const Impl::Family& family = impl_->families.at(i);
    out.append("# HELP ").append(kPrefix).append(row.name).append(" ").append(row.help).append("\n");
    out.append("# TYPE ").append(kPrefix).append(row.name).append(" ").append(type_name(row.type)).append("\n");
    for (const auto& [labels, counter] : family.counters)
      write_sample(out, row.name, "", labels, std::to_string(counter.value()));
    for (const auto& [labels, value] : family.gauges) write_sample(out, row.name, "", labels, std::to_string(value));
    for (const auto& [labels, histogram] : family.histograms) write_histogram(out, row.name, labels, histogram);
  }
  return out;
}

}  // namespace sks::issuer
