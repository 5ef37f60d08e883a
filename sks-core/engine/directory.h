#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/records.h"

/// What the engine knows of every object without reading its record: one row an object, kept in pages that are records
/// of their own. So opening a store costs a few bytes a key, and an object is read when it is used.
namespace sks::engine {

/// How rows travel in a page: fixed size, the fields in the order of the struct.
void encode_row(ByteWriter& out, const Session::Row& row);
void encode_row(ByteWriter& out, const KeyEntry::Row& row);
void encode_row(ByteWriter& out, const PinPolicy::Row& row);
void encode_row(ByteWriter& out, const PukPolicy::Row& row);
void encode_row(ByteWriter& out, const PinGroup::Row& row);
void encode_row(ByteWriter& out, const Extension::Row& row);
void decode_row(ByteReader& in, Session::Row& row);
void decode_row(ByteReader& in, KeyEntry::Row& row);
void decode_row(ByteReader& in, PinPolicy::Row& row);
void decode_row(ByteReader& in, PukPolicy::Row& row);
void decode_row(ByteReader& in, PinGroup::Row& row);
void decode_row(ByteReader& in, Extension::Row& row);

/// The rows of `kRowsPerPage` neighbouring handles.
template <class T>
using DirectoryPage = std::vector<std::pair<typename T::Handle, typename T::Row>>;

/// A page is rewritten with every change of one of its rows: smaller pages make writing cheaper, larger ones opening.
inline constexpr std::uint32_t kRowsPerPage = 128;

constexpr std::uint32_t page_number(std::uint32_t handle) { return handle / kRowsPerPage; }

/// The record of a page: kind of the objects in the upper six bits, page number below.
inline constexpr unsigned kPageNumberBits = 26;
template <class T>
constexpr RecordId page_record(std::uint32_t page) {
  return {RecordKind::directory, static_cast<std::uint32_t>(T::kKind) << kPageNumberBits | page};
}

/// Replaces, adds or (null) removes a row.
template <class T>
void set_row(DirectoryPage<T>& page, typename T::Handle handle, const typename T::Row* row) {
  auto at = page.end();
  if (!page.empty() && page.back().first >= handle)
    at = std::ranges::lower_bound(page, handle, {}, [](const auto& entry) { return entry.first; });
  const bool present = at != page.end() && at->first == handle;
  if (row == nullptr) {
    if (present) page.erase(at);
  } else if (present) {
    at->second = *row;
  } else {
    page.insert(at, {handle, *row});
  }
}

inline constexpr std::uint8_t kPageVersion = 1;

template <class T>
Bytes encode_page(const DirectoryPage<T>& page) {
  ByteWriter out;
  out.u8(kPageVersion);
  for (const auto& [handle, row] : page) {
    out.u32(handle.value);
    encode_row(out, row);
  }
  return out.take();
}

/// The rows of all objects of one kind, in ascending order of their handles.
///
/// Handles are given out one after the other and few objects are ever deleted, so a row is nearly always where counting
/// from the first one says; only otherwise it is searched.
template <class T>
class DirectoryTable {
 public:
  using Handle = typename T::Handle;
  using Row = typename T::Row;

  const Row* find(Handle handle) const {
    const auto page = page_at_or_after(page_number(handle.value));
    if (page == pages_.end() || page->number != page_number(handle.value)) return nullptr;
    const auto found = row_at_or_after(page->rows, handle);
    return found == page->rows.end() || found->first != handle ? nullptr : &found->second;
  }

  /// The object with the lowest handle above `previous`.
  std::optional<Handle> next(Handle previous) const {
    if (previous.value == UINT32_MAX) return std::nullopt;
    const Handle wanted{previous.value + 1};
    for (auto page = page_at_or_after(page_number(wanted.value)); page != pages_.end(); ++page) {
      const auto found = row_at_or_after(page->rows, wanted);
      if (found != page->rows.end()) return found->first;
    }
    return std::nullopt;
  }

  /// The page as it is now, empty when there is none.
  DirectoryPage<T> page(std::uint32_t number) const {
    const auto found = page_at_or_after(number);
    return found == pages_.end() || found->number != number ? DirectoryPage<T>() : found->rows;
  }

  void set(Handle handle, const Row* row) {
    const std::uint32_t number = page_number(handle.value);
    auto page = pages_.begin() + (page_at_or_after(number) - pages_.cbegin());
    if (page == pages_.end() || page->number != number) page = pages_.insert(page, {number, {}});
    set_row<T>(page->rows, handle, row);
    if (page->rows.empty()) pages_.erase(page);
  }

