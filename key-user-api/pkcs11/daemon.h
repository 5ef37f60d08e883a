#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

#include "key-user-api/pkcs11/answer.h"
#include "key-user-api/pkcs11/line.h"
#include "key-user-api/pkcs11/methods.h"
#include "key-user-api/pkcs11/mutex.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/wire/body_writer.h"

namespace sks::p11 {

/// Counts the applications that this process has been at the daemon: when the daemon goes, or forgets us, logins,
/// session objects and operations of the era are gone.
using Era = std::uint32_t;

/// The body of a request under construction. What does not fit into a frame shows when it is sent.
class Request {
 public:
  explicit Request(const Method& method, std::size_t room = 256) : out(room), method_(method) { out.u8(method.id); }

  /// The request makes sense in one era only. In another one nothing is sent and the application gets `otherwise`.
  void bind(Era era, CK_RV otherwise) {
    is_contradictory_ = is_contradictory_ || (era_ && *era_ != era);
    era_ = era;
    otherwise_ = otherwise;
  }

  wire::BodyWriter out;

 private:
  friend class Daemon;
  const Method& method_;
  std::optional<Era> era_;
  bool is_contradictory_ = false;
  CK_RV otherwise_ = CKR_DEVICE_ERROR;
};

/// The outputs of a method, behind the status. Whoever reads them ends with finish().
struct Reply {
  SecureBytes body;
  ByteReader in;
  Era era;

  /// Fails with CKR_DEVICE_ERROR when the daemon did not keep to the specification.
  Answer<void> finish() const {
    if (!in.finish()) return Rv{CKR_DEVICE_ERROR};
    return {};
  }
};

/// sksd as this process sees it: an application with as many connections as threads are inside a call. However many of
/// them wait for people, the others get on. Thread-safe.
/// Spec: spec/sksd.md 3 and 4.
class Daemon {
 public:
  explicit Daemon(std::unique_ptr<Exchange> exchange);

  /// One round trip. Fails with what the daemon says; with CKR_DEVICE_ERROR when it cannot be reached, answers what is
  /// none, or leaves while it works for a method that must not be repeated; with CKR_DATA_LEN_RANGE when the request
  /// does not fit into a frame.
  Answer<Reply> call(Request request);

  /// The present era. A connection that is made later may find that it is over.
  Era era() const { return era_.load(std::memory_order_acquire); }
  /// Bytes of data that one call may carry; known once there was a connection.
  std::size_t maximum_data() const { return maximum_data_.load(std::memory_order_relaxed); }

 private:
  struct Connection {
    std::unique_ptr<Line> line;
    Era era = 0;
    pthread_t last_user = {};  ///< nobody before it was given back
  };
  /// A connection in use by one thread, which is dropped unless it is given back.
  class Lease;
  class Patience;

  Answer<Lease> acquire();
  std::optional<Connection> take_idle();
  void give_back(Connection connection);
  void forget_one();
  Answer<Connection> connect();
  Answer<std::optional<Connection>> open_application(std::unique_ptr<Line> line);
  static Answer<Reply> decode(SecureBytes body, Era era);

  const std::unique_ptr<Exchange> exchange_;
  std::atomic<Era> era_{0};
  std::atomic<std::size_t> maximum_data_{1'000'000};

  Mutex opening_;  // of exchange_ and secret_: two first connections would be two applications
  SecureBytes secret_;

  Mutex mutex_;  // of what follows
  Signal changed_;
  std::vector<Connection> idle_;
  std::size_t connections_ = 0;
  std::size_t with_people_ = 0;  ///< calls that may wait for a person
  Signal person_left_;
};

}  // namespace sks::p11
