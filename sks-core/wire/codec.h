#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/ids.h"
#include "sks-core/wire/body_writer.h"

/// How each C++ type of the SKS API travels. Spec: sks-api.md 2.1 and 2.2, sks-byte-stream.md.
namespace sks::wire {

/// The members of a struct in the order of the wire: member pointers, or BlobField. See methods.h.
template <class T>
inline constexpr auto kFields = nullptr;

template <class T>
concept Struct = !std::is_same_v<std::remove_const_t<decltype(kFields<T>)>, std::nullptr_t>;

/// A member that travels as blob instead of byte[].
template <class Owner, class T>
struct BlobField {
  T Owner::*member;
};

/// Reads and writes one type. A reader that has failed yields values that must not be used.
template <class T>
struct Codec;

template <>
struct Codec<bool> {
  static void write(BodyWriter& out, bool value) { out.u8(value ? 1 : 0); }
  static bool read(ByteReader& in) { return in.boolean(); }
};

template <>
struct Codec<std::uint8_t> {
  static void write(BodyWriter& out, std::uint8_t value) { out.u8(value); }
  static std::uint8_t read(ByteReader& in) { return in.u8(); }
};

template <>
struct Codec<std::uint16_t> {
  static void write(BodyWriter& out, std::uint16_t value) { out.u16(value); }
  static std::uint16_t read(ByteReader& in) { return in.u16(); }
};

template <>
struct Codec<std::uint32_t> {
  static void write(BodyWriter& out, std::uint32_t value) { out.u32(value); }
  static std::uint32_t read(ByteReader& in) { return in.u32(); }
};

template <class Tag>
struct Codec<Id<Tag>> {
  static void write(BodyWriter& out, Id<Tag> value) { out.u32(value.value); }
  static Id<Tag> read(ByteReader& in) { return Id<Tag>{in.u32()}; }
};

/// The two enumerations of the API stand for bools of the specification.
template <class T>
requires std::is_enum_v<T>
struct Codec<T> {
  static void write(BodyWriter& out, T value) { Codec<bool>::write(out, value == T{1}); }
  static T read(ByteReader& in) { return in.boolean() ? T{1} : T{0}; }
};

template <>
struct Codec<std::string> {
  static void write(BodyWriter& out, std::string_view value) { out.array(as_bytes(value)); }
  static std::string read(ByteReader& in) { return in.text(); }
};
template <>
struct Codec<std::string_view> : Codec<std::string> {};

/// A view into the input, which must live as long.
template <>
struct Codec<ByteView> {
  static void write(BodyWriter& out, ByteView value) { out.array(value); }
  static ByteView read(ByteReader& in) { return in.array(); }
};

template <>
struct Codec<Bytes> {
  static void write(BodyWriter& out, const Bytes& value) { out.array(value); }
  static Bytes read(ByteReader& in) { return to_bytes(in.array()); }
};

template <>
struct Codec<SecureBytes> {
  static void write(BodyWriter& out, const SecureBytes& value) { out.array(value.view()); }
  static SecureBytes read(ByteReader& in) { return SecureBytes::copy_of(in.array()); }
};

template <class T>
struct BlobCodec;

template <>
struct BlobCodec<ByteView> {
  static void write(BodyWriter& out, ByteView value) { out.blob(value); }
  static ByteView read(ByteReader& in) { return in.blob(); }
};

template <>
struct BlobCodec<Bytes> {
  static void write(BodyWriter& out, const Bytes& value) { out.blob(value); }
  static Bytes read(ByteReader& in) { return to_bytes(in.blob()); }
};

template <>
struct BlobCodec<SecureBytes> {
  static void write(BodyWriter& out, const SecureBytes& value) { out.blob(value.view()); }
  static SecureBytes read(ByteReader& in) { return SecureBytes::copy_of(in.blob()); }
};

template <class T>
struct Codec<std::vector<T>> {
  static void write(BodyWriter& out, const std::vector<T>& list) {
    out.count(list.size());
    for (const T& element : list) Codec<T>::write(out, element);
  }
  /// Grows with the elements that are there, not with the count that is announced.
  static std::vector<T> read(ByteReader& in) {
    std::vector<T> list;
    for (std::size_t left = in.u16(); left > 0 && !in.failed(); --left) list.push_back(Codec<T>::read(in));
    return list;
  }
};

template <Struct T>
struct Codec<T> {
  static void write(BodyWriter& out, const T& value) {
    std::apply([&](auto... fields) { (write_field(out, value, fields), ...); }, kFields<T>);
  }
  static T read(ByteReader& in) {
    T value;
    std::apply([&](auto... fields) { (read_field(in, value, fields), ...); }, kFields<T>);
    return value;
  }

 private:
  template <class M>
  static void write_field(BodyWriter& out, const T& value, M T::*field) {
    Codec<M>::write(out, value.*field);
  }
  template <class M>
  static void write_field(BodyWriter& out, const T& value, BlobField<T, M> field) {
    BlobCodec<M>::write(out, value.*field.member);
  }
  template <class M>
  static void read_field(ByteReader& in, T& value, M T::*field) {
    value.*field = Codec<M>::read(in);
  }
  template <class M>
  static void read_field(ByteReader& in, T& value, BlobField<T, M> field) {
    value.*field.member = BlobCodec<M>::read(in);
  }
};

/// What an enumeration returns: handle 0 and nothing else at the end, otherwise a struct whose first member is a
/// handle.
template <Struct T>
struct Codec<std::optional<T>> {
  static void write(BodyWriter& out, const std::optional<T>& value) {
    if (value) return Codec<T>::write(out, *value);
    out.u32(0);
  }
  static std::optional<T> read(ByteReader& in) {
    ByteReader ahead = in;
    if (ahead.u32() != 0) return Codec<T>::read(in);
    in = ahead;
    return std::nullopt;
  }
};

}  // namespace sks::wire
