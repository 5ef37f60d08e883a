#include "key-user-api/token/session_object.h"

#include <array>

namespace sks::token {
namespace {

constexpr std::size_t kOpensslKey = 4096;  // bytes of OpenSSL's objects, about

struct GivenBytes {
  CK_ATTRIBUTE_TYPE type;
  Bytes SessionObject::*member;
};
constexpr std::array kGivenBytes{
    GivenBytes{CKA_ID, &SessionObject::id},
    GivenBytes{CKA_SUBJECT, &SessionObject::subject},
    GivenBytes{CKA_APPLICATION, &SessionObject::application},
    GivenBytes{CKA_OBJECT_ID, &SessionObject::object_id},
    GivenBytes{CKA_START_DATE, &SessionObject::start_date},
    GivenBytes{CKA_END_DATE, &SessionObject::end_date},
};

}  // namespace

Contents SessionObject::contents() const {
  Contents contents;
  contents.id = id;
  contents.label = label;
  contents.certificate = certificate;
  contents.spki = spki;
  contents.subject = subject;
  if (value != nullptr) contents.value = value->view();
  contents.application = application;
  contents.object_id = object_id;
  contents.start_date = start_date;
  contents.end_date = end_date;
  contents.private_key = private_key.get();
  return contents;
}

std::size_t SessionObject::size() const {
  std::size_t size = sizeof(SessionObject) + label.size() + certificate.size() + 2 * spki.size();
  for (const GivenBytes& given : kGivenBytes) size += (this->*given.member).size();
  if (value != nullptr) size += value->size();
  if (!spki.empty()) size += kOpensslKey;
  return size;
}

Outcome<void> take_given(SessionObject& object, const Template& attributes) {
  if (find_attribute(attributes, CKA_LABEL) != nullptr) {
    SKS_LET(object.label, text_or_empty(attributes, CKA_LABEL));
  }
  for (const GivenBytes& given : kGivenBytes)
    if (const Attribute* const attribute = find_attribute(attributes, given.type))
      object.*given.member = to_bytes(attribute->value.view());
  return {};
}

void finish_key(SessionObject& object, std::optional<crypto::PublicKey> public_key) {
  if (object.facts.object_class == CKO_CERTIFICATE || object.facts.object_class == CKO_DATA) return;
  auto use = std::make_shared<KeyInUse>();
  use->object = object.facts.handle;
  use->object_class = object.facts.object_class;
  use->key_type = object.facts.key_type;
  use->slot = object.slot;
  use->usages = usages_of(object.facts.flags);
  use->extractable = object.facts.has(flag::kExtractable);
  use->public_key = std::move(public_key);
  use->private_key = object.private_key;
  if (object.facts.object_class == CKO_SECRET_KEY) use->secret = object.value;
  object.in_use = std::move(use);
}

}  // namespace sks::token
