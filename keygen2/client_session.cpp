#include "keygen2/client_session.h"

#include <algorithm>
#include <array>

#include "keygen2/enumerations.h"
#include "keygen2/messages.h"
#include "keygen2/pin_collection.h"
#include "keygen2/time.h"
#include "sks-core/crypto/x509.h"

namespace sks::keygen2 {
namespace {

constexpr std::size_t kManyKeys = 20;
constexpr std::uint8_t kDeviceLocationMask = 0x03;

/// Where the run stands. Spec: keygen2.md 1.4.
enum class ClientPhase : std::uint8_t {
  start,        ///< C1
  invoked,      ///< C2
  initialized,  ///< C3
  created,      ///< C5
  finished,     ///< C6: only a termination may follow
  ended,        ///< C8, C9
};

/// The key container that a key store is: by location, in the order of sks-api.md 4.1, and software where it is one.
bool is_container(const DeviceInfo& device, std::uint8_t container) {
  constexpr std::array<std::string_view, 4> by_location{"external", "embedded", "sdcard", "uicc"};
  const std::string_view name = kKeyContainers.at(container);
  const bool software = (device.device_type & ~unsigned{kDeviceLocationMask}) == 0;
  if (name == "software") return software;
  return name == by_location.at(device.device_type & kDeviceLocationMask);
}

bool is_supported(const DeviceInfo& device, const std::string& capability) {
  if (capability == kDevicePinFeature) return device.device_pin_support;
  if (capability == kBiometricFeature) return device.biometric_support;
  return std::ranges::find(device.supported_algorithms, capability) != device.supported_algorithms.end();
}

/// A key store's error, with its status.
Failure sks_failure(const Error& error) { return failure(ErrorClass::sks, error); }

/// The error of a key store call becomes the failure of the session.
template <class T>
Outcome<T> from_store(Result<T> result) {
  if (!result) return sks_failure(result.error());
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return std::move(result).value();
}

std::size_t count_keys(const KeyCreationRequest& request) {
  struct Counter {
    std::size_t count = 0;
    Outcome<void> puk(const PukPolicySpecifier&) { return {}; }
    Outcome<void> pin(const PinPolicySpecifier&, const PukPolicySpecifier*) { return {}; }
    Outcome<void> key(const KeyEntrySpecifier&, const PinPolicySpecifier*) {
      ++count;
      return {};
    }
  } counter;
  SKS_CHECK(static_cast<bool>(walk(request, counter)));
  return counter.count;
}

/// Executes a KeyCreationRequest. Spec: keygen2.md 8.5.
struct KeyCreator {
  SecureKeyStore& store;
  ProvisioningHandle session;
  const KeyCreationRequest& request;
  const CollectedPins& pins;
  PukPolicyHandle puk_handle;
  PinPolicyHandle pin_handle;
  std::vector<GeneratedKey> created;

  Outcome<void> puk(const PukPolicySpecifier& puk) {
    SKS_LET(puk_handle,
            from_store(store.create_puk_policy(
                session, PukPolicyRequest{puk.id, puk.encrypted_puk, puk.format, puk.retry_limit, puk.mac})));
    return {};
  }

  Outcome<void> pin(const PinPolicySpecifier& pin, const PukPolicySpecifier* puk) {
    const PinPolicyRequest call{pin.id,
                                puk == nullptr ? PukPolicyHandle{} : puk_handle,
                                pin.user_defined(),
                                pin.user_modifiable,
                                pin.format,
                                pin.retry_limit,
                                pin.grouping,
                                pin.pattern_restrictions,
                                pin.min_length,
                                pin.max_length,
                                pin.input_method,
                                pin.mac};
    SKS_LET(pin_handle, from_store(store.create_pin_policy(session, call)));
    return {};
  }

  Outcome<void> key(const KeyEntrySpecifier& key, const PinPolicySpecifier* pin) {
    const KeyEntryRequest call{key.id,
                               request.key_entry_algorithm,
                               key.server_seed,
                               key.device_pin_protection,
                               pin == nullptr ? PinPolicyHandle{} : pin_handle,
                               pin_value(key),
                               key.enable_pin_caching,
                               key.biometric_protection,
                               key.export_protection,
                               key.delete_protection,
                               key.app_usage,
                               key.friendly_name,
                               key.key_algorithm,
                               key.key_parameters,
                               key.endorsed_algorithms,
                               key.mac};
    SKS_LET(CreatedKey made, from_store(store.create_key_entry(session, call)));
    SKS_LET(crypto::PublicKey public_key, from_store(crypto::PublicKey::from_spki(made.public_key)));
    created.push_back(GeneratedKey{key.id, std::move(public_key), std::move(made.attestation)});
    return {};
  }

