#pragma once

#include "conformance/kit/http.h"
#include "conformance/kit/scenario.h"

namespace sks::conformance {

/// The HTTP side of one session with an issuer: one connection for each request, and its cookies.
class IssuerSession {
 public:
  /// Fails with option when a URL is none of https.
  static Result<IssuerSession> create(const std::string& init, const std::string& url, const std::string& cookie,
                                      SSL_CTX* context);

  // Fail with not_available or option (no HTTP), or with crypto (another certificate than before).
  Result<HttpMessage> get_init();
  Result<HttpMessage> post(const std::string& text);
  /// As a scenario says. The path "{init}" is that of the init URL.
  Result<HttpMessage> send(const Delivery& delivery, const std::string& text);

  const std::string& url() const { return url_text_; }
  /// DER of the server's certificate on the first connection.
  const Bytes& certificate() const { return certificate_; }

 private:
  IssuerSession(HttpsUrl init, HttpsUrl url, std::string url_text, std::string cookie, SSL_CTX* context)
      : init_(std::move(init)),
        url_(std::move(url)),
        url_text_(std::move(url_text)),
        cookie_(std::move(cookie)),
        context_(context) {}

  Result<HttpMessage> exchange(const HttpMessage& request, Framing framing);
  std::string cookies() const;
  void keep_cookies(const HttpMessage& response);

  HttpsUrl init_;
  HttpsUrl url_;
  std::string url_text_;
  std::string cookie_;  ///< of the invocation
  std::map<std::string, std::string> more_cookies_;
  SSL_CTX* context_;
  Bytes certificate_;
};

}  // namespace sks::conformance
