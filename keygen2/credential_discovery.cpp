#include "keygen2/message_common.h"

/// CredentialDiscoveryRequest and CredentialDiscoveryResponse. Spec: keygen2.md 4.6, 4.7.
namespace sks::keygen2 {
namespace {

constexpr Range kNonceSize{32, 32};

void write_lookup(JsonWriter& out, const LookupSpecifier& lookup) {
  out.text("id", lookup.id).bytes("nonce", lookup.nonce);
  if (lookup.filter)
    out.object("searchFilter", [&](JsonWriter& members) { write_search_filter(members, *lookup.filter); });
  write_jsf_signature(out, lookup.signature);
}

LookupSpecifier read_lookup(JsonReader& in) {
  LookupSpecifier lookup;
  lookup.id = in.id("id");
  lookup.nonce = in.bytes("nonce", kNonceSize);
  if (in.has("searchFilter")) {
    JsonReader filter = in.object("searchFilter");
    lookup.filter = read_search_filter(filter);
  }
  lookup.signature = read_jsf_signature(in);
  return lookup;
}

void write_match(JsonWriter& out, const MatchingCredential& match) {
  out.text("serverSessionId", match.owner.server).text("clientSessionId", match.owner.client);
  write_certificate_path(out, match.certificate_path);
  if (match.locked) out.boolean("locked", true);
}

MatchingCredential read_match(JsonReader& in) {
  MatchingCredential match;
  match.owner = read_ids(in);
  match.certificate_path = read_certificate_path(in);
  match.locked = in.optional_boolean("locked", false);
  return match;
}

template <class T>
bool ids_are_unique(const std::vector<T>& values) {
  std::vector<std::string> ids;
  for (const T& value : values) ids.push_back(value.id);
  return !has_duplicates(std::move(ids));
}

}  // namespace

std::string signed_text(const LookupSpecifier& lookup) {
  JsonWriter out;
  write_lookup(out, lookup);
  Outcome<JsonDocument> document = JsonDocument::parse(out.finish(), kMaxMessageToClient);
  SKS_CHECK(static_cast<bool>(document));
  return document->root().canonical_without("signature", "value");
}

std::string CredentialDiscoveryRequest::encode() const {
  JsonWriter out = begin_message(kType, ids);
  out.objects("lookupSpecifiers", lookups, write_lookup);
  return out.finish();
}

void CredentialDiscoveryRequest::read(JsonReader& in) {
  ids = read_ids(in);
  for (JsonReader& lookup : in.objects("lookupSpecifiers")) lookups.push_back(read_lookup(lookup));
  if (lookups.size() > kMaxLookups) in.fail(ErrorClass::policy, "too many lookupSpecifiers");
  if (!ids_are_unique(lookups)) in.fail(ErrorClass::value, "two lookupSpecifiers have one id");
  check_message_signature(in);
}

std::string CredentialDiscoveryResponse::encode() const {
  JsonWriter out = begin_message(kType, ids);
  out.objects("lookupResults", results, [](JsonWriter& members, const LookupResult& result) {
    members.text("id", result.id).objects("matchingCredentials", result.matches, write_match);
  });
  return out.finish();
}

void CredentialDiscoveryResponse::read(JsonReader& in) {
  ids = read_ids(in);
  for (JsonReader& element : in.objects("lookupResults")) {
    LookupResult result;
    result.id = element.id("id");
    for (JsonReader& match : element.objects_or_none("matchingCredentials"))
      result.matches.push_back(read_match(match));
    results.push_back(std::move(result));
  }
  if (!ids_are_unique(results)) in.fail(ErrorClass::value, "two lookupResults have one id");
}

}  // namespace sks::keygen2
