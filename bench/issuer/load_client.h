#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "keygen2/client_session.h"
#include "sks-core/crypto/ossl.h"
#include "sks-core/engine/engine.h"

/// Many clients of KeyGen2 that do what a device does, with as little as possible around it.
namespace sks::bench {

/// Where the issuer is, and what its clients trust.
struct LoadTarget {
  std::string url;      ///< main URL
  std::string address;  ///< IPv4 address to connect to
  std::string ca_file;
};

using SteadyTime = std::chrono::steady_clock::time_point;

/// One request after the other over TLS 1.3. The first connection makes the whole handshake, later ones resume it.
class LoadConnection {
 public:
  /// `source`: the IPv4 address to come from, so that ports do not run out.
  LoadConnection(const LoadTarget& target, std::string source);
  ~LoadConnection();
  LoadConnection(const LoadConnection&) = delete;
  LoadConnection& operator=(const LoadConnection&) = delete;

  void connect();
  void close();
  struct Answer {
    unsigned status = 0;
    std::string location;
    std::string body;
  };
  /// Without body a GET. Connects if it has to.
  Answer exchange(const std::string& target, const std::string& cookie, const std::string& body);

  const Bytes& server_certificate() const { return server_certificate_; }
  bool resumed() const;
  const std::string& path() const { return path_; }
  const std::string& host() const { return host_; }

 private:
  void send_all(std::string_view text);
  void receive_more();

  std::string host_;
  std::string path_;
  std::uint16_t port_ = 443;
  std::string address_;
  std::string source_;
  ossl::Ptr<SSL_CTX, SSL_CTX_free> context_;
  ossl::Ptr<SSL, SSL_free> ssl_;
  ossl::Ptr<SSL_SESSION, SSL_SESSION_free> session_;
  int socket_ = -1;
  std::string received_;
  Bytes server_certificate_;
};

/// A device with its key store in memory, which enrols again and again.
class LoadDevice {
 public:
  LoadDevice(const LoadTarget& target, std::string source);
  ~LoadDevice();

  /// Called with the seconds that each request has taken until its answer was there.
  using OnStep = std::function<void(double seconds)>;
  /// One enrolment with the ticket, over a connection of its own. Ends the program when the issuer refuses it.
  void enrol(const std::string& ticket, const std::string& cookie, const OnStep& on_step);
  /// The first two requests of an enrolment, over a connection that stays open: the session is open then.
  void open_session(const std::string& ticket, const std::string& cookie);
  LoadConnection& connection() { return connection_; }

 private:
  struct Store;
  void replace_store();

  LoadTarget target_;
  LoadConnection connection_;
  std::unique_ptr<Store> store_;
  int sessions_in_store_ = 0;
};

}  // namespace sks::bench
