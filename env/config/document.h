// A YAML file as a tree of nodes with their places in the source. Only document.cpp uses yaml-cpp.
//
// Nothing here throws. All faults are collected with their places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yardmaster::yaml {

/// The place of a value. `source` is a file or a `--set` option. Lines and columns count from 1.
/// Line 0 means the whole source.
struct Place {
  std::string source;
  int line = 0;
  int column = 0;
};

struct Entry;

/// A value of the tree. A copy is independent.
struct Node {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;  // scalar: was in quotes, so it is text
  Place place;
  std::string scalar;
  std::vector<Node> items;     // list
  std::vector<Entry> entries;  // map, in the order of the file, with unique keys
};

/// One `key: value` of a map.
struct Entry {
  std::string key;
  Place place;
  Node value;
};

/// The value of a key. Null if the map does not have it.
const Node* find(const Node& map, std::string_view key);

/// All faults of the input.
class Faults {
 public:
  /// Adds a fault of the value at `path`, such as `nodes[0].count`. Empty: of the whole source.
  void add(const Place&, std::string_view path, std::string_view message);
  [[nodiscard]] bool empty() const { return faults_.empty(); }
  [[nodiscard]] std::size_t size() const { return faults_.size(); }
  /// One line per fault, ordered by place: `source:line:column: path: message`.
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  struct Fault {
    Place place;
    std::string text;
  };
  std::vector<Fault> faults_;
};

/// The tree of a text, which faults call `source`. Refuses duplicate keys, merge keys, a second
/// document, aliases inside the value that they refer to, and trees of more than 100,000 values.
Node parse(const std::string& text, const std::string& source, Faults&);
/// The tree of a file. An unreadable file is a fault.
Node parse_file(const std::string& path, Faults&);
/// Sets `path` (`a.b.0.c` or `a.b[0].c`) to a value given as YAML. Creates missing sections.
void override_value(Node& root, const std::string& path, const std::string& value, Faults&);
/// The tree as YAML text. parse() reads it back.
std::string emit(const Node&);

}  // namespace yardmaster::yaml
