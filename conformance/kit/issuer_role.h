#pragma once

#include <map>
#include <set>

#include "conformance/kit/authority.h"
#include "conformance/kit/placeholders.h"
#include "conformance/kit/scenario.h"

/// The issuer that a client is examined with. Its messages are what a scenario says, and what a scenario leaves out is
/// computed by the tables of conformance/mac_input.h: nothing here comes from keygen2's own issuer.
namespace sks::conformance {

/// A credential that a client of the kit holds.
struct Credential {
  std::string name;  ///< the id of its key
  std::vector<Bytes> path;
  std::string server_session_id;  ///< of the session that owns it
  std::string client_session_id;
  Bytes management_key;  ///< SPKI
  bool privacy;
};

/// What the issuer of one scenario knows beyond a session.
struct IssuerMemory {
  Authority authority;
  std::map<std::string, crypto::PrivateKey> keys;  ///< by their names in the scenario
  std::vector<Credential> credentials;
  std::map<std::string, std::string> sent;  ///< texts of messages, by @qualifier
  std::set<std::string> client_session_ids;

  /// Keys for the names of the scenario, and one named KMK. Fails with option.
  static Result<IssuerMemory> create(const Scenario& scenario, std::int64_t now);

  /// The key with this public key, or null.
  const crypto::PrivateKey* find_key(const Json& jwk) const;
  /// The youngest credential of this name, or null.
  const Credential* find_credential(const std::string& name) const;
};

/// One session.
class IssuerRole {
 public:
  /// `certificate` is the one of the TLS server, in DER.
  IssuerRole(IssuerMemory& memory, std::string issuer_uri, Bytes certificate);

  /// The text of a step's message. Fails with option: the scenario asks for something impossible.
  Result<std::string> compose(const Step& step);

  /// Judges the response to the latest message.
  void check(const Step& step, const std::string& text, Findings& findings);

  /// The first thing that a response lacks for the scenario to go on, or nothing.
  static std::optional<std::string> find_lack(const Step& step, const std::string& text);

 private:
  struct Key {
    std::string id;
    std::string algorithm;
    Bytes parameters;
    Bytes mac;
    std::uint16_t counter;  ///< of its attestation
    Json public_key = nullptr;
  };
  struct Message;
  class Protector;
  static const std::vector<Message>& messages();
  const Message* find_message(std::string_view request) const;

  void add_placeholders();
  void add_credential_placeholders();
  void fill_common(const Message& row, Json& message);

  Result<void> fill_invocation(Json& message);
  Result<void> fill_initialization(Json& message);
  Result<void> fill_discovery(Json& message);
  Result<void> fill_creation(Json& message);
  Result<void> fill_finalization(Json& message);

  Result<void> complete_invocation(Json& message);
  Result<void> complete_initialization(Json& message);
  Result<void> complete_discovery(Json& message);
  Result<void> complete_creation(Json& message);
  Result<void> complete_finalization(Json& message);

  void check_invocation(const Node& response);
  void check_initialization(const Node& response);
  void check_discovery(const Node& response);
  void check_creation(const Node& response);
  void check_finalization(const Node& response);

  void check_capability(const Node& answer);
  void check_device(const Node& response, std::vector<Bytes>& path);
  void check_session_attestation(const Node& response, const std::vector<Bytes>& device_path);
  bool attests(ByteView data, ByteView value, const std::vector<Bytes>& device_path) const;
  void derive_session_key(const Node& response);
  void check_lookup_result(const Node& result);
  void check_generated_key(const Node& generated, Key& key);
  void check_found(const Node& credential, std::vector<std::string>& names);
  void remember();

  Result<Json> certify(const Json& request, const Json& public_key, const std::string& id);
  Result<void> fill_target(Json& target);
  Result<Bytes> authorize(const Credential& target) const;
  Bytes mac(std::string_view method, std::uint16_t counter, ByteView data) const;
  Key* find_generated(const std::string& id);

  IssuerMemory& memory_;
  Placeholders placeholders_;
  const Json issuer_uri_;
  const Bytes certificate_;
  std::string server_session_id_;
  std::string client_session_id_;
  bool privacy_ = false;
  std::optional<crypto::PrivateKey> ephemeral_;
  SecureBytes session_key_;
  Bytes device_id_;
  std::uint16_t counter_ = 0;
  std::uint16_t close_counter_ = 0;
  std::vector<Key> keys_;
  std::map<std::string, Json> sent_;  ///< values of this session's messages, by @qualifier
  const Step* step_ = nullptr;        ///< the one whose response is judged
};

}  // namespace sks::conformance
