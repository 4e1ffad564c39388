#include "env/config/section.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <type_traits>

#include "env/config/suggestion.h"

namespace yardmaster::yaml {

namespace {

std::string quote(std::string_view text) { return "\"" + std::string(text) + "\""; }

template <class T>
std::string range_text(const Field<T>& field) {
  if (field.min && field.max) {
    return Codec<T>::write(*field.min) + " to " + Codec<T>::write(*field.max);
  }
  if (field.min) {
    return "at least " + Codec<T>::write(*field.min);
  }
  return field.max ? "at most " + Codec<T>::write(*field.max) : "";
}

std::string with_article(const std::string& noun) {
  const bool none = noun.starts_with("true") || noun == "text";
  return (none ? "" : noun.starts_with('a') ? "an " : "a ") + noun;
}

std::string_view kind_name(Node::Kind kind) {
  constexpr std::array<std::string_view, 4> kNames = {"nothing", "a value", "a list", "a section"};
  return kNames[static_cast<std::size_t>(kind)];
}

Node scalar_node(std::string text) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.scalar = std::move(text);
  return node;
}

const Node& empty_map() {
  static const Node map = [] {
    Node node;
    node.kind = Node::Kind::map;
    return node;
  }();
  return map;
}

/// The whole numbers of a range `1000..1019`. Nothing if the text is not a range.
std::optional<std::vector<std::int64_t>> parse_range(const std::string& text) {
  const std::size_t dots = text.find("..");
  std::int64_t first = 0;
  std::int64_t last = 0;
  if (dots == std::string::npos) {
    return std::nullopt;
  }
  const char* const data = text.data();
  const auto [a, wrong_first] = std::from_chars(data, data + dots, first);
  const auto [b, wrong_last] = std::from_chars(data + dots + 2, data + text.size(), last);
  if (wrong_first != std::errc{} || wrong_last != std::errc{} || a != data + dots ||
      b != data + text.size() || first < 0 || last < first || last - first >= 100'000) {
    return std::nullopt;
  }
  std::vector<std::int64_t> values;
  for (std::int64_t v = first; v <= last; ++v) {
    values.push_back(v);
  }
  return values;
}

/// The items of a resolved list. Three or more consecutive whole numbers become a range.
template <class T>
std::vector<std::string> list_texts(const std::vector<T>& values) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < values.size();) {
    std::size_t last = i;
    if constexpr (std::is_same_v<T, std::int64_t>) {
      while (last + 1 < values.size() && values[last + 1] == values[last] + 1) {
        ++last;
      }
    }
    if (last >= i + 2) {
      texts.push_back(Codec<T>::write(values[i]) + ".." + Codec<T>::write(values[last]));
      i = last + 1;
    } else {
      texts.push_back(Codec<T>::write(values[i++]));
    }
  }
  return texts;
}

}  // namespace

Section::Section(const Node& map, Faults& faults, std::vector<Declaration>* declarations)
    : Section(map, "", faults, declarations) {}

Section::Section(const Node& map, std::string path, Faults& faults,
                 std::vector<Declaration>* declarations)
    : map_(&map),
      path_(std::move(path)),
      faults_(&faults),
      declarations_(declarations),
      faults_before_(faults.size()) {
  resolved_.kind = Node::Kind::map;
  if (map.kind != Node::Kind::map) {
    fault(std::string("expected a section, found ") + std::string(kind_name(map.kind)));
    map_ = &empty_map();
  }
}

std::string Section::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

bool Section::has(std::string_view key) const { return yaml::find(*map_, key) != nullptr; }

const Place& Section::place(std::string_view key) const {
  const Node* node = yaml::find(*map_, key);
  return node != nullptr ? node->place : map_->place;
}

void Section::fault(std::string_view key, std::string_view message) {
  faults_->add(place(key), path_of(key), message);
}

void Section::fault(std::string_view message) { faults_->add(map_->place, path_, message); }

void Section::declare(std::string_view key, std::string type, std::string fallback,
                      std::string range, std::string_view doc, bool section) {
  known_.emplace_back(key);
  if (declarations_ != nullptr) {
    declarations_->push_back({path_of(key), std::move(type), std::move(fallback), std::move(range),
                              std::string(doc), section});
  }
}

void Section::missing(std::string_view key, std::string_view doc) {
  faults_->add(map_->place, path_, "missing key \"" + std::string(key) + "\": " + std::string(doc));
}

const Node* Section::take(std::string_view key, const Only& only) {
  const Node* node = yaml::find(*map_, key);
  if (node != nullptr && !only.holds) {
    fault(key, "applies only " + std::string(only.when));
    return nullptr;
  }
  return node;
}

template <class T>
void Section::describe(const Field<T>& field, std::string_view type_suffix,
                       const std::string& fallback) {
  std::string type = Codec<T>::type() + std::string(type_suffix);
  if (!field.word.empty()) {
    type += " or `" + std::string(field.word) + "`";
  }
  std::string doc(field.doc);
  if (!field.only.when.empty()) {
    doc += " Only " + std::string(field.only.when) + ".";
  }
  declare(field.key, std::move(type), fallback, range_text(field), doc);
}

