#pragma once

#include <string>
#include <vector>

#include "keygen2/issuer_session.h"
#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/policy/text_template.h"

namespace sks::issuer {

class ProfileFiles;

/// An object that a key gets beside its certificate, as a profile describes it. Spec: keygen2.md 4.12
struct KeyExtension {
  struct Property {
    std::string name;
    TextTemplate value;
    bool writable = false;
  };
  std::uint8_t kind = 0;   ///< position in kExtensionKinds
  std::string type;        ///< URI
  std::string media_type;  ///< of a logotype
  Bytes content;           ///< of all but property bags
  std::vector<Property> properties;
};

/// [[logotype]], [[property_bag]] and [[extension]] below the table of a key. Failures stick to the table.
std::vector<KeyExtension> read_key_extensions(TomlTable& key, ProfileFiles& files);

bool is_encrypted(const KeyExtension& extension);

/// Fails with option when something is not known of the subject.
Result<std::vector<keygen2::ExtensionSpec>> make_key_extensions(const std::vector<KeyExtension>& extensions,
                                                                const SubjectData& data);

}  // namespace sks::issuer
