#include "provisioning-server/pages.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "provisioning-server/landing/html.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

/// The number alone, as `openssl x509 -serial` prints it.
std::string serial_text(const crypto::Certificate& certificate) {
  const Bytes der = certificate.serial_number_der();
  constexpr std::size_t kTagAndLength = 2;  // a serial number is shorter than 128 bytes
  if (der.size() <= kTagAndLength) return {};
  ByteView number = ByteView(der).subspan(kTagAndLength);
  if (number.size() > 1 && number.front() == 0) number = number.subspan(1);
  std::string text = to_hex(number);
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  return text;
}

}  // namespace

std::string time_text(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string redirect_page(std::string_view location) {
  return html(
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>OpenSKS issuer</title></head>\n"
             "<body><p><a href=\"{location}\">Continue</a></p></body>\n</html>\n",
             {{"location", location}})
      .text();
}

std::string whoami_text(const crypto::Certificate& certificate, const Credential& credential) {
  const std::string device =
      credential.device_fingerprint.empty() ? "unknown (privacy enabled)" : credential.device_fingerprint;
  std::string text = "You are " + certificate.subject() + "\n";
  text += "Issuer: " + certificate.issuer() + "\n";
  text += "Serial number: " + serial_text(certificate) + "\n";
  text += "Certificate fingerprint: " + credential.fingerprint + "\n";
  text += "Profile: " + credential.profile + "\n";
  text += "Use: " + credential.app_usage + "\n";
  text += "Issued: " + time_text(credential.issued) + "\n";
  text += "Valid until: " + time_text(certificate.not_after()) + "\n";
  text += "Device fingerprint: " + device + "\n";
  text += "Server session: " + credential.server_session_id + "\n";
  text += "Client session: " + credential.client_session_id + "\n";
  return text;
}

}  // namespace sks::issuer
