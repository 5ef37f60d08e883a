#include "keygen2/search_filter.h"

#include "sks-core/base/encoding.h"
#include "tests/fuzz/checks.h"

namespace {

using namespace sks;
using namespace sks::keygen2;

/// tests/vectors/keygen2/search/person.pem
constexpr std::string_view kCertificate =
    "MIIC2TCCAoCgAwIBAgISAIAAAAAAAAAAAAAAAAAAAAABMAoGCCqGSM49BAMCMFQxEzARBgoJkiaJk_IsZAEZFgNvcmcxFzAVBgoJkiaJk_IsZA"
    "EZFgdleGFtcGxlMRUwEwYDVQQKDAxNaWRkbGUsIEluYy4xDTALBgNVBAMMBENBIDEwHhcNMjYxMTMwMDg0NDA5WhcNNDkxMTI5MDg0NDA5WjCB"
    "iDELMAkGA1UEBhMCU0UxEDAOBgNVBAoMB0V4YW1wbGUxHDAMBgNVBAMMBUpvICMxMAwGA1UECwwFU2FsZXMxFjAUBgNVBAUTDTE5NzAwMTAxLT"
    "EyMzQxEjAQBgoJkiaJk_IsZAEBDAJqbzEdMBsGCSqGSIb3DQEJARYOam9AZXhhbXBsZS5vcmcwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARO"
    "CgcUfD1J1ktX_VN7wmW_Rb8FH9tJ5qpEmJ6ZO3HxzhV_UWvxAycvvUkc3bBCOLyGvdqOWuO8wfcWZjMdvJSMo4H8MIH5MA8GA1UdDwEB_wQFAw"
    "MHiIAwKQYDVR0lBCIwIAYIKwYBBQUHAwIGCCsGAQUFBwMEBgorBgEEAYI3FAICMCgGA1UdIAQhMB8wBgYEVR0gADALBgkrBgEEAYaNHwEwCAYG"
    "Z4EMAQIBMFEGA1UdEQRKMEiBEmpvLmRvZUBleGFtcGxlLm9yZ4ILZXhhbXBsZS5vcmeBDkpPQEVYQU1QTEUuT1JHhhVtYWlsdG86bm9AZXhhbX"
    "BsZS5vcmcwHQYDVR0OBBYEFOequx4DFGeoBm2C9Ga-87B9BhWMMB8GA1UdIwQYMBaAFGVZ6HjggXmKuVbIVNPr69TsRTshMAoGCCqGSM49BAMC"
    "A0cAMEQCIEKExiLdeB4_IJSnrJggxx7mvZBXDrU9dzkWXqGAC9yPAiBlY22fQDRzl1ngxUYYhT57XwouMaq9tcwaGvnIdFlhaQ";

std::optional<SearchFilter> read(std::string_view json) {
  Outcome<JsonDocument> document = JsonDocument::parse(json, kMaxMessageToClient);
  if (!document) return std::nullopt;
  JsonReader in = document->root();
  SearchFilter filter = read_search_filter(in);
  const Outcome<void> end = document->finish();
  if (end) return filter;
  const ErrorClass error = end.error().error_class;
  fuzz::require(error == ErrorClass::json || error == ErrorClass::value || error == ErrorClass::policy,
                "class of a refusal");
  return std::nullopt;
}

}  // namespace

/// Search filters from issuers: the first byte is what the key says about itself, the others are the JSON of the
/// filter. One that was accepted compiles, is written as it was read, and is applied within bounds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Bytes> path{from_base64url(kCertificate).value()};
  if (size == 0) return 0;
  const std::uint8_t about_key = data[0];
  const std::optional<SearchFilter> filter = read({reinterpret_cast<const char*>(data) + 1, size - 1});
  if (!filter) return 0;

  JsonWriter out;
  write_search_filter(out, *filter);
  fuzz::require(read(out.finish()) == filter, "a filter is written as it was read");

  const Outcome<FilterMatcher> matcher = FilterMatcher::compile(*filter);
  fuzz::require(static_cast<bool>(matcher), "a filter that was accepted compiles");
  SearchedKey key{path, std::nullopt, static_cast<std::uint8_t>(about_key & 3)};
  if ((about_key & 0x40) != 0) key.grouping = static_cast<std::uint8_t>(about_key >> 2 & 3);
  MatchBudget budget;
  const Outcome<bool> match = matcher->matches(key, budget);
  fuzz::require(match || match.error().error_class == ErrorClass::policy, "matching ends, or is given up");
  return 0;
}
