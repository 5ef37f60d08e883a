#pragma once

#include "bench/p11/bare_operations.h"
#include "bench/p11/figures.h"
#include "bench/p11/operations.h"
#include "tests/support/children.h"

/// Jobs that measure one figure once. They load the module in the child.
namespace sks::bench {

using test::Job;
using test::Sample;

/// A module and the token that a figure is measured with.
struct Subject {
  std::string module;
  client::TokenChoice token;
  std::size_t pairs = 0;
};

Job module_job(const Figure& figure, const Subject& subject, double seconds);
/// For figures that have a bare operation.
Job bare_job(const Figure& figure, double seconds);

/// Its problem says which keys the token does not take.
Job make_keys_job(const Subject& subject);
Job fill_job(const Subject& subject, unsigned threads);

}  // namespace sks::bench
