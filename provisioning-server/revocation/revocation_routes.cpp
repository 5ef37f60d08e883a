#include "provisioning-server/revocation/revocation_routes.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "provisioning-server/log.h"

namespace sks::issuer {
namespace {

/// RFC 9110, 5.6.7. Without the words of any locale.
std::string http_date(std::int64_t seconds) {
  constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return {};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                parts.tm_sec);
  return text.data();
}

/// What caches on the way may do with an answer.
void add_caching(Response& response, std::int64_t now, std::int64_t modified, std::int64_t expires) {
  if (expires <= now) {
    response.headers.emplace_back("Cache-Control", "no-store");
    return;
  }
  response.headers.emplace_back("Cache-Control",
                                "public, no-transform, must-revalidate, max-age=" + std::to_string(expires - now));
  response.headers.emplace_back("Last-Modified", http_date(modified));
  response.headers.emplace_back("Expires", http_date(expires));
}

/// The name in front of the suffix; empty when it has another one.
std::string stem_of(const std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return {};
  return name.substr(0, name.size() - suffix.size());
}

/// Base64 of RFC 4648, section 4, with its padding. Empty when it is not.
Bytes from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > kMaxOcspRequest * 4 / 3 + 4) return {};
  Bytes out(text.size() / 4 * 3);
  const int size =
      EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

const std::string& value_of(const PathValues& values, std::string_view name) {
  const auto found = values.find(name);
  SKS_CHECK(found != values.end());
  return found->second;
}

}  // namespace

RevocationService::RevocationService(RevocationStore& store, AuthorityKeys authorities, const RevocationConfig& config,
                                     const Clock& clock, const Random& random)
    : store_(store),
      authorities_(authorities),
      config_(config),
      clock_(clock),
      publisher_(store, authorities, config, clock, random),
      responder_(store, authorities, config, clock) {}

Routes RevocationService::routes() {
  return {
      {"GET", "/crl/{name}", BodyKind::none,
       [this](const Request& request, const PathValues& values) { return get_crl(request, values); }},
      {"GET", "/ca/{name}", BodyKind::none,
       [this](const Request&, const PathValues& values) { return get_authority(values); }},
      {"POST", "/ocsp", BodyKind::ocsp,
       [this](const Request& request, const PathValues&) { return answer_ocsp(as_bytes(request.body)); }},
      {"GET", "/ocsp/{request}", BodyKind::none,
       [this](const Request&, const PathValues& values) {
         return answer_ocsp(from_base64(value_of(values, "request")));
       }},
  };
}

Response RevocationService::get_crl(const Request& request, const PathValues& values) {
  const std::string id = stem_of(value_of(values, "name"), ".crl");
  if (id.empty()) return text_response(404, "There is no such revocation list.\n");
  const Result<std::optional<StoredCrl>> head = store_.find_crl(id, RevocationStore::Part::head);
  if (!head) {
    log_error("crl-not-sent", {{"reason", head.error().detail}});
    return come_back_later(503);
  }
  if (!*head) return text_response(404, "There is no such revocation list.\n");
  const std::string tag = '"' + std::to_string((*head)->number) + '"';
  Response response = make_response(200, "application/pkix-crl", "");
  response.headers.emplace_back("ETag", tag);
  const std::int64_t now = clock_.now();
  // A new list may come with every interval.
  add_caching(response, now, (*head)->this_update, std::min((*head)->next_update, now + config_.crl_interval_seconds));
  // A list may be long, and is asked for by everybody, over and over. RFC 9110, 13.1.2
  if (request.header("if-none-match") == tag) {
    response.status = 304;
    return response;
  }
  {
    const std::lock_guard lock(mutex_);
    const auto known = lists_.find(id);
    if (known != lists_.end() && known->second.number == (*head)->number) {
      response.body = to_string(known->second.der);
      return response;
    }
  }
  Result<std::optional<StoredCrl>> whole = store_.find_crl(id, RevocationStore::Part::whole);
  if (!whole || !*whole || (*whole)->number != (*head)->number) return come_back_later(503);
  response.body = to_string((*whole)->der);
  const std::lock_guard lock(mutex_);
  lists_[id] = std::move(**whole);
  return response;
}

Response RevocationService::get_authority(const PathValues& values) {
  const std::string id = stem_of(value_of(values, "name"), ".cer");
  for (const AuthorityKey& authority : authorities_()) {
    if (id.empty() || authority_id(authority.certificate) != id) continue;
    Response response = make_response(200, "application/pkix-cert", to_string(authority.certificate.der()));
    const std::int64_t now = clock_.now();
    add_caching(response, now, authority.certificate.not_before(),
                std::min(authority.certificate.not_after(), now + 3600));
    return response;
  }
  return text_response(404, "There is no such certificate.\n");
}

Response RevocationService::answer_ocsp(ByteView request) {
  const OcspResponder::Answer answer = responder_.answer(request);
  Response response = make_response(200, "application/ocsp-response", to_string(answer.der));
  add_caching(response, clock_.now(), answer.produced, answer.expires);
  return response;
}

}  // namespace sks::issuer