  SecureBytes pin_value(const KeyEntrySpecifier& key) const {
    if (key.encrypted_pin) return SecureBytes::copy_of(*key.encrypted_pin);
    const SecureBytes* const chosen = pins.find(key.id);
    return chosen == nullptr ? SecureBytes() : SecureBytes::copy_of(chosen->view());
  }
};

/// Whether the keys created and the credentials issued are the same set. Spec: keygen2.md 4.11.
bool covers(const std::vector<IssuedCredential>& credentials, std::vector<std::string> created) {
  std::vector<std::string> issued;
  for (const IssuedCredential& credential : credentials) issued.push_back(credential.id);
  std::ranges::sort(issued);
  std::ranges::sort(created);
  return issued == created;
}

Outcome<void> check_credential(const IssuedCredential& credential) {
  const auto path = crypto::parse_path(credential.certificate_path);
  if (!path) return failure(ErrorClass::crypto, path.error());
  if (credential.trust_anchor && !path->back().is_ca())
    return Failure{ErrorClass::value, "the trust anchor is not a CA certificate"};
  return {};
}

}  // namespace

struct ClientSession::Impl {
  struct Step {
    ClientPhase from;
    MessageType on;
    Outcome<std::string> (*run)(Impl&, IncomingMessage&);
  };

  SecureKeyStore& store;
  UserDialog& dialog;
  const Clock& clock;
  ClientContext context;

  ClientPhase phase = ClientPhase::start;
  bool committed = false;
  std::uint8_t action = kActionManage;
  bool privacy_enabled = false;
  SessionIds ids{};
  ProvisioningHandle session{};  // none while no session is open in the key store
  std::vector<std::string> created{};

  Outcome<std::string> dispatch(std::string_view message);
  void abort() noexcept;
  Outcome<void> check_ids(const SessionIds& received) const {
    if (received == ids) return {};
    return Failure{ErrorClass::session, "the message belongs to another session"};
  }
  Outcome<std::string> on_invocation(const InvocationRequest& request);
  Outcome<std::string> on_initialization(const ProvisioningInitializationRequest& request);
  Outcome<std::string> on_key_creation(const KeyCreationRequest& request);
  Outcome<std::string> on_finalization(const ProvisioningFinalizationRequest& request);

  template <class T, Outcome<std::string> (Impl::*handler)(const T&)>
  static Outcome<std::string> run(Impl& self, IncomingMessage& message) {
    SKS_LET(const T decoded, message.decode<T>());
    return (self.*handler)(decoded);
  }
  static Outcome<std::string> refuse_discovery(Impl&, IncomingMessage&) {
    return Failure{ErrorClass::policy, "credential discovery is not supported by this client"};
  }

