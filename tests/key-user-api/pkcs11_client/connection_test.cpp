#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <thread>

#include "tests/key-user-api/pkcs11_client/module.h"

/// Connections: pools, forks, daemons that come and go, and daemons that lie. Spec: spec/sksd.md 1, 3 and 4.
namespace sks::test {
namespace {

/// Lets a test wait until as many threads are inside a call as it wants.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  bool wait_for(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return waiting_ >= count; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

/// Runs in a child of this process, and gives its exit status.
template <class Body>
int in_child(Body&& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(body());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST_CASE("One connection serves a thread, and as many as are inside a call serve many") {
  Lab lab;
  const CK_SESSION_HANDLE first = lab.open(kOpenSlot);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(sign_init(first, CKM_ECDSA, kOpenEcKey) == CKR_OK);
    REQUIRE(sign(first) == CKR_OK);
  }
  CHECK(lab.daemon.connections() == 1);
  Gate gate;
  lab.daemon.on(190, [&](ScriptedDaemon::Call&) {
    gate.pass();
    return outputs(ByteWriter().blob(Bytes(1, 0x99)));
  });
  std::vector<std::thread> threads;
  std::atomic<int> done{0};
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, session = lab.open(kOpenSlot)] {
      CK_BYTE random = 0;
      if (functions().C_GenerateRandom(session, &random, 1) == CKR_OK) ++done;
    });
  }
  REQUIRE(gate.wait_for(6));
  // None of them holds up this one.
  REQUIRE(sign_init(first, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  CHECK(sign(first) == CKR_OK);
  CHECK(lab.daemon.connections() == 7);
  CHECK(lab.daemon.applications() == 1);
  gate.open();
  for (std::thread& thread : threads) thread.join();
  CHECK(done == 6);
}

TEST_CASE("More threads than connections take turns") {
  Lab lab;
  const CK_SESSION_HANDLE first = lab.open(kOpenSlot);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  lab.daemon.on(190, [&](ScriptedDaemon::Call&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return outputs(ByteWriter().blob(Bytes(1, 0x99)));
  });
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&] {
      CK_BYTE random = 0;
      if (functions().C_GenerateRandom(first, &random, 1) == CKR_OK && random == 0x99) ++right;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 100);
  CHECK(lab.daemon.connections() <= 60);
}

