#include "conformance/kit/conditions.h"

#include <algorithm>

namespace sks::conformance {
namespace {

const Json kNothing;

/// The node at a JSON pointer. Numbers are elements of arrays.
Node find(const Node& message, const std::string& pointer) {
  Node node = message;
  const Json::json_pointer path(pointer);
  std::vector<std::string> tokens;
  for (Json::json_pointer rest = path; !rest.empty(); rest = rest.parent_pointer()) tokens.push_back(rest.back());
  std::ranges::reverse(tokens);
  for (const std::string& token : tokens) {
    if (!node.exists() || !node.json().is_array()) {
      node = node[token];
      continue;
    }
    const std::vector<Node> elements = node.elements();
    const bool inside = token.find_first_not_of("0123456789") == std::string::npos && token.size() < 6 &&
                        std::stoul(token) < elements.size();
    const Place place{node.place().file, node.place().path + '/' + token, node.place().note};
    const Node element = inside ? elements[std::stoul(token)] : Node(kNothing, place, node.findings());
    node = element;
  }
  return node;
}

std::string shown(const Node& node) { return node.exists() ? node.json().dump() : "absent"; }

}  // namespace

void check_condition(const Node& message, const std::string& pointer, const Json& expected) {
  const Node node = find(message, pointer);
  node.findings().count();
  const Json value = node.exists() ? node.json() : Json();
  const bool special = expected.is_object() && expected.size() == 1;
  const std::string kind = special ? expected.begin().key() : "";
  const Json argument = special ? expected.begin().value() : Json();
  if (kind == "absent") {
    if (node.exists() == (argument == true)) node.fail("is " + shown(node) + " and not " + expected.dump());
  } else if (kind == "size") {
    if (!value.is_array() || value.size() != argument)
      node.fail("is " + shown(node) + " and not of size " + argument.dump());
  } else if (kind == "any_of") {
    if (std::ranges::find(argument, value) == argument.end())
      node.fail("is " + shown(node) + " and none of " + argument.dump());
  } else if (kind == "not") {
    if (value == argument) node.fail("is " + shown(node));
  } else if (value != expected) {
    node.fail("is " + shown(node) + " and not " + expected.dump());
  }
}

}  // namespace sks::conformance
