#pragma once

#include <string>

namespace sks::p11 {

/// One line on the standard error, where the complaints of a sksd that does not start are too: PKCS#11 has codes only.
void complain(std::string sentence);

}  // namespace sks::p11