  /// Takes the next stored page in ascending order. Fails with internal when it is malformed.
  Result<void> load(std::uint32_t number, ByteView record) {
    const Error malformed{Status::internal, "malformed page of the directory"};
    ByteReader in(record);
    if (in.u8() != kPageVersion || (!pages_.empty() && pages_.back().number >= number)) return malformed;
    DirectoryPage<T> page;
    page.reserve(kRowsPerPage);
    while (!in.at_end() && !in.failed()) {
      const Handle handle{in.u32()};
      Row row;
      decode_row(in, row);
      const bool in_order = page.empty() || page.back().first < handle;
      if (!in_order || page_number(handle.value) != number || !handle) return malformed;
      page.emplace_back(handle, row);
    }
    if (page.empty() || !in.finish()) return malformed;
    pages_.push_back({number, std::move(page)});
    return {};
  }

  bool empty() const { return pages_.empty(); }
  Handle highest() const { return pages_.back().rows.back().first; }

  template <class Visitor>
  void for_each(Visitor visit) const {
    for (const Page& page : pages_)
      for (const auto& [handle, row] : page.rows) visit(handle, row);
  }
  template <class Visitor>
  void for_each_page(Visitor visit) const {
    for (const Page& page : pages_) visit(page.number, page.rows);
  }

 private:
  struct Page {
    std::uint32_t number;
    DirectoryPage<T> rows;
  };

  typename std::vector<Page>::const_iterator page_at_or_after(std::uint32_t number) const {
    if (pages_.empty()) return pages_.end();
    const std::size_t guess = std::size_t{number} - pages_.front().number;
    if (guess < pages_.size() && pages_[guess].number == number)
      return pages_.begin() + static_cast<std::ptrdiff_t>(guess);
    return std::ranges::lower_bound(pages_, number, {}, &Page::number);
  }
  static typename DirectoryPage<T>::const_iterator row_at_or_after(const DirectoryPage<T>& rows, Handle handle) {
    if (rows.empty()) return rows.end();
    const std::size_t guess = std::size_t{handle.value} - rows.front().first.value;
    if (guess < rows.size() && rows[guess].first == handle) return rows.begin() + static_cast<std::ptrdiff_t>(guess);
    return std::ranges::lower_bound(rows, handle, {}, [](const auto& entry) { return entry.first; });
  }

  std::vector<Page> pages_;
};

/// Which objects refer to which. A link names the kind of the source and what the row of a source points to; a source
/// that points to nothing ({}) has no link.
struct KeysOfSession {
  using Source = KeyEntry;
  static ProvisioningHandle target(const KeyEntry::Row& row) { return row.session; }
};
struct KeysOfPolicy {
  using Source = KeyEntry;
  static PinPolicyHandle target(const KeyEntry::Row& row) { return row.pin_policy; }
};
struct KeysOfGroup {
  using Source = KeyEntry;
  static PinGroupHandle target(const KeyEntry::Row& row) { return row.pin_group; }
};
/// By the beginning of the fingerprint: equal certificates are found, others may be.
struct KeysOfCertificate {
  using Source = KeyEntry;
  static std::uint64_t target(const KeyEntry::Row& row) { return row.certificate; }
};
struct PinPoliciesOfSession {
  using Source = PinPolicy;
  static ProvisioningHandle target(const PinPolicy::Row& row) { return row.session; }
};
struct PinPoliciesOfPuk {
  using Source = PinPolicy;
  static PukPolicyHandle target(const PinPolicy::Row& row) { return row.puk_policy; }
};
struct PukPoliciesOfSession {
  using Source = PukPolicy;
  static ProvisioningHandle target(const PukPolicy::Row& row) { return row.session; }
};
struct GroupsOfPolicy {
  using Source = PinGroup;
  static PinPolicyHandle target(const PinGroup::Row& row) { return row.policy; }
};
struct ExtensionsOfKey {
  using Source = Extension;
  static KeyHandle target(const Extension::Row& row) { return row.key; }
};

/// The sources of one link by their targets: a flat sorted list, because there is an entry for every key.
template <class Link>
class Relation {
 public:
  using Source = typename Link::Source::Handle;
  using Target = decltype(Link::target(std::declval<typename Link::Source::Row>()));

