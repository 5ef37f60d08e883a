#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "key-user-api/token/service.h"
#include "sks-core/base/random.h"

/// The applications of sksd: each goes by a secret, and lives as long as one of its connections. Spec: spec/sksd.md 4.
namespace sks::daemon {

inline constexpr std::size_t kApplicationSecretSize = 32;

struct ApplicationLimits {
  std::size_t applications = 256;
  std::size_t connections_of_each = 64;
};

/// Thread-safe.
class Applications {
  struct Entry;

 public:
  Applications(token::Service& service, const Random& random, ApplicationLimits limits = {})
      : service_(service), random_(random), limits_(limits) {}

  /// A connection's hold on its application. Must not outlive the Applications.
  class Seat {
   public:
    Seat() = default;
    Seat(Seat&& other) noexcept;
    Seat& operator=(Seat&& other) noexcept;
    ~Seat();

    explicit operator bool() const { return entry_ != nullptr; }
    token::Application* application() const;  ///< null: none
    std::uint32_t number() const;             ///< 0: none
    ByteView secret() const;

   private:
    friend class Applications;
    Seat(Applications& home, Entry& entry) : home_(&home), entry_(&entry) {}
    Applications* home_ = nullptr;
    Entry* entry_ = nullptr;
  };

  enum class Problem : std::uint8_t { unknown_secret, too_many_applications, too_many_connections };

  /// A new application for an empty `secret`, else the one that has it. May throw std::bad_alloc.
  Result<Seat, Problem> take_seat(ByteView secret);

  std::size_t count() const;

 private:
  struct Entry {
    std::shared_ptr<token::Application> application;
    SecureBytes secret;
    std::uint32_t number = 0;
    std::size_t connections = 0;
  };

  Result<Seat, Problem> join(ByteView secret);
  Result<Seat, Problem> found();
  void leave(Entry& entry);

  token::Service& service_;
  const Random& random_;
  const ApplicationLimits limits_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;
  std::uint32_t last_number_ = 0;
};

}  // namespace sks::daemon
