#include "env/config/document.h"

#include <yaml-cpp/yaml.h>

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <tuple>

namespace yardmaster::yaml {

namespace {

// Far above any scenario. They stop alias bombs.
constexpr std::size_t kMostValues = 100'000;
constexpr std::size_t kMostBytes = 16U << 20U;

/// Thrown to end the parse of a tree with too many values.
struct TooLarge {
  Place place;
};

/// Builds the tree from yaml-cpp's events. Its nodes are not used, because they silently drop
/// duplicate keys and do not store the place of a key.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string source, Faults& faults) : source_(std::move(source)), faults_(&faults) {}

  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish_value(make(Node::Kind::null, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      faults_->add(place(mark), "", "an alias refers to the value that contains it");
      finish_value(make(Node::Kind::null, mark), 0);
      return;
    }
    count(found->second.second, mark);
    finish_value(found->second.first, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = make(Node::Kind::scalar, mark);
    node.scalar = value;
    node.quoted = tag != "?";
    finish_value(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open_.push_back({make(Node::Kind::list, mark), anchor, values_, std::nullopt, false});
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open_.push_back({make(Node::Kind::map, mark), anchor, values_, std::nullopt, false});
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    std::size_t values_before;
    std::optional<Node> key;  // map: the key of the next value
    bool skip;                // map: the next value is dropped
  };

  [[nodiscard]] Place place(const YAML::Mark& mark) const {
    return {source_, mark.line + 1, mark.column + 1};
  }

  Node make(Node::Kind kind, const YAML::Mark& mark) {
    count(1, mark);
    Node node;
    node.kind = kind;
    node.place = place(mark);
    return node;
  }

  void count(std::size_t values, const YAML::Mark& mark) {
    values_ += values;
    if (values_ > kMostValues) {
      throw TooLarge{place(mark)};
    }
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    anchored_values_ = values_ - done.values_before + 1;
    finish_value(std::move(done.node), done.anchor);
  }

  void finish_value(Node node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      const bool leaf = node.kind == Node::Kind::scalar || node.kind == Node::Kind::null;
      anchors_.insert_or_assign(anchor, std::pair{node, leaf ? 1 : anchored_values_});
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::list) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      check_key(parent, node);
      parent.key = std::move(node);
    } else {
      if (node.kind == Node::Kind::null) {
        node.place = parent.key->place;  // yaml-cpp gives the place of the next token
      }
      if (!parent.skip) {
        Place key_place = parent.key->place;
        parent.node.entries.push_back(
            {std::move(parent.key->scalar), std::move(key_place), std::move(node)});
      }
      parent.key.reset();
    }
  }

  void check_key(Open& map, const Node& key) {
    map.skip = true;
    const std::string path = open_path();
    if (key.kind != Node::Kind::scalar) {
      faults_->add(key.place, path, "a key must be a word");
    } else if (key.scalar == "<<" && !key.quoted) {
      faults_->add(key.place, path, "merge keys (<<) are not supported; write the keys out");
    } else if (const auto first = std::find_if(map.node.entries.begin(), map.node.entries.end(),
                                               [&](const Entry& e) { return e.key == key.scalar; });
               first != map.node.entries.end()) {
      faults_->add(key.place, path.empty() ? key.scalar : path + "." + key.scalar,
                   "duplicate key; first used at line " + std::to_string(first->place.line));
    } else {
      map.skip = false;
    }
  }

  [[nodiscard]] std::string open_path() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < open_.size(); ++i) {
      const Open& level = open_[i];
      if (level.node.kind == Node::Kind::list) {
        path += "[" + std::to_string(level.node.items.size()) + "]";
      } else if (level.key) {
        path += (path.empty() ? "" : ".") + level.key->scalar;
      }
    }
    return path;
  }

  std::string source_;
  Faults* faults_;
  Node root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::pair<Node, std::size_t>> anchors_;  // with the number of values
  std::size_t values_ = 0;
  std::size_t anchored_values_ = 0;
};

void emit_node(YAML::Emitter& out, const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      out << YAML::Null;
      return;
    case Node::Kind::scalar:
      out << node.scalar;
      return;
    case Node::Kind::list: {
      const bool flat = std::all_of(node.items.begin(), node.items.end(),
                                    [](const Node& n) { return n.kind == Node::Kind::scalar; });
      out << (flat ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
      for (const Node& item : node.items) {
        emit_node(out, item);
      }
      out << YAML::EndSeq;
      return;
    }
    case Node::Kind::map:
      out << (node.entries.empty() ? YAML::Flow : YAML::Block) << YAML::BeginMap;
      for (const Entry& entry : node.entries) {
        out << YAML::Key << entry.key << YAML::Value;
        emit_node(out, entry.value);
      }
      out << YAML::EndMap;
      return;
  }
}

/// The parts of `a.b.0` and `a.b[0]`.
std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '.' || c == '[') {
      parts.emplace_back();
    } else if (c != ']') {
      parts.back() += c;
    }
  }
  return parts;
}

