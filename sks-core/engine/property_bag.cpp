#include "sks-core/engine/property_bag.h"

#include <algorithm>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"

namespace sks::engine {
namespace {

constexpr std::size_t kMaxPropertyName = 255;  // Spec: sks-api.md appendix E6
constexpr std::size_t kMaxPropertyValue = 65535;

Error refused(std::string_view why) { return {Status::option, std::string(why)}; }

}  // namespace

Result<std::vector<Property>> read_property_bag(ByteView bag) {
  ByteReader in(bag);
  std::vector<Property> properties;
  do {
    Property property;
    property.name = in.array();
    property.writable = in.boolean();
    property.value = in.array();
    if (in.failed() || property.name.empty() || property.name.size() > kMaxPropertyName)
      return refused("malformed property bag");
    properties.push_back(property);
  } while (!in.at_end());
  return properties;
}

Result<SecureBytes> with_property(ByteView bag, ByteView name, ByteView value, std::size_t limit) {
  const Result<std::vector<Property>> properties = read_property_bag(bag);
  if (!properties) return Error{Status::internal, "a stored property bag is malformed"};
  const auto found = std::ranges::find_if(*properties, [name](const Property& p) { return equal(p.name, name); });
  if (found == properties->end()) return refused("no such property");
  if (!found->writable) return Error{Status::not_allowed, "the property is read-only"};
  SKS_CHECK(value.size() <= kMaxPropertyValue);
  const std::size_t size = bag.size() - found->value.size() + value.size();
  if (size > limit) return refused("the property bag would become too long");

  ByteWriter length;
  length.u16(static_cast<std::uint16_t>(value.size()));
  const std::uint8_t* const end = found->value.data() + found->value.size();
  const std::size_t tail = static_cast<std::size_t>(bag.data() + bag.size() - end);
  const std::size_t head = bag.size() - tail - found->value.size() - length.view().size();
  SecureBytes changed(size);
  auto at = changed.span().begin();
  for (const ByteView part : {bag.first(head), length.view(), value, bag.last(tail)})
    at = std::ranges::copy(part, at).out;
  return changed;
}

}  // namespace sks::engine
