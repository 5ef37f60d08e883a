#pragma once

#include <span>
#include <string>
#include <string_view>

/// What is measured, and what it must reach. Every figure is a row; the driver knows none of them by name.
namespace sks::bench {

enum class Measure {
  rate,          ///< operations per second
  microseconds,  ///< of one operation
  first_find,    ///< milliseconds from C_Initialize to the end of the first search, in a new process
  first_start,   ///< the same with a daemon that does not run yet
  stress,        ///< operations per second; what is judged are the errors
  module_memory,
  daemon_memory,  ///< MiB
};

/// What a bound is for.
enum class BoundOf {
  nothing,
  ratio_to_bare,  ///< at least
  ratio_to_one,   ///< at least; to the figure with the same operation, one thread and one process
  at_least,
  at_most,
  errors,  ///< at most
};

/// Which token, in which state.
enum class Stage {
  small,   ///< the token with a PIN, and a few keys in it
  store,   ///< the token for many keys, with few keys in it
  filled,  ///< the same with many
};

struct Figure {
  std::string_view name;
  std::string_view title;
  std::string_view operation;  ///< of operations.h and bare_operations.h
  Measure measure;
  unsigned threads;
  unsigned processes;
  Stage stage;
  BoundOf bound_of;
  double bound;
};

std::span<const Figure> figures();

/// "1/s", "us", "ms" or "MiB".
std::string_view unit_of(Measure measure);

}  // namespace sks::bench
