#pragma once

#include <string>
#include <vector>

#include "conformance/node.h"

namespace sks::conformance {

/// One change to a message. spec/conformance/README.md lists the operations.
struct Edit {
  std::string operation;  ///< the name of a row of the table in edit.cpp
  std::string place;      ///< JSON pointer, or a text
  Json argument;          ///< null when the operation takes none
};

/// Reads an edit. One that is unknown, incomplete or has surplus members adds a finding.
Edit read_edit(const Node& node);

/// Whether the edit changes the text of a message instead of its values.
bool is_textual(const Edit& edit);

/// Applies the edits to the values. Fails with option when a place is not there; none of them is textual.
Result<void> apply(const std::vector<Edit>& edits, Json& message);

/// Applies the edits, textual ones too, and gives the text to be sent. Fails with option when a place is not there.
Result<std::string> to_text(const std::vector<Edit>& edits, Json message);

}  // namespace sks::conformance