  static const std::array<Step, 6> kSteps;
};

// A phase and message without a row here: state. Finalization without key creation is for management alone.
const std::array<ClientSession::Impl::Step, 6> ClientSession::Impl::kSteps{{
    {ClientPhase::start, MessageType::invocation_request, run<InvocationRequest, &Impl::on_invocation>},
    {ClientPhase::invoked, MessageType::provisioning_initialization_request,
     run<ProvisioningInitializationRequest, &Impl::on_initialization>},
    {ClientPhase::initialized, MessageType::credential_discovery_request, refuse_discovery},
    {ClientPhase::initialized, MessageType::key_creation_request, run<KeyCreationRequest, &Impl::on_key_creation>},
    {ClientPhase::initialized, MessageType::provisioning_finalization_request,
     run<ProvisioningFinalizationRequest, &Impl::on_finalization>},
    {ClientPhase::created, MessageType::provisioning_finalization_request,
     run<ProvisioningFinalizationRequest, &Impl::on_finalization>},
}};

Outcome<std::string> ClientSession::Impl::dispatch(std::string_view message) {
  SKS_LET(IncomingMessage incoming, IncomingMessage::parse(message, kMaxMessageToClient));
  const auto* const step =
      std::ranges::find_if(kSteps, [&](const Step& row) { return row.from == phase && row.on == incoming.type(); });
  if (step == kSteps.end())
    return Failure{ErrorClass::state, std::string(to_string(incoming.type())) + " is not expected now"};
  return step->run(*this, incoming);
}

void ClientSession::Impl::abort() noexcept {
  phase = ClientPhase::ended;
  const ProvisioningHandle ending = std::exchange(session, ProvisioningHandle{});
  if (!ending) return;
  // A failing provisioning call has already removed the session: no_session is no news then, and nothing else helps.
  // Nor does an exception: whoever aborts has a failure to report already, and may be a destructor.
  try {
    static_cast<void>(store.abort_provisioning_session(ending));
  } catch (...) {
    return;
  }
}

Outcome<std::string> ClientSession::Impl::on_invocation(const InvocationRequest& request) {
  SKS_LET(const DeviceInfo device, from_store(store.get_device_info()));
  const auto available = [&](std::uint8_t container) { return is_container(device, container); };
  if (!request.target_key_containers.empty() && std::ranges::none_of(request.target_key_containers, available))
    return Failure{ErrorClass::policy, "none of the key containers that the issuer asks for is here"};
  const bool agreed =
      dialog.consent({context.issuer_host, std::string(kActions.at(request.action)), !request.privacy_enabled});
  if (!agreed) return Failure{ErrorClass::user, "the user does not agree"};

  action = request.action;
  privacy_enabled = request.privacy_enabled;
  ids.server = request.server_session_id;
  InvocationResponse response{ids.server, {}};
  for (const std::string& query : request.capability_queries)
    response.capabilities.push_back({query, CapabilityForm::supported, is_supported(device, query), {}});
  phase = ClientPhase::invoked;
  return response.encode();
}

Outcome<std::string> ClientSession::Impl::on_initialization(const ProvisioningInitializationRequest& request) {
  if (request.server_session_id != ids.server)
    return Failure{ErrorClass::session, "the message belongs to another session"};
  const std::int64_t now = clock.now();
  if (!is_plausible(parse_time(request.server_time, TimeZone::utc).value(), now))
    return Failure{ErrorClass::time, "the issuer's clock differs from ours by more than a day"};
  // The SKS and JSON get one and the same value.
  const auto client_time = static_cast<std::uint32_t>(now);
  SessionRequest call;
  call.session_key_algorithm = request.session_key_algorithm;
  call.privacy_enabled = privacy_enabled;
  call.server_session_id = ids.server;
  call.server_ephemeral_key = request.server_ephemeral_key->spki();
  call.issuer_uri = context.issuer_uri;
  if (request.key_management_key) call.key_management_key = request.key_management_key->spki();
  call.client_time = client_time;
  call.session_life_time = request.session_life_time;
  call.session_key_limit = request.session_key_limit;
  call.server_certificate = context.server_certificate;
  SKS_LET(const CreatedSession made, from_store(store.create_provisioning_session(call)));
  session = made.handle;
  ids.client = made.client_session_id;

  ProvisioningInitializationResponse response;
  response.ids = ids;
  response.server_time = request.server_time;
  response.client_time = client_time;
  response.client_utc_offset = local_utc_offset(client_time);
  SKS_LET(response.client_ephemeral_key, from_store(crypto::PublicKey::from_spki(made.client_ephemeral_key)));
  if (!privacy_enabled) {
    SKS_LET(DeviceInfo device, from_store(store.get_device_info()));
    response.device_path = std::move(device.certificate_path);
  }
  response.attestation = made.attestation;
  phase = ClientPhase::initialized;
  return response.encode();
}

Outcome<std::string> ClientSession::Impl::on_key_creation(const KeyCreationRequest& request) {
  SKS_TRY(check_ids(request.ids));
  if (action == kActionUnlock)
    return Failure{ErrorClass::policy, "the issuer asked to unlock keys, and now wants to create some"};
  const std::size_t count = count_keys(request);
  if (count > kManyKeys && !dialog.accept_many_keys(count))
    return Failure{ErrorClass::policy, "the issuer wants to create too many keys"};
  SKS_LET(const CollectedPins pins, CollectedPins::ask(request, dialog));

  KeyCreator creator{store, session, request, pins, {}, {}, {}};
  SKS_TRY(walk(request, creator));
  for (const GeneratedKey& key : creator.created) created.push_back(key.id);
  phase = ClientPhase::created;
  return KeyCreationResponse{ids, std::move(creator.created)}.encode();
}

Outcome<std::string> ClientSession::Impl::on_finalization(const ProvisioningFinalizationRequest& request) {
  SKS_TRY(check_ids(request.ids));
  if (!covers(request.credentials, created))
    return Failure{ErrorClass::value, "the issued credentials are not those of the created keys"};
  for (const IssuedCredential& credential : request.credentials) SKS_TRY(check_credential(credential));
  for (const IssuedCredential& credential : request.credentials) {
    SKS_LET(const KeyHandle key, from_store(store.get_key_handle(session, credential.id)));
    SKS_TRY(from_store(store.set_certificate_path(key, credential.certificate_path, credential.mac)));
  }
  SKS_LET(Bytes attestation,
          from_store(store.close_provisioning_session(session, request.close_nonce, request.close_mac)));
  session = {};
  committed = true;
  phase = ClientPhase::finished;
  return ProvisioningFinalizationResponse{ids, std::move(attestation)}.encode();
}

ClientSession::ClientSession(SecureKeyStore& store, UserDialog& dialog, const Clock& clock, ClientContext context)
    : impl_(new Impl{.store = store, .dialog = dialog, .clock = clock, .context = std::move(context)}) {}

ClientSession::~ClientSession() { impl_->abort(); }

Outcome<std::string> ClientSession::receive(std::string_view message) {
  // What a dialog or the key store throws ends the run as well.
  struct AbortUnlessDone {
    Impl& impl;
    bool done = false;
    ~AbortUnlessDone() {
      if (!done) impl.abort();
    }
  } guard{*impl_};
  Outcome<std::string> reply = impl_->dispatch(message);
  guard.done = static_cast<bool>(reply);
  return reply;
}

Outcome<void> ClientSession::terminated() {
  const bool finished = impl_->phase == ClientPhase::finished;
  impl_->abort();
  if (finished) return {};
  return Failure{ErrorClass::state, "the issuer ended the session"};
}

bool ClientSession::committed() const { return impl_->committed; }

std::size_t ClientSession::key_count() const { return impl_->created.size(); }

void ClientSession::abort() { impl_->abort(); }

}  // namespace sks::keygen2
