#include "sks-core/engine/directory.h"

namespace sks::engine {

void encode_row(ByteWriter& out, const Session::Row& row) { out.boolean(row.open); }
void decode_row(ByteReader& in, Session::Row& row) { row.open = in.boolean(); }

void encode_row(ByteWriter& out, const KeyEntry::Row& row) {
  out.u32(row.session.value).u32(row.pin_policy.value).u32(row.pin_group.value).u64(row.certificate);
}
void decode_row(ByteReader& in, KeyEntry::Row& row) {
  row.session.value = in.u32();
  row.pin_policy.value = in.u32();
  row.pin_group.value = in.u32();
  row.certificate = in.u64();
}

void encode_row(ByteWriter& out, const PinPolicy::Row& row) { out.u32(row.session.value).u32(row.puk_policy.value); }
void decode_row(ByteReader& in, PinPolicy::Row& row) {
  row.session.value = in.u32();
  row.puk_policy.value = in.u32();
}

void encode_row(ByteWriter& out, const PukPolicy::Row& row) { out.u32(row.session.value); }
void decode_row(ByteReader& in, PukPolicy::Row& row) { row.session.value = in.u32(); }

void encode_row(ByteWriter& out, const PinGroup::Row& row) { out.u32(row.policy.value).u8(row.group_class); }
void decode_row(ByteReader& in, PinGroup::Row& row) {
  row.policy.value = in.u32();
  row.group_class = in.u8();
}

void encode_row(ByteWriter& out, const Extension::Row& row) { out.u32(row.key.value); }
void decode_row(ByteReader& in, Extension::Row& row) { row.key.value = in.u32(); }

Result<void> Directory::load_page(std::uint32_t record_handle, ByteView record) {
  const std::uint32_t kind = record_handle >> kPageNumberBits;
  const std::uint32_t number = record_handle & ((1U << kPageNumberBits) - 1);
  Result<void> loaded = Error{Status::internal, "a page of the directory is of an unknown kind"};
  const auto load_into = [&]<class T>(DirectoryTable<T>& table) {
    if (static_cast<std::uint32_t>(T::kKind) == kind) loaded = table.load(number, record);
  };
  std::apply([&](auto&... tables) { (load_into(tables), ...); }, tables_);
  return loaded;
}

void Directory::finish_loading() {
  const auto load_links = [&]<class Link>(Relation<Link>& relation) {
    using Source = typename Link::Source;
    table<Source>().for_each([&](typename Source::Handle handle, const typename Source::Row& row) {
      const auto target = Link::target(row);
      if (target != typename Relation<Link>::Target{}) relation.load(target, handle);
    });
    relation.finish_loading();
  };
  std::apply([&](auto&... relations) { (load_links(relations), ...); }, relations_);
}

}  // namespace sks::engine