  class Sources {
   public:
    class Iterator {
     public:
      explicit Iterator(const std::pair<Target, Source>* at) : at_(at) {}
      Source operator*() const { return at_->second; }
      Iterator& operator++() {
        ++at_;
        return *this;
      }
      bool operator==(const Iterator&) const = default;

     private:
      const std::pair<Target, Source>* at_;
    };
    Sources(const std::pair<Target, Source>* first, const std::pair<Target, Source>* last)
        : first_(first), last_(last) {}
    Iterator begin() const { return Iterator(first_); }
    Iterator end() const { return Iterator(last_); }
    bool empty() const { return first_ == last_; }
    std::size_t size() const { return static_cast<std::size_t>(last_ - first_); }

   private:
    const std::pair<Target, Source>* first_;
    const std::pair<Target, Source>* last_;
  };

  /// In ascending order; valid until the relation changes.
  Sources of(const Target& target) const {
    const auto target_of = [](const auto& link) { return link.first; };
    const auto first = std::ranges::lower_bound(links_, target, {}, target_of);
    const auto last = std::ranges::upper_bound(links_, target, {}, target_of);
    return {links_.data() + (first - links_.begin()), links_.data() + (last - links_.begin())};
  }

  void link(const Target& target, Source source) {
    const std::pair<Target, Source> added{target, source};
    if (links_.empty() || links_.back() < added)
      links_.push_back(added);
    else
      links_.insert(std::ranges::lower_bound(links_, added), added);
  }
  void unlink(const Target& target, Source source) {
    const std::pair<Target, Source> removed{target, source};
    const auto found = std::ranges::lower_bound(links_, removed);
    if (found != links_.end() && *found == removed) links_.erase(found);
  }

  void load(const Target& target, Source source) { links_.emplace_back(target, source); }
  void finish_loading() { std::ranges::sort(links_); }

 private:
  std::vector<std::pair<Target, Source>> links_;
};

/// The rows and links of a whole store.
class Directory {
 public:
  template <class T>
  const DirectoryTable<T>& table() const {
    return std::get<DirectoryTable<T>>(tables_);
  }
  template <class Link>
  typename Relation<Link>::Sources linked(const typename Relation<Link>::Target& target) const {
    return std::get<Relation<Link>>(relations_).of(target);
  }

  /// Replaces, adds or (null) removes a row together with its links.
  template <class T>
  void set(typename T::Handle handle, const typename T::Row* row) {
    DirectoryTable<T>& rows = std::get<DirectoryTable<T>>(tables_);
    if (const typename T::Row* const old = rows.find(handle); old != nullptr) {
      if (row != nullptr && *old == *row) return;
      const typename T::Row before = *old;
      for_each_link<T>(before, [&](auto& relation, const auto& target) { relation.unlink(target, handle); });
    }
    rows.set(handle, row);
    if (row != nullptr)
      for_each_link<T>(*row, [&](auto& relation, const auto& target) { relation.link(target, handle); });
  }

  /// Takes one stored page; call finish_loading() after the last one. Fails with internal.
  Result<void> load_page(std::uint32_t record_handle, ByteView record);
  void finish_loading();

  template <class Visitor>
  void for_each_table(Visitor visit) const {
    std::apply([&](const auto&... table) { (visit(table), ...); }, tables_);
  }

 private:
  // Calls visit(relation, target) for every link of a row that points to something.
  template <class T, class Visitor>
  void for_each_link(const typename T::Row& row, Visitor visit) {
    const auto visit_one = [&]<class Link>(Relation<Link>& relation) {
      if constexpr (std::is_same_v<typename Link::Source, T>) {
        const auto target = Link::target(row);
        if (target != typename Relation<Link>::Target{}) visit(relation, target);
      }
    };
    std::apply([&](auto&... relations) { (visit_one(relations), ...); }, relations_);
  }

  std::tuple<DirectoryTable<Session>, DirectoryTable<PukPolicy>, DirectoryTable<PinPolicy>, DirectoryTable<PinGroup>,
             DirectoryTable<KeyEntry>, DirectoryTable<Extension>>
      tables_;
  std::tuple<Relation<KeysOfSession>, Relation<KeysOfPolicy>, Relation<KeysOfGroup>, Relation<KeysOfCertificate>,
             Relation<PinPoliciesOfSession>, Relation<PinPoliciesOfPuk>, Relation<PukPoliciesOfSession>,
             Relation<GroupsOfPolicy>, Relation<ExtensionsOfKey>>
      relations_;
};

}  // namespace sks::engine
