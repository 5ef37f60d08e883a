#pragma once

#include <pthread.h>

namespace sks::p11 {

/// std::mutex and std::condition_variable, without what a static C++ library registers with them for the end of the
/// program: by then the module may be unloaded.
class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() { ::pthread_mutex_destroy(&mutex_); }

  void lock() { ::pthread_mutex_lock(&mutex_); }
  void unlock() { ::pthread_mutex_unlock(&mutex_); }

 private:
  friend class Signal;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() { ::pthread_cond_destroy(&condition_); }

  /// The caller holds the mutex, and looks again at what it waits for.
  void wait(Mutex& mutex) { ::pthread_cond_wait(&condition_, &mutex.mutex_); }
  void notify_one() { ::pthread_cond_signal(&condition_); }
  void notify_all() { ::pthread_cond_broadcast(&condition_); }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace sks::p11
