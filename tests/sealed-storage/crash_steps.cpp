#include "key-user-api/local_issuer/local_issuer.h"
#include "key-user-api/local_issuer/restore.h"
#include "sks-core/base/byte_writer.h"
#include "tests/sealed-storage/crash_world.h"
#include "tests/sks-core/engine/managed_keys.h"

/// The steps of crash scripts. What they change is written down from the specification, not from the engine.
namespace sks::test {
namespace {

using Change = std::function<void(Model&)>;
using Kind = Step::Kind;
using Run = std::function<Result<void>(World&)>;

/// A step with at most one commit.
Step one_commit(std::string name, Kind kind, Run run, const Change& change = {}) {
  return {std::move(name), kind, std::move(run), [change](const Model& before) {
            std::vector<Model> states{before};
            if (change) change(states.back());
            return states;
          }};
}

template <class T>
Result<void> without_value(Result<T> result) {
  if (!result) return std::move(result).error();
  return {};
}

/// An answer about a PIN or PUK: what is not about authorization is passed on, all else must be what the model says.
template <class T>
Result<void> judge(Result<T> result, bool expected) {
  if (!result && result.error().status != Status::authorization) return std::move(result).error();
  if (static_cast<bool>(result) == expected) return {};
  return Error{Status::internal, expected ? "a right PIN or PUK was refused" : "a wrong or locked PIN or PUK passed"};
}

bool passes(const Model& model, const std::string& key, const std::string& pin) {
  const Model::Group& group = model.group_of(key);
  return !group.locked() && group.pin == pin;
}

bool puk_passes(const Model& model, const std::string& key, const std::string& puk) {
  return !model.group_of(key).puk_locked() && puk == kPuk;
}

/// Appends the states of a PIN check: paid, then given back after the right PIN.
void check_pin(std::vector<Model>& states, const std::string& key, const std::string& pin) {
  const bool right = passes(states.back(), key, pin);
  if (states.back().group_of(key).locked()) return;
  Model paid = states.back();
  Model::Group& group = paid.group_of(key);
  ++group.errors;
  group.prepaid = false;
  states.push_back(paid);
  if (!right) return;
  group.errors = 0;
  group.prepaid = paid.prepays;
  states.push_back(paid);
}

void check_puk(std::vector<Model>& states, const std::string& key, const std::string& puk) {
  const bool right = puk_passes(states.back(), key, puk);
  if (states.back().group_of(key).puk_locked()) return;
  Model paid = states.back();
  ++paid.group_of(key).puk_errors;
  states.push_back(paid);
  if (!right) return;
  paid.group_of(key).puk_errors = 0;
  states.push_back(paid);
}

/// What follows an authorization.
void then(std::vector<Model>& states, const Change& change) {
  states.push_back(states.back());
  change(states.back());
}

Bytes bag(std::string_view value) {
  ByteWriter out;
  out.text("Value").boolean(true).text(value);
  return out.take();
}

SecureBytes no_authorization() { return {}; }

/// Chooses kFirstPin.
class FirstPinDialog final : public keygen2::UserDialog {
 public:
  bool consent(const keygen2::ConsentRequest&) override { return true; }
  bool accept_many_keys(std::size_t) override { return true; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest&, const std::string&) override {
    return secret(kFirstPin);
  }
};

sealed::BackupKey backup_key(const std::string& name) {
  const crypto::PrivateKey made = generate_key(kSks + "ec.nist.p256");
  sealed::BackupKey key;
  key.key = made.to_pkcs8().value();
  key.certificate_path = {certify(made.public_key().spki())};
  key.friendly_name = name;
  key.app_usage = 1;
  return key;
}

/// The same keys each time, so that a restore after a failure meets what the first one has left.
const sealed::Backup& sample_backup() {
  static const sealed::Backup backup = [] {
    constexpr std::uint8_t kPropertyBag = 2;
    sealed::Backup made;
    made.pins.push_back({0, kRetryLimit, 1, 0, 4, 8, 0, true, true});
    made.keys.push_back(backup_key("A"));
    made.keys[0].extensions.push_back({kBagType, kPropertyBag, "", SecureBytes::copy_of(bag("0"))});
    made.keys.push_back(backup_key("B"));
    made.keys[1].pin = 1;
    return made;
  }();
  return backup;
}

}  // namespace

Model aborted(Model model) {
  std::erase_if(model.sessions, [](const auto& entry) { return entry.second.open; });
  model.tidy();
  return model;
}

const crypto::PrivateKey& management_key() {
  static const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  return key;
}

Step begin() {
  return one_commit("open the store", Kind::whole, [](World& world) { return world.open(); });
}

Step end() {
  return {"end in order", Kind::end,
          [](World& world) -> Result<void> {
            world.close();
            return {};
          },
          [](const Model& before) { return std::vector<Model>{before.after_end()}; }};
}

Step open_session(const std::string& session) {
  return one_commit(
      "createProvisioningSession " + session, Kind::whole,
      [session](World& world) {
        TestIssuer& issuer = world.new_issuer(session);
        issuer.request.server_session_id = session;
        issuer.request.key_management_key = management_key().public_key().spki();
        return without_value(issuer.open());
      },
      [session](Model& model) { model.sessions[session] = {}; });
}

Step puk_policy(const std::string& group) {
  return one_commit("createPukPolicy", Kind::in_session, [group](World& world) -> Result<void> {
    TestIssuer& issuer = world.issuer();
    PukPolicyRequest request{"PUK" + group, issuer.encrypt(as_bytes(kPuk)), 0, kRetryLimit, {}};
    SKS_LET(world.puk_policies[group], issuer.create_puk_policy(std::move(request)));
    return {};
  });
}

Step pin_policy(const std::string& group) {
  return one_commit("createPinPolicy", Kind::in_session, [group](World& world) -> Result<void> {
    PinPolicyRequest request = pin_policy_request(world.puk_policies.at(group));
    request.id = "PIN" + group;
    request.retry_limit = kRetryLimit;
    request.grouping = 1;  // one PIN for all keys of the policy
    SKS_LET(world.pin_policies[group], world.issuer().create_pin_policy(std::move(request)));
    return {};
  });
}

Step create_key(const std::string& session, const std::string& key, const std::string& group) {
  return one_commit(
      "createKeyEntry " + key, Kind::in_session,
      [key, group](World& world) -> Result<void> {
        KeyEntryRequest request = group.empty() ? key_request() : key_request(world.pin_policies.at(group), kFirstPin);
        request.id = key;
        request.friendly_name = key;
        request.export_protection = 0;
        SKS_LET(world.created[key], world.issuer().create_key_entry(std::move(request)));
        return {};
      },
      [session, key, group](Model& model) {
        model.sessions.at(session).unfinished[key] = {session, group, {}};
      });
}

Step set_certificate(const std::string& key) {
  return one_commit("setCertificatePath " + key, Kind::in_session, [key](World& world) {
    const CreatedKey& created = world.created.at(key);
    world.certificates[key] = certify(created.public_key);
    return world.issuer().set_certificate_path(created, key, {world.certificates[key]});
  });
}

Step import_symmetric(const std::string& session, const std::string& key) {
  return one_commit(
      "importSymmetricKey " + key, Kind::in_session,
      [key](World& world) {
        TestIssuer& issuer = world.issuer();
        return issuer.import_symmetric_key(world.created.at(key).handle, issuer.encrypt(Bytes(16, 7)));
      },
      [session, key](Model& model) {
        model.sessions.at(session).unfinished.at(key).features.insert({"imported", "symmetric=16"});
      });
}

Step import_private(const std::string& session, const std::string& key) {
  return one_commit(
      "importPrivateKey " + key, Kind::in_session,
      [key](World& world) -> Result<void> {
        TestIssuer& issuer = world.issuer();
        // The certificate is that of the imported key.
        const crypto::PrivateKey imported = generate_key(kSks + "ec.nist.p256");
        const CreatedKey& created = world.created.at(key);
        world.certificates[key] = certify(imported.public_key().spki());
        SKS_TRY(issuer.set_certificate_path(created, key, {world.certificates[key]}));
        return issuer.import_private_key(created.handle, issuer.encrypt(imported.to_pkcs8()->view()));
      },
      [session, key](Model& model) { model.sessions.at(session).unfinished.at(key).features.insert("imported"); });
}

Step add_bag(const std::string& session, const std::string& key) {
  return one_commit(
      "addExtension " + key, Kind::in_session,
      [key](World& world) {
        constexpr std::uint8_t kPropertyBag = 2;
        ExtensionRequest request;
        request.type = kBagType;
        request.sub_type = kPropertyBag;
        request.data = bag("0");
        return world.issuer().add_extension(world.created.at(key).handle, std::move(request));
      },
      [session, key](Model& model) { model.sessions.at(session).unfinished.at(key).features.insert("bag=0"); });
}

Step post(Post what, const std::string& target, const std::string& key) {
  return one_commit("post operation on " + target, Kind::in_session, [=](World& world) -> Result<void> {
    TestIssuer& issuer = world.issuer();
    SKS_LET(const KeyHandle handle, world.find(target));
    const TargetAuthorization aim{
        handle, issuer.target_authorization(management_key(), world.certificates.at(target)), {}};
    switch (what) {
      case Post::delete_key:
        return issuer.post_delete_key(aim);
      case Post::unlock:
        return issuer.post_unlock_key(aim);
      case Post::update:
        return issuer.post_update_key(world.created.at(key).handle, aim);
      case Post::clone:
        return issuer.post_clone_key_protection(world.created.at(key).handle, aim);
    }
    SKS_CHECK(false);
  });
}

Step close_session(const std::string& session, const Change& posts) {
  return one_commit(
      "closeProvisioningSession " + session, Kind::in_session, [](World& world) { return world.issuer().close(); },
      [session, posts](Model& model) {
        Model::Session& closing = model.sessions.at(session);
        closing.open = false;
        for (const auto& [id, key] : closing.unfinished) {
          model.keys[id] = key;
          if (!key.group.empty()) model.groups.try_emplace(key.group);
        }
        closing.unfinished.clear();
        if (posts) posts(model);
        model.tidy();
      });
}

Step at_once(const std::string& session, const Step& step, const std::string& other_session, const Step& other_step) {
  return {step.name + " at once with " + other_step.name, Kind::in_session,
          [=](World& world) -> Result<void> {
            SecureKeyStore& store = world.engine();
            const auto begin_call = [&](const std::string& whose, const Step& what, Result<void>& outcome) {
              return store.begin_call([&] {
                world.turn_to(whose);
                outcome = what.run(world);
              });
            };
            Result<void> outcome;
            Result<void> other_outcome;
            const std::unique_ptr<PendingCall> pending = begin_call(session, step, outcome);
            const std::unique_ptr<PendingCall> other_pending = begin_call(other_session, other_step, other_outcome);
            if (outcome && pending != nullptr) outcome = pending->finish();
            if (other_outcome && other_pending != nullptr) other_outcome = other_pending->finish();
            if (outcome && other_outcome) return {};
            // Of two calls the one that was answered well holds, whatever becomes of the other.
            if (outcome) world.model = step.states(world.model).back();
            for (const ProvisioningHandle left : all_sessions(store, SessionState::open))
              SKS_TRY(store.abort_provisioning_session(left));
            return outcome ? other_outcome : outcome;
          },
          [=](const Model& before) {
            std::vector<Model> states = step.states(before);
            const std::vector<Model> later = other_step.states(states.back());
            states.insert(states.end(), later.begin(), later.end());
            return states;
          }};
}

Step abort_session(const std::string& session) {
  return one_commit(
      "abortProvisioningSession " + session, Kind::abort,
      [](World& world) { return world.engine().abort_provisioning_session(world.issuer().handle()); },
      [](Model& model) { model = aborted(model); });
}

Step send_wrong_mac(const std::string& session) {
  return one_commit(
      "a wrong MAC in " + session, Kind::abort,
      [](World& world) -> Result<void> {
        PukPolicyRequest request{"Bad", world.issuer().encrypt(as_bytes(kPuk)), 0, kRetryLimit, Bytes(32, 1)};
        const auto refused = world.issuer().create_puk_policy(std::move(request));
        if (refused) return Error{Status::internal, "a wrong MAC passed"};
        if (refused.error().status != Status::mac) return refused.error();
        return {};
      },
      [](Model& model) { model = aborted(model); });
}

Step try_pin(const std::string& key, const std::string& pin) {
  return {"verifyPin " + pin + " for " + key, Kind::whole,
          [=](World& world) -> Result<void> {
            SKS_LET(const KeyHandle handle, world.find(key));
            return judge(world.engine().verify_pin(handle, secret(pin)), passes(world.model, key, pin));
          },
          [=](const Model& before) {
            std::vector<Model> states{before};
            check_pin(states, key, pin);
            return states;
          }};
}

Step sign_with_pin(const std::string& key, const std::string& pin) {
  Step step = try_pin(key, pin);
  step.name = "signData " + pin + " with " + key;
  step.run = [=](World& world) -> Result<void> {
    SKS_LET(const KeyHandle handle, world.find(key));
    return judge(world.engine().sign_data(handle, kEcdsaSha256, {}, with_pin(pin), as_bytes("message")),
                 passes(world.model, key, pin));
  };
  return step;
}

Step try_puk(const std::string& key, const std::string& puk) {
  return {"unlockKey " + puk + " for " + key, Kind::whole,
          [=](World& world) -> Result<void> {
            SKS_LET(const KeyHandle handle, world.find(key));
            return judge(world.engine().unlock_key(handle, secret(puk)), puk_passes(world.model, key, puk));
          },
          [=](const Model& before) {
            std::vector<Model> states{before};
            check_puk(states, key, puk);
            if (!puk_passes(before, key, puk)) return states;
            then(states, [&](Model& model) {
              model.group_of(key).errors = 0;
              model.group_of(key).prepaid = false;
            });
            return states;
          }};
}

Step change_pin(const std::string& key, const std::string& pin, const std::string& new_pin) {
  return {"changePin " + pin + " to " + new_pin + " for " + key, Kind::whole,
          [=](World& world) -> Result<void> {
            SKS_LET(const KeyHandle handle, world.find(key));
            return judge(world.engine().change_pin(handle, secret(pin), secret(new_pin)),
                         passes(world.model, key, pin));
          },
          [=](const Model& before) {
            std::vector<Model> states{before};
            check_pin(states, key, pin);
            if (passes(before, key, pin)) then(states, [&](Model& model) { model.group_of(key).pin = new_pin; });
            return states;
          }};
}

Step set_pin(const std::string& key, const std::string& puk, const std::string& new_pin) {
  return {
      "setPin " + new_pin + " for " + key, Kind::whole,
      [=](World& world) -> Result<void> {
        SKS_LET(const KeyHandle handle, world.find(key));
        return judge(world.engine().set_pin(handle, secret(puk), secret(new_pin)), puk_passes(world.model, key, puk));
      },
      [=](const Model& before) {
        std::vector<Model> states{before};
        check_puk(states, key, puk);
        if (!puk_passes(before, key, puk)) return states;
        then(states, [&](Model& model) { model.group_of(key) = {new_pin, 0, model.group_of(key).puk_errors, false}; });
        return states;
      }};
}

Step set_property(const std::string& key, const std::string& value) {
  return one_commit(
      "setProperty " + value + " of " + key, Kind::whole,
      [=](World& world) -> Result<void> {
        SKS_LET(const KeyHandle handle, world.find(key));
        return world.engine().set_property(handle, kBagType, "Value", value);
      },
      [=](Model& model) {
        std::set<std::string>& features = model.keys.at(key).features;
        std::erase_if(features, [](const std::string& feature) { return feature.starts_with("bag="); });
        features.insert("bag=" + value);
      });
}

Step export_key(const std::string& key) {
  return one_commit(
      "exportKey " + key, Kind::whole,
      [=](World& world) -> Result<void> {
        SKS_LET(const KeyHandle handle, world.find(key));
        return without_value(world.engine().export_key(handle, no_authorization()));
      },
      [=](Model& model) { model.keys.at(key).features.insert("exported"); });
}

Step delete_key(const std::string& key) {
  return one_commit(
      "deleteKey " + key, Kind::whole,
      [=](World& world) -> Result<void> {
        SKS_LET(const KeyHandle handle, world.find(key));
        return world.engine().delete_key(handle, no_authorization());
      },
      [=](Model& model) {
        model.keys.erase(key);
        model.tidy();
      });
}

Step restore_backup() {
  return {"restore", Kind::whole,
          [](World& world) -> Result<void> {
            const sealed::Backup& backup = sample_backup();
            for (const sealed::BackupKey& key : backup.keys)
              world.certificates[key.friendly_name] = key.certificate_path[0];
            FirstPinDialog dialog;
            SKS_LET(const std::vector<bool> present, find_present_keys(backup, world.engine()));
            return restore_keys(backup, present, world.engine(), dialog, FakeClock(1700000000));
          },
          [](const Model& before) {
            // The session comes to the storage as a whole.
            std::vector<Model> states(2, before);
            Model& restored = states[1];
            restored.sessions["local"].open = false;
            restored.keys["A"] = {"local", "", {"imported", "bag=0"}};
            restored.keys["B"] = {"local", "g", {"imported"}};
            restored.groups["g"] = {};
            return states;
          }};
}

Step make_local_key(const std::string& key, const std::string& session, const Step& other) {
  const auto make = [=](World& world, bool& other_done) -> Result<void> {
    SKS_LET(LocalIssuer issuer, LocalIssuer::open(world.engine(), FakeClock(1700000000)));
    keygen2::KeyEntrySpecifier entry;
    entry.id = "Key";
    entry.friendly_name = key;
    entry.app_usage = 1;
    entry.key_algorithm = kSks + "ec.nist.p256";
    SKS_LET(const CreatedKey created, issuer.create_key(entry, {}));
    world.turn_to(session);
    SKS_TRY(other.run(world));
    other_done = true;
    world.certificates[key] = certify(created.public_key);
    SKS_TRY(issuer.set_certificate_path(created, entry.id, {world.certificates[key]}));
    return issuer.close();
  };
  return {"make " + key + " beside " + other.name, Kind::in_session,
          [=](World& world) -> Result<void> {
            bool other_done = false;
            Result<void> made = make(world, other_done);
            if (made) return made;
            // The other call holds, whatever becomes of the key.
            if (other_done) world.model = other.states(world.model).back();
            for (const ProvisioningHandle left : all_sessions(world.engine(), SessionState::open))
              SKS_TRY(world.engine().abort_provisioning_session(left));
            return made;
          },
          [=](const Model& before) {
            std::vector<Model> states = other.states(before);
            states.push_back(states.back());
            states.back().sessions["local"].open = false;
            states.back().keys[key] = {"local", "", {}};
            return states;
          }};
}

}  // namespace sks::test
