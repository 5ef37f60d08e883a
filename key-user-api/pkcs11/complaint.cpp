#include "key-user-api/pkcs11/complaint.h"

#include <unistd.h>

#include <algorithm>

namespace sks::p11 {

void complain(std::string sentence) {
  std::ranges::replace_if(
      sentence, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  sentence = "sks-pkcs11: " + sentence + "\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, sentence.data(), sentence.size());
}

}  // namespace sks::p11
