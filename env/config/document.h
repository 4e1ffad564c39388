// A YAML file as a tree of nodes that know their places. The source file is the only user of
// yaml-cpp; this header is free of it.
//
// Nothing throws: faults are collected, all of them, with their places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yardmaster::yaml {

/// Where something stands. `source` is a file, or the `--set` that brought it; lines count from 1,
/// and 0 means the whole source.
struct Place {
  std::string source;
  int line = 0, column = 0;
};

struct Entry;

/// A value of the tree: a plain struct, copied by value.
struct Node {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;  // scalar: it was in quotes, so it is text
  Place place;
  std::string scalar;
  std::vector<Node> items;     // list
  std::vector<Entry> entries;  // map, in the order of the file; keys are unique
};

/// One `key: value` of a map.
struct Entry {
  std::string key;
  Place place;
  Node value;
};

/// The entry's value; null when the map has no such key.
const Node* find(const Node& map, std::string_view key);

/// Everything that is wrong with the input, one line a fault.
class Faults {
 public:
  void add(const Place&, std::string_view path, std::string_view message);
  [[nodiscard]] bool empty() const { return faults_.empty(); }
  [[nodiscard]] std::size_t size() const { return faults_.size(); }
  /// `source:line:column: path: message`, ordered by place.
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  struct Fault {
    Place place;
    std::string text;
  };
  std::vector<Fault> faults_;
};

/// The tree of a text; `source` names it in faults. Refuses duplicate keys, merge keys, a second
/// document, aliases that refer to themselves, and trees of more than 100,000 values.
Node parse(const std::string& text, const std::string& source, Faults&);
/// The tree of a file.
Node parse_file(const std::string& path, Faults&);
/// Sets `path` (`a.b.0.c` or `a.b[0].c`) to a value given as YAML, creating sections on the way.
void override_value(Node& root, const std::string& path, const std::string& value, Faults&);
/// The tree as YAML text, which parse() reads back.
std::string emit(const Node&);

}  // namespace yardmaster::yaml
