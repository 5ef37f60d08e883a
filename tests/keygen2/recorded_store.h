#pragma once

#include <map>
#include <string>
#include <vector>

#include "conformance/recording.h"
#include "sks-core/wire/channel.h"

namespace sks::test {

/// The key store of a recorded session, behind the byte stream: every request must be, byte for byte, what the recorded
/// call with its arguments looks like, and gets the recorded result.
///
/// Calls that change something must come in the recorded order. Those that only ask may come in any order and number,
/// for clients differ in what they remember: they get the last answer recorded up to the message that is handled.
class RecordedStore final : public wire::Channel {
 public:
  explicit RecordedStore(const conformance::Recording& recording);

  /// The client is about to handle this message.
  void begin_message(std::size_t number) { message_ = number; }
  Result<SecureBytes> transact(ByteView request) override;

  /// How many calls that change something were made, and are left.
  std::size_t made() const { return next_; }
  std::size_t left() const { return changes_.size() - next_; }

 private:
  struct Exchange {
    std::string method;
    std::size_t after_message;
    Bytes request;
    Bytes response;
  };

  std::size_t message_ = 0;
  std::size_t next_ = 0;
  std::vector<Exchange> changes_;
  std::vector<Exchange> questions_;
};

}  // namespace sks::test
