#pragma once

#include <chrono>
#include <memory>

#include "sks-core/base/bytes.h"

/// How requests get to sksd and answers back, without a word about what is in them.
namespace sks::p11 {

/// What has become of a request.
enum class Delivery {
  answered,
  not_sent,  ///< nobody can have carried it out: at most a part of its frame was sent
  unknown,   ///< it was sent, and no answer came
};

/// One connection. Calls come from one thread at a time. After anything but `answered` it is of no more use.
class Line {
 public:
  virtual ~Line() = default;
  /// Waits for at most about `patience`. `answer` is the body of one frame: 1 to wire::kMaxBodySize bytes.
  virtual Delivery exchange(ByteView request, std::chrono::seconds patience, SecureBytes& answer) = 0;
};

/// Where connections come from. Calls come from one thread at a time.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// Null when there is nobody to be connected with.
  virtual std::unique_ptr<Line> connect() = 0;
};

}  // namespace sks::p11
