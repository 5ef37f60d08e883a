#include "sks-core/base/result.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace sks {
namespace {

/// Counts how many of its kind are alive.
class Counted {
 public:
  Counted(int number, int& alive) : number_(number), alive_(&alive) { ++*alive_; }
  Counted(const Counted& other) : number_(other.number_), alive_(other.alive_) { ++*alive_; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive_; }

  int number() const { return number_; }

 private:
  int number_;
  int* alive_;
};

Result<Counted> made(int number, int& alive) {
  if (number < 0) return Error(Status::option, "a negative number");
  return Counted(number, alive);
}

TEST_CASE("Result: each side is read as it was put in") {
  int alive = 0;
  const Result<Counted> value = made(7, alive);
  REQUIRE(value);
  CHECK(value->number() == 7);
  CHECK((*value).number() == 7);
  const Result<Counted> error = made(-1, alive);
  REQUIRE_FALSE(error);
  CHECK(error.error().status == Status::option);
  CHECK(error.error().detail == "a negative number");
}

TEST_CASE("Result: what it holds is destroyed once, whichever side an assignment goes from and to") {
  int alive = 0;
  for (const int from : {-1, 3}) {
    for (const int to : {-1, 4}) {
      CAPTURE(from);
      CAPTURE(to);
      {
        Result<Counted> result = made(to, alive);
        Result<Counted> copied = made(from, alive);
        const Result<Counted> other = copied;
        result = other;
        CHECK(static_cast<bool>(result) == (from > 0));
        CHECK(alive == (from > 0 ? 3 : 0));
        result = made(to, alive);
        CHECK(static_cast<bool>(result) == (to > 0));
        copied = std::move(result);
        CHECK(static_cast<bool>(copied) == (to > 0));
        if (copied) {
          CHECK(copied->number() == to);
        } else {
          CHECK(copied.error().detail == "a negative number");
        }
      }
      CHECK(alive == 0);
    }
  }
}

TEST_CASE("Result: assigned to itself it stays as it is") {
  Result<std::string> result = std::string("a text that is too long to lie in the object itself");
  Result<std::string>& same = result;
  result = same;
  CHECK(*result == "a text that is too long to lie in the object itself");
  result = std::move(same);
  CHECK(*result == "a text that is too long to lie in the object itself");
}

TEST_CASE("Result: a value that only moves moves out") {
  static_assert(!std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);
  static_assert(std::is_nothrow_move_constructible_v<Result<std::unique_ptr<int>>>);
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  const std::unique_ptr<int> moved = *std::move(result);
  CHECK(*moved == 5);
}

TEST_CASE("Result: without a value there is an error or none") {
  Result<void> result;
  CHECK(result);
  result = Error(Status::storage, "full");
  REQUIRE_FALSE(result);
  CHECK(result.error().detail == "full");
  const Result<void> copy = result;
  result = {};
  CHECK(result);
  CHECK(copy.error().status == Status::storage);
}

}  // namespace
}  // namespace sks
