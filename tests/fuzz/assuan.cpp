#include "key-user-api/dialog/assuan.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/fuzz/checks.h"

namespace {

using namespace sks;
using namespace sks::dialog::assuan;

/// What a reader makes of `input` when it arrives in pieces of `piece` bytes. The last entry is "refused" when it gave
/// up.
std::vector<std::string> read_lines(ByteView input, std::size_t piece) {
  LineReader reader;
  std::vector<std::string> lines;
  while (true) {
    const auto next = reader.next();
    if (!next) {
      lines.emplace_back("refused");
      return lines;
    }
    if (*next) {
      fuzz::require((*next)->size() <= kMaxLine, "a line keeps to its limit");
      lines.push_back(to_string(ByteView(**next)));
      continue;
    }
    if (input.empty()) return lines;
    const std::span<std::uint8_t> room = reader.room();
    fuzz::require(!room.empty(), "there is room for more when there is no line");
    const std::size_t size = std::min({piece, room.size(), input.size()});
    std::ranges::copy(input.first(size), room.begin());
    reader.received(size);
    input = input.subspan(size);
  }
}

void check_line(const std::string& text) {
  Bytes bytes = to_bytes(as_bytes(text));
  const auto line = parse_line(bytes);
  if (!line) {
    fuzz::require(line.error().status == Status::external, "status of a bad line");
    return;
  }
  fuzz::require(line->content.size() <= text.size(), "a line does not grow");
  const bool is_error = line->kind == Line::Kind::error;
  fuzz::require(is_error == (line->code != 0) && line->code <= 0xffff, "an error, and nothing else, has a code");
}

void check_escapes(const std::string& text, std::size_t limit) {
  const std::string escaped = escape(text);
  fuzz::require(std::ranges::none_of(escaped, [](unsigned char c) { return c < 0x20 || c == 0x7f; }), "all is escaped");
  Bytes bytes = to_bytes(as_bytes(escaped));
  const auto size = unescape(bytes);
  fuzz::require(size && to_string(ByteView(bytes).first(*size)) == text, "escapes can be undone");

  const std::string cut = escape(text, limit);
  fuzz::require(cut.size() <= limit && (cut == escaped) == (escaped.size() <= limit), "what is cut keeps to its limit");
  Bytes start = to_bytes(as_bytes(cut));
  const auto start_size = unescape(start);
  fuzz::require(start_size.has_value(), "no escape is cut");
}

}  // namespace

/// The lines of an Assuan answer: however they arrive they are the same ones, and each is understood or refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in({data, size});
  const std::size_t piece = in.below(64) + 1;
  const std::size_t limit = in.below(64) + 3;
  const ByteView input = in.take(size);
  const std::vector<std::string> lines = read_lines(input, piece);
  fuzz::require(lines == read_lines(input, kMaxLine), "lines do not depend on how they arrive");
  for (const std::string& line : lines) check_line(line);
  check_escapes(to_string(input), limit);
  return 0;
}
