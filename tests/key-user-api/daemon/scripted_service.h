#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "key-user-api/daemon/use_sink.h"
#include "key-user-api/token/service.h"

namespace sks::token {

/// In these tests an application is known by its number.
class Application {
 public:
  explicit Application(int given, std::atomic<int>& living) : number(given), living_(living) { ++living_; }
  ~Application() { --living_; }
  const int number;

 private:
  std::atomic<int>& living_;
};

}  // namespace sks::token

namespace sks::test {

/// Answers with what it was asked and by whom: status 0, the number of the application (0: none), the request. Method
/// 200 waits until it is let go.
class ScriptedService final : public token::Service {
 public:
  std::shared_ptr<token::Application> new_application() override {
    return std::make_shared<token::Application>(++last_, living);
  }

  SecureBytes answer(token::Application* application, const token::Program& program, ByteView request,
                     token::UseRecord& record) noexcept override {
    record.method = "scripted";
    record.subject = request[0];
    record.is_use = request[0] != 250;
    {
      const std::lock_guard lock(mutex_);
      programs_.push_back(program.executable);
    }
    if (request[0] == 200) wait();
    if (on_request) on_request(request);
    SecureBytes body(2 + request.size());
    body.data()[1] = static_cast<std::uint8_t>(application == nullptr ? 0 : application->number);
    std::ranges::copy(request, body.data() + 2);
    return body;
  }

  void store_changed() override { ++looks; }
  void properties_changed(KeyHandle key) override { hear("properties", key); }
  void pin_changed(KeyHandle key) override { hear("pin", key); }

  void let_go() {
    const std::lock_guard lock(mutex_);
    let_go_ = true;
    changed_.notify_all();
  }
  /// What it was told of keys.
  std::vector<std::pair<std::string, KeyHandle>> heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  std::vector<std::string> programs() {
    const std::lock_guard lock(mutex_);
    return programs_;
  }

  std::function<void(ByteView)> on_request;
  std::atomic<int> living = 0;
  std::atomic<int> looks = 0;
  std::atomic<int> waiting = 0;

 private:
  void hear(std::string what, KeyHandle key) {
    const std::lock_guard lock(mutex_);
    heard_.emplace_back(std::move(what), key);
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting;
    changed_.wait(lock, [this] { return let_go_; });
    --waiting;
  }

  std::atomic<int> last_ = 0;
  std::mutex mutex_;
  std::vector<std::pair<std::string, KeyHandle>> heard_;
  std::condition_variable changed_;
  bool let_go_ = false;
  std::vector<std::string> programs_;
};

class RecordedUses final : public daemon::UseSink {
 public:
  void add(const daemon::Use& use) noexcept override {
    const std::lock_guard lock(mutex_);
    uses_.push_back(use);
  }
  std::vector<daemon::Use> all() {
    const std::lock_guard lock(mutex_);
    return uses_;
  }

 private:
  std::mutex mutex_;
  std::vector<daemon::Use> uses_;
};

}  // namespace sks::test