TEST_CASE("However many threads wait for people, the others get on") {
  Lab lab;
  constexpr int kOpenDialogs = 52;
  Gate gate;
  lab.daemon.on(163, [&](ScriptedDaemon::Call&) {
    gate.pass();
    return refusal(CKR_FUNCTION_CANCELED);
  });
  std::vector<std::thread> threads;
  std::atomic<int> cancelled{0};
  for (int i = 0; i < 80; ++i) {
    threads.emplace_back([&, session = lab.open(kPinSlot)] {
      if (functions().C_Login(session, CKU_USER, nullptr, 0) == CKR_FUNCTION_CANCELED) ++cancelled;
    });
  }
  CHECK(gate.wait_for(kOpenDialogs));
  std::atomic<bool> got_on{false};
  threads.emplace_back([&, session = lab.open(kOpenSlot)] {
    CK_BYTE random = 0;
    got_on = functions().C_GenerateRandom(session, &random, 1) == CKR_OK;
  });
  for (int i = 0; i < 12'000 && !got_on; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(got_on);
  CHECK(lab.daemon.calls(163) == kOpenDialogs);
  gate.open();
  for (std::thread& thread : threads) thread.join();
  CHECK(cancelled == 80);
}

TEST_CASE("Threads that begin together are one application") {
  Lab lab;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([] {
      CK_ULONG count = 0;
      CK_TOKEN_INFO info{};
      functions().C_GetSlotList(CK_TRUE, nullptr, &count);
      functions().C_GetTokenInfo(kPinSlot, &info);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(lab.daemon.applications() == 1);
}

TEST_CASE("A child starts over, and its parent does not notice") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.logged_in();
  REQUIRE(sign_init(session, CKM_ECDSA, kEcKey) == CKR_OK);
  const int status = in_child([&]() -> int {
    CK_ULONG count = 0;
    if (f.C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_CRYPTOKI_NOT_INITIALIZED) return 1;
    if (f.C_Finalize(nullptr) != CKR_CRYPTOKI_NOT_INITIALIZED) return 2;
    if (f.C_Initialize(nullptr) != CKR_OK) return 3;
    CK_SESSION_INFO info{};
    if (f.C_GetSessionInfo(session, &info) != CKR_SESSION_HANDLE_INVALID) return 4;
    CK_SESSION_HANDLE own = 0;
    if (f.C_OpenSession(kPinSlot, CKF_SERIAL_SESSION, nullptr, nullptr, &own) != CKR_OK) return 5;
    if (f.C_GetSessionInfo(own, &info) != CKR_OK || info.state != CKS_RO_PUBLIC_SESSION) return 6;
    if (lab.daemon.calls(0) != 0) return 7;
    if (f.C_Finalize(nullptr) != CKR_OK) return 8;
    return f.C_Initialize(nullptr) == CKR_OK ? 0 : 9;
  });
  CHECK(status == 0);
  CHECK(lab.daemon.calls(165) == 0);
  CHECK(state_of(session) == CKS_RW_USER_FUNCTIONS);
  CHECK(sign(session) == CKR_OK);
  // The daemon sees a moment later that the child has closed its connection.
  for (int i = 0; i < 500 && lab.daemon.applications() != 1; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(lab.daemon.applications() == 1);
}

TEST_CASE("A child that only ends does not disturb its parent") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.logged_in();
  CHECK(in_child([] { return functions().C_Finalize(nullptr) == CKR_CRYPTOKI_NOT_INITIALIZED ? 0 : 1; }) == 0);
  REQUIRE(sign_init(session, CKM_ECDSA, kEcKey) == CKR_OK);
  CHECK(sign(session) == CKR_OK);
  CHECK(lab.daemon.connections() == 1);
}

#ifndef __SANITIZE_THREAD__  // which does not follow threads of forked processes
TEST_CASE("Many threads of a child may call first") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CHECK(in_child([&]() -> int {
          std::atomic<int> initialized{0};
          std::atomic<int> already{0};
          std::vector<std::thread> threads;
          for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&] {
              const CK_RV code = functions().C_Initialize(nullptr);
              if (code == CKR_OK) ++initialized;
              if (code == CKR_CRYPTOKI_ALREADY_INITIALIZED) ++already;
            });
          }
          for (std::thread& thread : threads) thread.join();
          return initialized == 1 && already == 7 ? 0 : 1;
        }) == 0);
  CHECK(state_of(session) == CKS_RW_PUBLIC_SESSION);
}

#endif