template <class T>
bool Section::read(const Node& node, const std::string& path, const Field<T>& field, T& value) {
  if (node.kind != Node::Kind::scalar) {
    faults_->add(node.place, path,
                 "expected " + with_article(Codec<T>::type()) + ", found " +
                     std::string(kind_name(node.kind)));
    return false;
  }
  if (!field.word.empty() && node.scalar == field.word) {
    value = field.word_value;
    return true;
  }
  std::string error = Codec<T>::read(node, value);
  if (error.empty() && ((field.min && value < *field.min) || (field.max && *field.max < value))) {
    error = node.scalar + " is out of range (expected " + range_text(field) + ")";
  }
  if (!error.empty() && !field.word.empty()) {
    error += ", or " + std::string(field.word);
  }
  if (!error.empty()) {
    faults_->add(node.place, path, error);
  }
  return error.empty();
}

template <class T>
std::optional<T> Section::find(const Field<T>& field) {
  describe(field, "", std::string(field.fallback_text));
  const Node* node = take(field.key, field.only);
  T value{};
  if (node == nullptr || !read(*node, path_of(field.key), field, value)) {
    return std::nullopt;
  }
  resolve(field.key, !field.word.empty() && value == field.word_value ? std::string(field.word)
                                                                      : Codec<T>::write(value));
  return value;
}

template <class T>
T Section::get(const Field<T>& field) {
  const auto write = [&field](const T& value) {
    return !field.word.empty() && value == field.word_value ? std::string(field.word)
                                                            : Codec<T>::write(value);
  };
  const bool worded = !field.fallback_text.empty();
  describe(field, "",
           worded           ? std::string(field.fallback_text)
           : field.fallback ? write(*field.fallback)
                            : "required");
  T value = field.fallback.value_or(T{});
  if (const Node* node = take(field.key, field.only); node != nullptr) {
    T given{};
    if (read(*node, path_of(field.key), field, given)) {
      value = given;
    }
  } else if (!field.fallback && field.only.holds && !describing()) {
    missing(field.key, field.doc);
  }
  if (field.only.holds) {
    resolve(field.key, write(value));
  }
  return value;
}

template <class T>
std::vector<T> Section::list_of(const Field<T>& field, const std::vector<T>& fallback) {
  std::string fallback_text(field.fallback_text);
  if (fallback_text.empty()) {
    for (const std::string& text : list_texts(fallback)) {
      fallback_text += (fallback_text.empty() ? "" : ", ") + text;
    }
  }
  describe(field, ", or a list", fallback_text.empty() ? "none" : fallback_text);
  std::vector<T> values = fallback;
  if (const Node* node = take(field.key, field.only); node != nullptr) {
    values.clear();
    const bool many = node->kind == Node::Kind::list;
    for (std::size_t i = 0; i < (many ? node->items.size() : 1); ++i) {
      const Node& item = many ? node->items[i] : *node;
      if constexpr (std::is_same_v<T, std::int64_t>) {
        if (const auto range = parse_range(item.scalar)) {
          values.insert(values.end(), range->begin(), range->end());
          continue;
        }
      }
      T value{};
      if (read(item, path_of(field.key) + (many ? "[" + std::to_string(i) + "]" : ""), field,
               value)) {
        values.push_back(std::move(value));
      }
    }
  }
  if (field.only.holds) {
    resolve_node(field.key, list_node(values));
  }
  return values;
}

std::size_t Section::choose(const Field<std::string>& field,
                            const std::vector<std::string>& known) {
  std::string type;
  for (const std::string& word : known) {
    type += (type.empty() ? "`" : ", `") + word + "`";
  }
  std::string doc(field.doc);
  if (!field.only.when.empty()) {
    doc += " Only " + std::string(field.only.when) + ".";
  }
  const bool worded = !field.fallback_text.empty();
  declare(field.key, type,
          worded ? std::string(field.fallback_text) : field.fallback.value_or("required"), "", doc);
  std::string value = field.fallback.value_or(known.front());
  const Node* node = take(field.key, field.only);
  if (node != nullptr && read(*node, path_of(field.key), field, value) &&
      std::find(known.begin(), known.end(), value) == known.end()) {
    fault(field.key, "unknown value " + quote(value) + did_you_mean(value, known));
    value = known.front();
  } else if (node == nullptr && !field.fallback && field.only.holds && !describing()) {
    missing(field.key, field.doc);
  }
  if (field.only.holds) {
    resolve(field.key, value);
  }
  const auto at = std::find(known.begin(), known.end(), value);
  return at == known.end() ? 0 : static_cast<std::size_t>(at - known.begin());
}

