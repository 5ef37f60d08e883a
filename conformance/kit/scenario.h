#pragma once

#include <map>
#include <span>

#include "conformance/kit/edit.h"

/// What a foreign implementation is taken through, as data. spec/conformance/README.md describes the files.
namespace sks::conformance {

enum class Side : std::uint8_t { client, issuer };  ///< the side that is examined

/// How a message, or what is sent instead of one, travels.
struct Delivery {
  unsigned status = 200;
  std::string content_type = "application/json";  ///< empty: no such header
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string method = "POST";      ///< of a request
  std::string path = {};            ///< of a request that goes elsewhere
  std::string body = {};            ///< of a response that is no message
  bool chunked = false;             ///< instead of a Content-Length
  bool cut = false;                 ///< the connection ends before the response
  std::string certificate = "own";  ///< of the server, or "other", "untrusted", "expired", "other-name"
};

struct Expectation {
  enum class Kind : std::uint8_t {
    message,              ///< the one named
    abort,                ///< nothing more, and a command that fails
    end,                  ///< nothing more, and a command that succeeds
    refusal,              ///< a termination: the session is gone
    turned_away,          ///< a termination, and the session lives on
    status,               ///< this status, and the session lives on
    refused_or_repeated,  ///< a termination, or what the same request was answered with before
    stored,               ///< the same response as before
    anything,             ///< a message, whichever is due
  };
  Kind kind = Kind::anything;
  std::string message = {};  ///< @qualifier
  unsigned status = 0;
};

/// A message of the kit, and what is to come back.
struct Step {
  std::string send;  ///< @qualifier, or "termination"
  Json message = Json::object();
  std::vector<Edit> edits = {};    ///< before MACs are computed
  std::vector<Edit> tampers = {};  ///< afterwards
  std::string resend = {};         ///< @qualifier of an earlier message that is sent instead, as it was
  bool repeat = false;             ///< of a request: once more as it was, after it was answered
  Json session = Json::object();   ///< what the kit's own key store is to do otherwise
  Delivery delivery = {};
  Expectation expect = {};
  std::string optional = {};                              ///< why the specification allows another outcome, or empty
  std::vector<std::pair<std::string, Json>> answer = {};  ///< JSON pointer into what comes back, and its value
  std::vector<std::pair<std::string, Json>> needs = {};   ///< the same; else the rest of the scenario is skipped
  std::map<std::string, std::vector<std::string>> finds = {};     ///< id of a lookup, and the keys that it finds
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< of what comes back, and texts in them
};

/// One start of the client.
struct Run {
  std::vector<Step> steps;
  std::vector<std::string> pins = {};
  std::string purpose = "enroll";  ///< or "resume", "cancel"
};

struct Scenario {
  std::string name;  ///< of the file, and of the variant after a slash
  std::string title;
  std::string proves;
  std::string spec;  ///< chapters of spec/keygen2.md
  Side side = Side::client;
  /// What an issuer is told to do to a key that it has issued in a session before; empty: nothing, there is one
  /// session.
  std::string order = {};
  std::map<std::string, std::string> keys = {};  ///< of the kit, with the last part of their algorithms' URIs
  std::vector<Run> runs = {};
};

struct ScenarioText {
  std::string_view file;  ///< "client/enrolment.toml"
  std::string_view text;
};

/// The @qualifier of the response to a message of an issuer.
std::string response_to(std::string_view request);

/// The scenarios that the program carries with it.
std::span<const ScenarioText> built_in_scenarios();

/// The scenarios of one file: one, or one for each variant. What is wrong with the file adds findings.
std::vector<Scenario> read_scenarios(const ScenarioText& file, Findings& findings);

}  // namespace sks::conformance
