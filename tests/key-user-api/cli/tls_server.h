#pragma once

#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temp_dir.h"

namespace sks::test {

/// Certificates for 127.0.0.1 and localhost, made by the openssl command.
class TlsFixture {
 public:
  TlsFixture();

  /// PEM of the only authority that issues the certificates, unless their name says otherwise.
  std::string ca_file() const { return dir_.file("ca.pem"); }
  /// PEM with certificate and key: "good", "second" (another key, as good), "expired", "other-name", "client-only" (not
  /// for servers), "self-signed", "name-only" (localhost, no address), "localhost-names" (localhost and
  /// issuer.localhost, no address), "proxy" (proxy.localhost), "issuer" (issuer.example).
  std::string credential(const std::string& name) const { return dir_.file(name + ".pem"); }
  std::string file(const std::string& name) const { return dir_.file(name); }

 private:
  void make_leaf(const std::string& name, const std::string& extensions, const std::string& days);

  TempDir dir_;
};

/// A TLS server on loopback in a thread of its own that answers by a script, well or badly.
class TlsServer {
 public:
  /// close_notify, bare TCP close, wait until the client goes, or until then send one more byte now and then.
  enum class End { orderly, abrupt, silent, dripping };

  struct Connection {
    std::string credential;              ///< PEM file; empty: accepts TCP and stays silent
    std::vector<std::string> responses;  ///< one to each request, verbatim
    End end = End::orderly;
    int max_version = 0;  ///< of TLS; 0: newest
    bool plain = false;   ///< no TLS at all
    std::function<void()> before_response = nullptr;
    /// Where it tells what has become of another handshake that it asks for before its response: 0, or OpenSSL's reason
    /// why there is none. Needs TLS 1.2.
    std::promise<int>* renegotiation = nullptr;
    std::string repeated = {};  ///< sent again and again behind the last response, until the client goes
  };

  explicit TlsServer(std::deque<Connection> script);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  unsigned short port() const { return port_; }
  std::string url(const std::string& target, const std::string& host = "127.0.0.1") const;
  /// The requests so far, headers and body verbatim.
  std::vector<std::string> requests() const;

 private:
  void serve(std::deque<Connection> script);
  void serve_one(int fd, const Connection& connection);

  int listener_ = -1;
  unsigned short port_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
};

/// Runs a shell command and ends the test when it fails.
void run_command(const std::string& command);

}  // namespace sks::test