void Section::section(std::string_view key, std::string_view doc, const Visit& visit,
                      std::string_view shorthand) {
  declare(key, shorthand.empty() ? "section" : "section, or its `" + std::string(shorthand) + "`",
          "", "", doc, true);
  const Node* node = yaml::find(*map_, key);
  Node stand_in = empty_map();
  stand_in.place = map_->place;
  if (node != nullptr && node->kind == Node::Kind::scalar && !shorthand.empty()) {
    stand_in.place = node->place;
    stand_in.entries.push_back({std::string(shorthand), node->place, *node});
    node = &stand_in;
  }
  Section inner(node != nullptr ? *node : stand_in, path_of(key), *faults_, declarations_);
  visit(inner);
  inner.finish();
  if (!inner.resolved_.entries.empty()) {
    resolve_node(key, std::move(inner.resolved_));
  }
}

bool Section::optional_section(std::string_view key, std::string_view doc, const Visit& visit,
                               std::string_view shorthand) {
  if (!has(key) && !describing()) {
    known_.emplace_back(key);
    return false;
  }
  section(key, doc, visit, shorthand);
  return true;
}

void Section::named(std::string_view key, std::string_view doc, std::string_view placeholder,
                    const std::function<void(Section&, const std::string&)>& visit) {
  const std::string name(placeholder);
  if (describing()) {
    declare(key, "sections by name", "none", "", doc, true);
    Section inner(empty_map(), path_of(key) + "." + name, *faults_, declarations_);
    visit(inner, name);
    return;
  }
  section(key, doc, [&](Section& names) {
    for (const Entry& entry : names.map_->entries) {
      names.section(entry.key, "", [&](Section& inner) { visit(inner, entry.key); });
    }
  });
}

std::size_t Section::list(std::string_view key, std::string_view doc,
                          std::string_view fallback_text,
                          const std::function<void(Section&, std::size_t)>& visit) {
  declare(key, "list of sections", fallback_text.empty() ? "required" : std::string(fallback_text),
          "", doc, true);
  if (describing()) {
    Section inner(empty_map(), path_of(key) + "[]", *faults_, declarations_);
    visit(inner, 0);
    return 1;
  }
  const Node* node = yaml::find(*map_, key);
  if (node == nullptr) {
    if (fallback_text.empty()) {
      missing(key, doc);
    }
    return 0;
  }
  if (node->kind != Node::Kind::list || node->items.empty()) {
    fault(key, node->kind == Node::Kind::list
                   ? std::string("the list is empty")
                   : "expected a list, found " + std::string(kind_name(node->kind)));
    return 0;
  }
  Node items;
  items.kind = Node::Kind::list;
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    Section inner(node->items[i], path_of(key) + "[" + std::to_string(i) + "]", *faults_, nullptr);
    visit(inner, i);
    inner.finish();
    items.items.push_back(std::move(inner.resolved_));
  }
  resolve_node(key, std::move(items));
  return node->items.size();
}

template <class T>
void Section::resolve(std::string_view key, const T& value) {
  resolve_node(key, scalar_node(Codec<T>::write(value)));
}

void Section::resolve_node(std::string_view key, Node value) {
  for (Entry& entry : resolved_.entries) {
    if (entry.key == key) {
      entry.value = std::move(value);
      return;
    }
  }
  resolved_.entries.push_back({std::string(key), {}, std::move(value)});
}

void Section::finish() {
  for (const Entry& entry : map_->entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) == known_.end()) {
      faults_->add(entry.place, path_of(entry.key),
                   "unknown key" + did_you_mean(entry.key, known_));
    }
  }
}

template <class T>
Node list_node(const std::vector<T>& values) {
  Node items;
  items.kind = Node::Kind::list;
  for (std::string& text : list_texts(values)) {
    items.items.push_back(scalar_node(std::move(text)));
  }
  return items;
}

#define YARDMASTER_YAML_TYPE(T)                                \
  template T Section::get<T>(const Field<T>&);                 \
  template std::optional<T> Section::find<T>(const Field<T>&); \
  template void Section::resolve<T>(std::string_view, const T&);
YARDMASTER_YAML_TYPE(bool)
YARDMASTER_YAML_TYPE(std::int32_t)
YARDMASTER_YAML_TYPE(std::int64_t)
YARDMASTER_YAML_TYPE(double)
YARDMASTER_YAML_TYPE(std::string)
YARDMASTER_YAML_TYPE(Duration)
YARDMASTER_YAML_TYPE(Bytes)
YARDMASTER_YAML_TYPE(PerSecond)
YARDMASTER_YAML_TYPE(BytesPerSecond)
YARDMASTER_YAML_TYPE(FlopPerSecond)
YARDMASTER_YAML_TYPE(Watts)
YARDMASTER_YAML_TYPE(UsdPerHour)
#undef YARDMASTER_YAML_TYPE

template Node list_node(const std::vector<std::int64_t>&);
template Node list_node(const std::vector<std::string>&);
template std::vector<std::int64_t> Section::list_of(const Field<std::int64_t>&,
                                                    const std::vector<std::int64_t>&);
template std::vector<double> Section::list_of(const Field<double>&, const std::vector<double>&);
template std::vector<std::string> Section::list_of(const Field<std::string>&,
                                                   const std::vector<std::string>&);

}  // namespace yardmaster::yaml
