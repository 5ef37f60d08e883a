#include "provisioning-server/landing/qr_code.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>

#include "tests/support/temp_dir.h"

using namespace sks;
using sks::test::TempDir;
using namespace sks::issuer;

namespace {

std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* const pipe = popen(command.c_str(), "r");  // NOLINT: fixed words and a folder of ours
  REQUIRE(pipe != nullptr);
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  CHECK(pclose(pipe) == 0);
  return text;
}

/// What a reader of another project sees in the picture.
std::string decoded(const std::string& svg) {
  const TempDir folder;
  const std::string picture = folder.file("code");
  std::ofstream(picture + ".svg") << svg;
  return output_of("rsvg-convert --width 800 --output " + picture + ".png " + picture +
                   ".svg && zbarimg --nodbus --quiet --raw "
                   "--oneshot -Sdisable -Sqrcode.enable -Sbinary " +
                   picture + ".png");
}

}  // namespace

TEST_CASE("a QR code holds the text") {
  std::string longest = "keygen2://?init=https%3A%2F%2Fissuer.example%2F";
  longest.resize(kMaxQrText, 'x');
  for (const std::string& text :
       {std::string("a"), std::string("https://issuer.example/keygen2?ticket=s-_~%20&cookie=__Host-sks-session%3Dabc"),
        std::string("0123456789"), std::string("J\xc3\xb6rg <b>&amp;\n"), longest}) {
    CAPTURE(text);
    const Result<std::string> svg = qr_svg(text);
    REQUIRE(svg);
    CHECK(decoded(*svg) == text);
  }
}

TEST_CASE("a QR code is one path that nothing of the text stands in") {
  const Result<std::string> svg = qr_svg("<script>alert(1)</script>\"'&");
  REQUIRE(svg);
  CHECK(svg->starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 "));
  CHECK(svg->ends_with("</svg>"));
  CHECK(svg->find("<path") == svg->rfind("<path"));
  for (const char* const word : {"script", "style", "alert", "&", "width=\"100%\""})
    CHECK(svg->find(word) == std::string::npos);
}

TEST_CASE("a text that does not fit a QR code is refused") {
  CHECK(qr_svg("").error().detail == "a QR code needs a text");
  CHECK(qr_svg(std::string(kMaxQrText + 1, 'a')).error().detail ==
        "a text of more than 1000 bytes does not fit a QR code");
  CHECK(qr_svg(std::string_view("a\0b", 3)).error().detail == "a QR code holds no NUL");
}
