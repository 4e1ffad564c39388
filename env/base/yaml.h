// The reader of YAML, and the only user of yaml-cpp (this header is free of it).
//
// A file becomes a tree of Nodes that know their places. A Section reads one map of it by typed
// declarations: each call of get() states key, type, default, range and a sentence of
// documentation. The same call checks the value, records it for the resolved text, and, when
// describing, becomes a row of the reference. Nothing throws: faults are collected, all of them,
// with their places.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/base/units.h"

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

/// The known word nearest to a misspelt one; empty when none is near.
std::string nearest(std::string_view word, std::span<const std::string> known);
/// `; did you mean "x"? (known: x, y, z)`, to end a message about an unknown word.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

/// What a quantity measures. Its value is in SI: bytes, 1/s, bytes/s, FLOP/s, W; prices in USD/h.
enum class Unit : std::uint8_t { duration, bytes, rate, bandwidth, flops, power, price };

/// A quantity other than a Duration, in its SI unit.
template <Unit U>
struct Quantity {
  double value = 0;
  constexpr auto operator<=>(const Quantity&) const = default;
};
using Bytes = Quantity<Unit::bytes>;
using PerSecond = Quantity<Unit::rate>;
using BytesPerSecond = Quantity<Unit::bandwidth>;
using FlopPerSecond = Quantity<Unit::flops>;
using Watts = Quantity<Unit::power>;
using UsdPerHour = Quantity<Unit::price>;

/// A condition under which a key may be written.
struct Only {
  bool holds = true;
  std::string_view when = {};  // in words: "with process: bursty"
};

/// The declaration of one key. Durations and quantities are never negative.
template <class T>
struct Field {
  std::string_view key;
  std::string_view doc;
  std::optional<T> fallback = {};       // of get(): none means required
  std::string_view fallback_text = {};  // of find(): what absence means
  std::optional<T> min = {}, max = {};
  std::string_view word = {};  // a word that stands for `word_value`, such as "unlimited"
  T word_value = {};
  Only only = {};
};

/// One row of the reference.
struct Declaration {
  std::string path, type, fallback, range, doc;
  bool section = false;
};

/// Words and the values that they stand for.
template <class E>
using Words = std::vector<std::pair<std::string, E>>;

/// One map, while it is read. Unknown keys are found by finish().
class Section {
 public:
  /// The root of a file. With `declarations`, describes instead of reading: values are defaults,
  /// optional parts are visited once, and nothing is a fault.
  Section(const Node& map, Faults&, std::vector<Declaration>* declarations = nullptr);

  /// The value, or the default. T: bool, int32_t, int64_t, double, string, Duration or a Quantity.
  template <class T>
  T get(const Field<T>&);
  /// The value, when it is there.
  template <class T>
  std::optional<T> find(const Field<T>&);
  /// A list of values; one value alone is a list of one. Whole numbers may be ranges, `1000..1019`.
  template <class T>
  std::vector<T> list_of(const Field<T>&, const std::vector<T>& fallback);
  /// One of some words.
  template <class E>
  E choice(const Field<std::string>& field, const Words<E>& words) {
    std::vector<std::string> known;
    known.reserve(words.size());
    for (const auto& [word, value] : words) {
      known.push_back(word);
    }
    return words[choose(field, known)].second;
  }

  using Visit = std::function<void(Section&)>;
  /// A nested map; when it is absent it is visited as if empty. A bare value means `shorthand:
  /// value`.
  void section(std::string_view key, std::string_view doc, const Visit&,
               std::string_view shorthand = {});
  /// A nested map that may be absent: then it is not visited. Returns whether it was.
  bool optional_section(std::string_view key, std::string_view doc, const Visit&,
                        std::string_view shorthand = {});
  /// A map from names, which `placeholder` stands for in the reference, to maps.
  void named(std::string_view key, std::string_view doc, std::string_view placeholder,
             const std::function<void(Section&, const std::string&)>&);
  /// A list of maps, each visited with its index at hand. Absent: `fallback_text` says what then
  /// holds, or it is required when that is empty. Returns the number of items.
  std::size_t list(std::string_view key, std::string_view doc, std::string_view fallback_text,
                   const std::function<void(Section&, std::size_t)>&);

  /// Whether the file has the key.
  [[nodiscard]] bool has(std::string_view key) const;
  /// Adds a fault at the key, or at the section when the key is absent.
  void fault(std::string_view key, std::string_view message);
  /// A fault at the section itself.
  void fault(std::string_view message);
  /// Values were read and not one was wrong: further checks make sense.
  [[nodiscard]] bool sound() const {
    return declarations_ == nullptr && faults_->size() == faults_before_;
  }
  [[nodiscard]] bool describing() const { return declarations_ != nullptr; }
  /// Place of the key's value, or of the section.
  [[nodiscard]] const Place& place(std::string_view key) const;
  [[nodiscard]] Faults& faults() { return *faults_; }
  /// Place of the section.
  [[nodiscard]] const Place& place() const { return map_->place; }
  [[nodiscard]] std::string path_of(std::string_view key) const;

  /// Writes a derived default into the resolved text.
  template <class T>
  void resolve(std::string_view key, const T& value);
  void resolve_node(std::string_view key, Node value);
  /// Reports the keys that nobody asked for. Called by section() and list(); call it on a root.
  void finish();
  /// What was read, every default written out.
  [[nodiscard]] const Node& resolved() const { return resolved_; }

 private:
  Section(const Node& map, std::string path, Faults&, std::vector<Declaration>*);
  std::size_t choose(const Field<std::string>&, const std::vector<std::string>& known);
  const Node* take(std::string_view key, const Only&);
  void declare(std::string_view key, std::string type, std::string fallback, std::string range,
               std::string_view doc, bool section = false);
  void missing(std::string_view key, std::string_view doc);
  template <class T>
  void describe(const Field<T>&, std::string_view type_suffix, const std::string& fallback);
  template <class T>
  bool read(const Node&, const std::string& path, const Field<T>&, T& value);

  const Node* map_;
  std::string path_;
  Faults* faults_;
  std::vector<Declaration>* declarations_;
  std::size_t faults_before_;
  std::vector<std::string> known_;
  Node resolved_;
};

/// A value as the reader reads it back to the same bits: `100 ms`, `0.7`.
template <class T>
std::string format(const T& value);

/// A list as the reader reads it back; stretches of whole numbers as ranges.
template <class T>
Node list_node(const std::vector<T>& values);

}  // namespace yardmaster::yaml
