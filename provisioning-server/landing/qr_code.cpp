#include "provisioning-server/landing/qr_code.h"

#include <qrencode.h>

#include <memory>

namespace sks::issuer {
namespace {

constexpr int kQuietZone = 4;
constexpr unsigned char kDark = 1;

struct FreeCode {
  void operator()(QRcode* code) const noexcept { QRcode_free(code); }
};

/// One closed rectangle for each run of dark modules in a row.
std::string path_of(const QRcode& code) {
  std::string path;
  for (int row = 0; row < code.width; ++row) {
    const unsigned char* const modules = code.data + static_cast<std::ptrdiff_t>(row) * code.width;
    for (int column = 0; column < code.width; ++column) {
      const int begin = column;
      while (column < code.width && (modules[column] & kDark) != 0) ++column;
      if (column == begin) continue;
      const std::string length = std::to_string(column - begin);
      path += 'M' + std::to_string(begin + kQuietZone) + ' ' + std::to_string(row + kQuietZone);
      path += 'h' + length + "v1h-" + length + 'z';
    }
  }
  return path;
}

}  // namespace

Result<std::string> qr_svg(std::string_view text) {
  if (text.empty()) return Error{Status::option, "a QR code needs a text"};
  if (text.size() > kMaxQrText)
    return Error{Status::option, "a text of more than " + std::to_string(kMaxQrText) + " bytes does not fit a QR code"};
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return Error{Status::option, "a QR code holds no NUL"};
  const std::unique_ptr<QRcode, FreeCode> code(QRcode_encodeString8bit(terminated.c_str(), 0, QR_ECLEVEL_M));
  if (code == nullptr) return Error{Status::internal, "the QR code could not be made"};
  const std::string size = std::to_string(code->width + 2 * kQuietZone);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + ' ' + size +
         "\" shape-rendering=\"crispEdges\"><rect width=\"" + size + "\" height=\"" + size +
         "\" fill=\"#fff\"/><path fill=\"#000\" d=\"" + path_of(*code) + "\"/></svg>";
}

}  // namespace sks::issuer
