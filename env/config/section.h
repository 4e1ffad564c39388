// Typed reading of a YAML tree.
//
// A Section reads one map by typed declarations. Each call of get() states key, type, default,
// range and a sentence of documentation. The same call checks the value, records it for the
// resolved text and, when describing, adds a row to the reference.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/base/units.h"
#include "env/config/document.h"
#include "env/config/quantity.h"

namespace yardmaster::yaml {

/// The condition under which a key may be given.
struct Only {
  bool holds = true;
  std::string_view when = {};  // in words, such as "with process: bursty"
};

/// The declaration of one key. Durations and quantities are never negative.
template <class T>
struct Field {
  std::string_view key;
  std::string_view doc;
  std::optional<T> fallback = {};       // for get(): the default; none: the key is required
  std::string_view fallback_text = {};  // for find(): what absence means
  std::optional<T> min = {};
  std::optional<T> max = {};
  std::string_view word = {};  // means `word_value`, such as "unlimited"
  T word_value = {};
  Only only = {};
};

/// One row of the reference.
struct Declaration {
  std::string path;
  std::string type;
  std::string fallback;
  std::string range;
  std::string doc;
  bool section = false;
};

/// Words and their values.
template <class E>
using Words = std::vector<std::pair<std::string, E>>;

/// One map while it is read. finish() finds unknown keys.
class Section {
 public:
  /// The root of a file. With `declarations`, describes instead of reading: every value is its
  /// default, optional parts are visited once, and there are no faults.
  Section(const Node& map, Faults&, std::vector<Declaration>* declarations = nullptr);

  /// The value or the default. T: bool, int32_t, int64_t, double, string, Duration or Quantity.
  template <class T>
  T get(const Field<T>&);
  /// The value, if present.
  template <class T>
  std::optional<T> find(const Field<T>&);
  /// A list of values. A single value is a list of one. Whole numbers may be ranges: `1000..1019`.
  template <class T>
  std::vector<T> list_of(const Field<T>&, const std::vector<T>& fallback);
  /// The value of one of `words`.
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
  /// A nested map. If absent, it is visited as if empty. A bare value means `shorthand: value`.
  void section(std::string_view key, std::string_view doc, const Visit&,
               std::string_view shorthand = {});
  /// A nested map that is not visited if absent. Returns whether it was visited.
  bool optional_section(std::string_view key, std::string_view doc, const Visit&,
                        std::string_view shorthand = {});
  /// A map from names to maps. The reference shows `placeholder` as the name.
  void named(std::string_view key, std::string_view doc, std::string_view placeholder,
             const std::function<void(Section&, const std::string&)>&);
  /// A list of maps, each visited with its index. `fallback_text` says what absence means; if it is
  /// empty, the list is required. Returns the number of items.
  std::size_t list(std::string_view key, std::string_view doc, std::string_view fallback_text,
                   const std::function<void(Section&, std::size_t)>&);

  /// Whether the file has the key.
  [[nodiscard]] bool has(std::string_view key) const;
  /// Adds a fault at the key or, if that is absent, at the section.
  void fault(std::string_view key, std::string_view message);
  /// Adds a fault at the section.
  void fault(std::string_view message);
  /// Whether values were read without a fault so far, so that further checks make sense.
  [[nodiscard]] bool sound() const {
    return declarations_ == nullptr && faults_->size() == faults_before_;
  }
  /// Whether this collects declarations instead of reading values.
  [[nodiscard]] bool describing() const { return declarations_ != nullptr; }
  /// Place of the key's value or, if that is absent, of the section.
  [[nodiscard]] const Place& place(std::string_view key) const;
  [[nodiscard]] Faults& faults() { return *faults_; }
  /// Place of the section.
  [[nodiscard]] const Place& place() const { return map_->place; }
  /// Path of a key from the root.
  [[nodiscard]] std::string path_of(std::string_view key) const;

  /// Writes a derived default into the resolved text.
  template <class T>
  void resolve(std::string_view key, const T& value);
  void resolve_node(std::string_view key, Node value);
  /// Adds a fault for each key that was not declared. section() and list() call it for nested maps;
  /// callers call it for the root.
  void finish();
  /// The values that were read, with all defaults.
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

/// A list as list_of() reads it. Consecutive whole numbers become ranges.
template <class T>
Node list_node(const std::vector<T>& values);

}  // namespace yardmaster::yaml