TEST_CASE("Forks while other threads work") {
  Lab lab;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, session = lab.open(kOpenSlot)] {
      while (!stop) {
        if (sign_init(session, CKM_ECDSA, kOpenEcKey) != CKR_OK || sign(session) != CKR_OK) ++wrong;
      }
    });
  }
  for (int i = 0; i < 30; ++i) {
    CHECK(in_child([&]() -> int {
            CK_ULONG count = 0;
            if (functions().C_Initialize(nullptr) != CKR_OK) return 1;
            if (functions().C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK) return 2;
            return count == 2 ? 0 : 3;
          }) == 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("A daemon that was started anew: sessions stay, logins do not") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.logged_in();
  REQUIRE(sign_init(session, CKM_ECDSA, kEcKey) == CKR_OK);
  REQUIRE(sign(session) == CKR_OK);
  lab.daemon.kill();
  lab.daemon.listen_again();
  CHECK(sign_init(session, CKM_ECDSA, kEcKey) == CKR_OK);  // as far as is known here
  CHECK(sign(session) == CKR_USER_NOT_LOGGED_IN);
  CHECK(sign_init(session, CKM_ECDSA, kEcKey) == CKR_USER_NOT_LOGGED_IN);
  CHECK(state_of(session) == CKS_RW_PUBLIC_SESSION);
  CHECK(find_all(session, {}, 10).size() == 2);
  REQUIRE(login(session, kPin) == CKR_OK);
  REQUIRE(sign_init(session, CKM_ECDSA, kEcKey) == CKR_OK);
  CHECK(sign(session) == CKR_OK);
  CHECK(lab.daemon.applications() == 1);
  CHECK(f.C_Logout(session) == CKR_OK);
}

TEST_CASE("Threads that notice a new daemon at the same time are told to log in") {
  Lab lab;
  const CK_SESSION_HANDLE first = lab.logged_in();
  std::atomic<bool> stop{false};
  std::atomic<int> right{0};
  std::atomic<int> wrong{0};
  std::atomic<CK_RV> wrong_code{CKR_OK};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, session = lab.open(kPinSlot)] {
      while (!stop) {
        CK_RV code = sign_init(session, CKM_ECDSA, kEcKey);
        if (code == CKR_OK) code = sign(session);
        if (code == CKR_OK) ++right;
        if (code == CKR_USER_NOT_LOGGED_IN) login(session, kPin);
        if (code == CKR_OK || code == CKR_USER_NOT_LOGGED_IN || code == CKR_DEVICE_ERROR) continue;
        ++wrong;
        wrong_code = code;
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    lab.daemon.kill();
    lab.daemon.listen_again();
  }
  const int before = right;
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CAPTURE(wrong_code.load());
  CHECK(wrong == 0);
  CHECK(right > before);
  CHECK(state_of(first) == CKS_RW_USER_FUNCTIONS);
}

TEST_CASE("An answer that is lost: what reads is asked again, what acts is not") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.logged_in();
  const CK_SESSION_HANDLE spare = lab.open(kOpenSlot);  // and a thread that keeps the application alive
  std::atomic<int> hung_up{0};
  const auto hang_up_once = [&](ScriptedDaemon::Handler otherwise) {
    hung_up = 0;
    return [&, otherwise](ScriptedDaemon::Call& call) { return hung_up++ == 0 ? hang_up() : otherwise(call); };
  };
  lab.daemon.on(170, hang_up_once([](ScriptedDaemon::Call&) { return outputs(ByteWriter().u16(0).u8(0)); }));
  CHECK(find_all(session, {}, 4).empty());
  CHECK(hung_up == 2);
  lab.daemon.on(170, nullptr);
  // The application was gone with its only connection.
  CHECK(state_of(session) == CKS_RW_PUBLIC_SESSION);

  lab.daemon.on(180, hang_up_once([](ScriptedDaemon::Call&) { return outputs(ByteWriter().blob(Bytes(64, 1))); }));
  REQUIRE(sign_init(spare, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  CHECK(sign(spare) == CKR_DEVICE_ERROR);
  CHECK(hung_up == 1);
  CHECK(sign(spare) == CKR_OPERATION_NOT_INITIALIZED);
  lab.daemon.on(180, nullptr);

  lab.daemon.on(163, hang_up_once([](ScriptedDaemon::Call&) { return outputs(); }));
  CHECK(login(session, kPin) == CKR_DEVICE_ERROR);
  CHECK(hung_up == 1);
  lab.daemon.on(163, nullptr);

  CK_MECHANISM ec{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE keys[2] = {};
  lab.daemon.on(175, [&](ScriptedDaemon::Call&) { return hang_up(); });
  const int before = lab.daemon.calls(175);
  CHECK(f.C_GenerateKeyPair(session, &ec, nullptr, 0, nullptr, 0, &keys[0], &keys[1]) == CKR_DEVICE_ERROR);
  CHECK(lab.daemon.calls(175) == before + 1);
  lab.daemon.on(171, [&](ScriptedDaemon::Call&) { return hang_up(); });
  CK_ATTRIBUTE id{CKA_ID, nullptr, 0};
  CHECK(f.C_GetAttributeValue(session, kEcPublicKey, &id, 1) == CKR_DEVICE_ERROR);  // not for ever
}

TEST_CASE("An operation in parts does not go on in another daemon") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  const CK_SESSION_HANDLE other = lab.open(kOpenSlot);
  CK_BYTE iv[16] = {};
  CK_MECHANISM mechanism{CKM_AES_CBC, iv, sizeof iv};
  Bytes data(16);
  Bytes out(64);
  CK_ULONG size = out.size();
  REQUIRE(f.C_EncryptInit(session, &mechanism, kOpenAesKey) == CKR_OK);
  REQUIRE(f.C_EncryptUpdate(session, data.data(), data.size(), out.data(), &size) == CKR_OK);
  lab.daemon.kill();
  lab.daemon.listen_again();
  // Has the number 1 again.
  size = out.size();
  REQUIRE(f.C_EncryptInit(other, &mechanism, kOpenAesKey) == CKR_OK);
  REQUIRE(f.C_EncryptUpdate(other, data.data(), data.size(), out.data(), &size) == CKR_OK);
  const int updates = lab.daemon.calls(183);
  size = out.size();
  CHECK(f.C_EncryptUpdate(session, data.data(), data.size(), out.data(), &size) == CKR_DEVICE_ERROR);
  CHECK(lab.daemon.calls(183) == updates);
  size = out.size();
  CHECK(f.C_EncryptFinal(other, out.data(), &size) == CKR_OK);
}

TEST_CASE("Daemons that die at work: never a wrong answer") {
  Lab lab;
  std::atomic<bool> stop{false};
  std::atomic<int> right{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, session = lab.open(kOpenSlot)] {
      while (!stop) {
        Bytes signature;
        CK_RV code = sign_init(session, CKM_ECDSA, kOpenEcKey);
        if (code == CKR_OK) code = sign(session, &signature);
        if (code == CKR_OK && signature == Bytes(64, 0x51))
          ++right;
        else if (code != CKR_DEVICE_ERROR)
          ++wrong;
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    lab.daemon.kill();
    lab.daemon.listen_again();
  }
  const int before = right;
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(right > before);
}

TEST_CASE("A daemon is started when there is none") {
  TempDir folder;
  ::unsetenv("SKS_SOCKET");
  ::setenv("XDG_RUNTIME_DIR", folder.path().c_str(), 1);
  ::setenv("SKS_STORE", folder.file("store").c_str(), 1);
  ::setenv("SKS_SKSD", SKS_PKCS11_STARTED_DAEMON, 1);
  ::setenv("SKS_TEST_STARTS", folder.file("starts").c_str(), 1);
  CK_FUNCTION_LIST& f = functions();
  REQUIRE(f.C_Initialize(nullptr) == CKR_OK);
  CK_ULONG count = 0;
  REQUIRE(f.C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK);
  CHECK(count == 2);
  CHECK(f.C_Finalize(nullptr) == CKR_OK);
  REQUIRE(f.C_Initialize(nullptr) == CKR_OK);
  REQUIRE(f.C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK);
  CHECK(f.C_Finalize(nullptr) == CKR_OK);
  CHECK(read_file(folder.file("starts")) == "--for-store " + folder.file("store") + "\n");

  // One that does not start is not tried all the time.
  ::setenv("SKS_STORE", folder.file("other").c_str(), 1);
  ::setenv("SKS_TEST_FAIL", "1", 1);
  REQUIRE(f.C_Initialize(nullptr) == CKR_OK);
  for (int i = 0; i < 10; ++i) {
    REQUIRE(f.C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK);
    CHECK(count == 0);
  }
  CHECK(f.C_Finalize(nullptr) == CKR_OK);
  CHECK(read_file(folder.file("starts")).size() == 2 * ("--for-store " + folder.file("store") + "\n").size());
  ::unsetenv("SKS_TEST_FAIL");
  ::unsetenv("SKS_SKSD");
  ::unsetenv("SKS_STORE");
}

TEST_CASE("A daemon that cannot be run is told of once, on the standard error") {
  TempDir folder;
  ::unsetenv("SKS_SOCKET");
  ::setenv("XDG_RUNTIME_DIR", folder.path().c_str(), 1);
  ::setenv("SKS_STORE", folder.file("store").c_str(), 1);
  ::setenv("SKS_SKSD", folder.file("missing").c_str(), 1);
  CK_FUNCTION_LIST& f = functions();
  REQUIRE(f.C_Initialize(nullptr) == CKR_OK);
  const int terminal = ::dup(STDERR_FILENO);
  const int file = ::open(folder.file("stderr").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ::dup2(file, STDERR_FILENO);
  // Time enough to try again.
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1200);
       std::chrono::steady_clock::now() < until;) {
    CK_ULONG count = 1;
    CHECK(f.C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK);
    CHECK(count == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ::dup2(terminal, STDERR_FILENO);
  ::close(terminal);
  ::close(file);
  CHECK(f.C_Finalize(nullptr) == CKR_OK);
  CHECK(read_file(folder.file("stderr")) ==
        "sks-pkcs11: cannot start " + folder.file("missing") + ": No such file or directory\n");
  ::unsetenv("SKS_SKSD");
  ::unsetenv("SKS_STORE");
}

}  // namespace
}  // namespace sks::test