/// Follows one part of a `--set` path. Returns null and adds a fault if it leads nowhere.
Node* descend(Node& node, const std::string& part, const Place& place, const std::string& path,
              Faults& faults) {
  if (node.kind == Node::Kind::list) {
    std::size_t i = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), i);
    if (error != std::errc{} || end != part.data() + part.size() || i >= node.items.size()) {
      faults.add(place, path,
                 "\"" + part + "\" is not an index of a list of " +
                     std::to_string(node.items.size()) + " (counted from 0)");
      return nullptr;
    }
    return &node.items[i];
  }
  if (node.kind == Node::Kind::scalar) {
    faults.add(place, path, "\"" + node.scalar + "\" is a value and has no key \"" + part + "\"");
    return nullptr;
  }
  if (node.kind == Node::Kind::null) {
    node.kind = Node::Kind::map;
    node.place = place;
  }
  for (Entry& entry : node.entries) {
    if (entry.key == part) {
      return &entry.value;
    }
  }
  node.entries.push_back({part, place, {}});
  return &node.entries.back().value;
}

}  // namespace

const Node* find(const Node& map, std::string_view key) {
  for (const Entry& entry : map.entries) {
    if (entry.key == key) {
      return &entry.value;
    }
  }
  return nullptr;
}

void Faults::add(const Place& place, std::string_view path, std::string_view message) {
  std::string text;
  if (!path.empty()) {
    text.append(path).append(": ");
  }
  text += message;
  faults_.push_back({place, std::move(text)});
}

std::vector<std::string> Faults::lines() const {
  std::vector<const Fault*> order;
  order.reserve(faults_.size());
  for (const Fault& fault : faults_) {
    order.push_back(&fault);
  }
  std::stable_sort(order.begin(), order.end(), [](const Fault* a, const Fault* b) {
    return std::tie(a->place.source, a->place.line, a->place.column) <
           std::tie(b->place.source, b->place.line, b->place.column);
  });
  std::vector<std::string> lines;
  lines.reserve(order.size());
  for (const Fault* fault : order) {
    std::string line = fault->place.source;
    if (fault->place.line > 0) {
      line += ":" + std::to_string(fault->place.line) + ":" + std::to_string(fault->place.column);
    }
    lines.push_back(line + ": " + fault->text);
  }
  return lines;
}

Node parse(const std::string& text, const std::string& source, Faults& faults) {
  Node empty;
  empty.kind = Node::Kind::map;
  empty.place = {source, 1, 1};
  if (text.size() > kMostBytes) {
    faults.add({source, 0, 0}, "", "larger than 16 MiB: not a scenario");
    return empty;
  }
  std::istringstream in(text);
  TreeBuilder builder(source, faults);
  try {
    YAML::Parser parser(in);
    if (!parser.HandleNextDocument(builder)) {
      return empty;
    }
    Node root = builder.take_root();
    TreeBuilder second(source, faults);
    if (parser.HandleNextDocument(second)) {
      faults.add(second.take_root().place, "", "a second document; expected one per file");
    }
    return root.kind == Node::Kind::null ? empty : root;
  } catch (const TooLarge& large) {
    faults.add(large.place, "", "more than 100000 values after expanding aliases");
  } catch (const YAML::Exception& e) {
    faults.add({source, e.mark.line + 1, e.mark.column + 1}, "", "not YAML: " + e.msg);
  }
  return empty;
}

Node parse_file(const std::string& path, Faults& faults) {
  std::string text;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  bool good = file != nullptr;
  if (good) {
    std::vector<char> buffer(65536);
    std::size_t got = 0;
    while (text.size() <= kMostBytes &&
           (got = std::fread(buffer.data(), 1, buffer.size(), file.get())) > 0) {
      text.append(buffer.data(), got);
    }
    good = std::ferror(file.get()) == 0;
  }
  if (!good) {
    faults.add({path, 0, 0}, "", std::string("cannot be read: ") + std::strerror(errno));
    Node empty;
    empty.kind = Node::Kind::map;
    empty.place = {path, 0, 0};
    return empty;
  }
  return parse(text, path, faults);
}

void override_value(Node& root, const std::string& path, const std::string& value, Faults& faults) {
  const Place place{"--set " + path + "=" + value, 0, 0};
  Faults inside;
  Node parsed = parse(value, place.source, inside);
  if (!inside.empty()) {
    faults.add(place, path, "the value is not YAML");
    return;
  }
  Node* node = &root;
  for (const std::string& part : split_path(path)) {
    node = part.empty() ? nullptr : descend(*node, part, place, path, faults);
    if (node == nullptr) {
      if (part.empty()) {
        faults.add(place, path, "the path has an empty part");
      }
      return;
    }
  }
  const auto relocate = [&place](auto&& self, Node& n) -> void {
    n.place = place;
    for (Node& item : n.items) {
      self(self, item);
    }
    for (Entry& entry : n.entries) {
      entry.place = place;
      self(self, entry.value);
    }
  };
  relocate(relocate, parsed);
  *node = std::move(parsed);
}

std::string emit(const Node& node) {
  YAML::Emitter out;
  emit_node(out, node);
  return std::string(out.c_str()) + "\n";
}

}  // namespace yardmaster::yaml
