#pragma once

#include "keygen2/json_writer.h"
#include "keygen2/messages.h"

/// issuedCredential and targetKeyReference. Private to the message that contains them. Spec: keygen2.md 4.12.
namespace sks::keygen2 {

void write_credential(JsonWriter& out, const IssuedCredential& credential);
IssuedCredential read_credential(JsonReader& in);

/// Rules that bind the extensions of one credential. Fails with value.
Outcome<void> check_extensions(const std::vector<Extension>& extensions);

void write_target(JsonWriter& out, const TargetKeyReference& target);
TargetKeyReference read_target(JsonReader& in);

}  // namespace sks::keygen2
