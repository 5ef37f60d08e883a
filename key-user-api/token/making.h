#pragma once

#include "key-user-api/token/core.h"
#include "key-user-api/token/creation.h"

/// What the ways in which objects come to be share. Private to this folder.
namespace sks::token {

/// Whether the service made the secret, or somebody brought it.
enum class Origin : std::uint8_t { brought, made_here };

struct Making {
  Core& core;
  Application& application;
  std::uint32_t slot;
  const Template& attributes;
  Origin origin = Origin::brought;
};

/// CKA_TOKEN.
Outcome<bool> is_for_token(const Template& attributes);

/// CKA_CLASS and CKA_KEY_TYPE, where they are given, are these. Fails with CKR_TEMPLATE_INCONSISTENT.
Outcome<void> check_is(const Template& attributes, CK_OBJECT_CLASS object_class, std::optional<CK_KEY_TYPE> key_type);

/// Bits of `possible` that the template does not exclude.
Outcome<std::uint16_t> wanted_usages(const Template& attributes, std::uint16_t possible);

/// An object for the session: what follows from the template for its kind, without its value and handle. Fails with
/// CKR_ATTRIBUTE_VALUE_INVALID.
Outcome<SessionObject> start_session_object(const Making& making, Kind kind, CK_OBJECT_CLASS object_class);

/// Gives it a handle. Fails as Application::add_object().
Outcome<CK_OBJECT_HANDLE> add_session_object(const Making& making, SessionObject object,
                                             std::optional<crypto::PublicKey> public_key);

Outcome<CK_OBJECT_HANDLE> add_session_private(const Making& making, crypto::PrivateKey key);
Outcome<CK_OBJECT_HANDLE> add_session_public(const Making& making, const crypto::PublicKey& key);

/// What no key of the token can be. Fails with CKR_ATTRIBUTE_VALUE_INVALID.
Outcome<void> check_storable(const Template& attributes);

/// What a new key of the token is, but for its label and id where the template has none.
Outcome<LocalKeySpec> local_spec(const Template& attributes, std::optional<KeyKind> kind, std::size_t secret_bytes,
                                 std::uint16_t possible_usages);

/// Puts a key into the token. `make` gets the PIN for it. Returns its handle, of which the objects are there.
template <class Make>
Outcome<KeyHandle> put_into_token(const Making& making, const Make& make);

/// What a failure of the key store to take a new key under this PIN means.
Refusal refused_key(const Making& making, const LocalPin& pin, const Error& error);

Outcome<CK_OBJECT_HANDLE> make_secret_key(const Making& making, CK_KEY_TYPE type, SecureBytes value);
Outcome<CK_OBJECT_HANDLE> make_private_key(const Making& making, crypto::PrivateKey key);

/// A certificate into the token: it takes the place of the one of its key, or ends up above it.
Outcome<CK_OBJECT_HANDLE> store_certificate(const Making& making, ByteView certificate);

/// CKA_LABEL and CKA_ID of a key of the store, where they are given and not so already. Fails with
/// CKR_USER_NOT_LOGGED_IN, CKR_ATTRIBUTE_READ_ONLY or CKR_ATTRIBUTE_VALUE_INVALID.
Outcome<void> set_names(Core& core, const Application& application, KeyHandle key, const Template& attributes);
Outcome<void> set_property(Core& core, KeyHandle key, std::string_view name, std::string_view value);

template <class Make>
Outcome<KeyHandle> put_into_token(const Making& making, const Make& make) {
  SKS_LET(const LocalPin pin, making.core.pin_for_new_key(making.application, making.slot));
  const Result<LocalKey> made = make(pin);
  if (!made) return refused_key(making, pin, made.error());
  const Result<void> added = making.core.keys.add(made->handle);
  if (!added) return refusal_of(added.error());
  return made->handle;
}

}  // namespace sks::token
