// docs/scenario.md from the declarations in the reader.
#include <sstream>
#include <string>
#include "env/scenario/load.h"

#include "env/scenario/sections.h"

namespace yardmaster {

namespace {

constexpr std::string_view kHead = R"(# Scenario reference

Generated from the declarations in the reader. A test compares them; `UPDATE_DOCS=1` rewrites this
file.

A scenario is one YAML file.
Everything has a default except `nodes`, and `gpu` and `model` in each group of nodes.
scenarios/minimal.yaml is the shortest scenario.
`yardmaster validate FILE` reports all faults at once, each with its place.
`--set key.path=value` replaces any key on the command line. List items are numbered:
`--set nodes.0.count=4`.

Every run reads a key unless its meaning says what reads it.

Quantities have a unit, and a bare number in place of one is a fault. Counts, shares and factors are
bare.

| quantity | units |
| --- | --- |
| duration | ps, ns, us, ms, s, min, h, d |
| amount of memory | B, KB, KiB, MB, MiB, GB, GiB, TB, TiB (KB is 1000 B, KiB is 1024 B) |
| rate | /s, /min, /h |
| bandwidth | B/s, KB/s, KiB/s, MB/s, MiB/s, GB/s, GiB/s, TB/s, Mbit/s, Gbit/s |
| FLOP rate | FLOP/s, GFLOP/s, TFLOP/s, PFLOP/s |
| power | W, kW |
| price | USD/h |

Durations are at most 50 d.
)";

struct Part {
  std::string path, intro, rows;
};

std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    escaped += c == '|' ? "\\|" : std::string(1, c);
  }
  return escaped;
}

std::string row(const yaml::Declaration& d, const std::string& key) {
  std::string type = d.type;
  if (!d.range.empty()) {
    type += ", " + d.range;
  }
  return "| `" + key + "` | " + cell(type) + " | " + cell(d.fallback) + " | " + cell(d.doc) +
         " |\n";
}

/// Parts in the order of declaration, the catalogue last because few scenarios have one.
std::vector<Part> parts_of(const std::vector<yaml::Declaration>& declarations) {
  std::vector<Part> parts = {{"", "", ""}};
  const auto part = [&parts](const std::string& path) -> Part& {
    for (Part& p : parts) {
      if (p.path == path) {
        return p;
      }
    }
    return parts.front();
  };
  for (const yaml::Declaration& d : declarations) {
    const std::size_t dot = d.path.rfind('.');
    const std::string parent = dot == std::string::npos ? "" : d.path.substr(0, dot);
    const std::string key = dot == std::string::npos ? d.path : d.path.substr(dot + 1);
    part(parent).rows += row(d, key);
    if (d.section) {
      const std::string suffix = d.type == "list of sections"   ? "[]"
                                 : d.type == "sections by name" ? ".NAME"
                                                                : "";
      parts.push_back({d.path + suffix, d.doc, ""});
    }
  }
  std::vector<Part> ordered;
  for (const bool catalogue : {false, true}) {
    for (const Part& p : parts) {
      if (p.path.starts_with("catalogue") == catalogue) {
        ordered.push_back(p);
      }
    }
  }
  return ordered;
}

/// The words of `text` in lines of at most 100 columns.
std::string wrapped(const std::string& text) {
  constexpr std::size_t kWidth = 100;
  std::string lines;
  std::size_t column = 0;
  std::istringstream words(text);
  for (std::string word; words >> word; column += word.size()) {
    if (column > 0) {
      const bool fits = column + 1 + word.size() <= kWidth;
      lines += fits ? ' ' : '\n';
      column = fits ? column + 1 : 0;
    }
    lines += word;
  }
  return lines;
}

}  // namespace

std::string scenario_reference() {
  std::vector<yaml::Declaration> declarations;
  yaml::Node empty;
  empty.kind = yaml::Node::Kind::map;
  yaml::Faults faults;
  yaml::Section root(empty, faults, &declarations);
  Catalogue none;
  Draft draft;
  read_scenario(root, none, draft);
  std::string text(kHead);
  for (const Part& part : parts_of(declarations)) {
    text += "\n## " + (part.path.empty() ? "Top level" : "`" + part.path + "`") + "\n\n";
    if (!part.intro.empty()) {
      text += wrapped(part.intro) + "\n\n";
    }
    text += "| key | type | default | meaning |\n| --- | --- | --- | --- |\n" + part.rows;
  }
  return text;
}

}  // namespace yardmaster
