#pragma once

#include <string>
#include <vector>

/// Changes single places of JSON messages, named by JSON pointers. A wrong pointer ends the test.
namespace sks::test::json_edit {

/// Whether two messages say the same, whatever their white space and the order of their properties.
bool same(const std::string& one, const std::string& other);
/// The string at a place.
std::string get(const std::string& message, const std::string& pointer);
/// The value at a place, as JSON.
std::string value(const std::string& message, const std::string& pointer);
/// Whether something stands at a place.
bool contains(const std::string& message, const std::string& pointer);
/// The message with `value` (JSON) put at a place, where something stood or not.
std::string with(const std::string& message, const std::string& pointer, const std::string& value);
std::string without(const std::string& message, const std::string& pointer);
/// The message with the property at a place written twice.
std::string with_duplicate(const std::string& message, const std::string& pointer);
/// The places of all properties of all objects.
std::vector<std::string> properties(const std::string& message);
/// The places of all objects.
std::vector<std::string> objects(const std::string& message);
/// The names of the properties at a place, sorted.
std::vector<std::string> names(const std::string& message, const std::string& pointer);

}  // namespace sks::test::json_edit
