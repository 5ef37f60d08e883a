#include "sealed-storage/cbor.h"

#include <cbor.h>

#include <algorithm>
#include <array>

#include "sks-core/base/byte_reader.h"

namespace sks::sealed {

void CborWriter::advance(std::size_t written) {
  SKS_CHECK(written != 0);
  used_ += written;
}

void CborWriter::raw(ByteView value) {
  SKS_CHECK(value.size() <= buffer_.size() - used_);
  std::copy(value.begin(), value.end(), free_space().begin());
  used_ += value.size();
}

CborWriter& CborWriter::uint(std::uint64_t value) {
  advance(cbor_encode_uint(value, free_space().data(), free_space().size()));
  return *this;
}

CborWriter& CborWriter::bytes(ByteView value) {
  advance(cbor_encode_bytestring_start(value.size(), free_space().data(), free_space().size()));
  raw(value);
  return *this;
}

CborWriter& CborWriter::text(std::string_view value) {
  advance(cbor_encode_string_start(value.size(), free_space().data(), free_space().size()));
  raw(as_bytes(value));
  return *this;
}

CborWriter& CborWriter::array(std::size_t count) {
  advance(cbor_encode_array_start(count, free_space().data(), free_space().size()));
  return *this;
}

CborWriter& CborWriter::map(std::size_t count) {
  advance(cbor_encode_map_start(count, free_space().data(), free_space().size()));
  return *this;
}

SecureBytes CborWriter::take() && {
  buffer_.truncate(used_);
  used_ = 0;
  return std::move(buffer_);
}

/// libcbor reports an item by calling one of these. Those not set keep libcbor's empty callback, and no item comes out:
/// negative numbers, floats, simple values, tags and everything of indefinite length.
struct CborReader::Callbacks {
  static std::optional<Item>& out(void* context) { return *static_cast<std::optional<Item>*>(context); }

  template <class Int>
  static void on_uint(void* context, Int value) {
    out(context) = Item{Type::uint, value, {}};
  }
  static void on_bytes(void* context, cbor_data data, std::size_t size) {
    out(context) = Item{Type::bytes, size, ByteView(data, size)};
  }
  static void on_text(void* context, cbor_data data, std::size_t size) {
    out(context) = Item{Type::text, size, ByteView(data, size)};
  }
  static void on_array(void* context, std::size_t count) { out(context) = Item{Type::array, count, {}}; }
  static void on_map(void* context, std::size_t count) { out(context) = Item{Type::map, count, {}}; }

  static cbor_callbacks make() {
    cbor_callbacks table = cbor_empty_callbacks;
    table.uint8 = on_uint<std::uint8_t>;
    table.uint16 = on_uint<std::uint16_t>;
    table.uint32 = on_uint<std::uint32_t>;
    table.uint64 = on_uint<std::uint64_t>;
    table.byte_string = on_bytes;
    table.string = on_text;
    table.array_start = on_array;
    table.map_start = on_map;
    return table;
  }
};

std::optional<CborReader::Item> CborReader::next() {
  if (failed_) return std::nullopt;
  static const cbor_callbacks kCallbacks = Callbacks::make();
  std::optional<Item> item;
  const cbor_decoder_result decoded = cbor_stream_decode(rest_.data(), rest_.size(), &kCallbacks, &item);
  require(decoded.status == CBOR_DECODER_FINISHED && item.has_value());
  if (failed_) return std::nullopt;

  // libcbor accepts a number in more bytes than it needs. The same head written anew shows whether that happened.
  std::array<std::uint8_t, CborWriter::kMaxHead> head{};
  std::size_t head_size = 0;
  switch (item->type) {
    case Type::uint:
      head_size = cbor_encode_uint(item->value, head.data(), head.size());
      break;
    case Type::bytes:
      head_size = cbor_encode_bytestring_start(item->content.size(), head.data(), head.size());
      break;
    case Type::text:
      head_size = cbor_encode_string_start(item->content.size(), head.data(), head.size());
      break;
    case Type::array:
      head_size = cbor_encode_array_start(item->value, head.data(), head.size());
      break;
    case Type::map:
      head_size = cbor_encode_map_start(item->value, head.data(), head.size());
      break;
  }
  require(head_size + item->content.size() == decoded.read &&
          equal(ByteView(head).first(head_size), rest_.first(head_size)));
  if (failed_) return std::nullopt;
  rest_ = rest_.subspan(decoded.read);
  return item;
}

std::optional<CborReader::Item> CborReader::next_of(Type type) {
  const std::optional<Item> item = next();
  require(item.has_value() && item->type == type);
  return failed_ ? std::nullopt : item;
}

std::uint64_t CborReader::uint() {
  const std::optional<Item> item = next_of(Type::uint);
  return item ? item->value : 0;
}

std::uint64_t CborReader::uint_up_to(std::uint64_t highest) {
  const std::uint64_t value = uint();
  require(value <= highest);
  return failed_ ? 0 : value;
}

ByteView CborReader::bytes() {
  const std::optional<Item> item = next_of(Type::bytes);
  return item ? item->content : ByteView();
}

std::string CborReader::text() {
  const std::optional<Item> item = next_of(Type::text);
  std::string value = item ? to_string(item->content) : std::string();
  require(is_utf8(value));
  return failed_ ? std::string() : value;
}

std::size_t CborReader::array() {
  const std::optional<Item> item = next_of(Type::array);
  return item ? item->value : 0;
}

std::size_t CborReader::map() {
  const std::optional<Item> item = next_of(Type::map);
  return item ? item->value : 0;
}

void CborReader::expect_uint(std::uint64_t value) { require(uint() == value); }
void CborReader::expect_bytes(ByteView value) { require(equal(bytes(), value)); }
void CborReader::expect_array(std::size_t count) { require(array() == count); }
void CborReader::expect_map(std::size_t count) { require(map() == count); }

Result<void> CborReader::finish() const {
  if (failed_ || !rest_.empty()) return Error{Status::crypto, "not the expected CBOR structure"};
  return {};
}

}  // namespace sks::sealed
