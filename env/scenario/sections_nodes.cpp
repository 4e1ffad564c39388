// The section `nodes`.
#include <algorithm>

#include "env/scenario/sections.h"

#include "env/config/suggestion.h"

namespace yardmaster {

namespace {

using yaml::Section;

/// The catalogue's entry with the name at `key`. A fault with suggestions if there is none.
template <class Spec>
const Spec* look_up(Section& s, std::string_view key, std::string_view what,
                    const std::string& name, const std::vector<CatalogueEntry<Spec>>& entries) {
  const CatalogueEntry<Spec>* entry = find_entry(entries, name);
  if (entry == nullptr && !s.describing() && !name.empty()) {
    std::vector<std::string> known;
    known.reserve(entries.size());
    for (const CatalogueEntry<Spec>& e : entries) {
      known.push_back(e.spec.name);
    }
    s.fault(key,
            "unknown " + std::string(what) + " \"" + name + "\"" + yaml::did_you_mean(name, known));
  }
  return entry != nullptr ? &entry->spec : nullptr;
}

void read_failures(Section& s, NodeKind& kind) {
  kind.failures.between = s.get<Duration>({.key = "between",
                                           .doc = "Mean time between crashes of a node. "
                                                  "0 s: it never crashes.",
                                           .fallback = Duration::zero()});
  kind.failures.lasting = s.get<Duration>({.key = "repair",
                                           .doc = "Mean time until it serves again, with "
                                                  "empty memory. Read with `between`.",
                                           .fallback = Duration::from_seconds(300),
                                           .min = Duration{1}});
}

void read_slowdowns(Section& s, NodeKind& kind) {
  kind.slowdowns.between = s.get<Duration>({.key = "between",
                                            .doc = "Mean time between slow spells of a "
                                                   "node. 0 s: none.",
                                            .fallback = Duration::zero()});
  kind.slowdowns.lasting = s.get<Duration>({.key = "lasting",
                                            .doc = "Mean length of a slow spell. Read with "
                                                   "`between`.",
                                            .fallback = Duration::from_seconds(30),
                                            .min = Duration{1}});
  kind.slowdown_factor = s.get<double>({.key = "factor",
                                        .doc = "Steps in a slow spell take this many times "
                                               "as long. Read with `between`.",
                                        .fallback = 2.0,
                                        .min = 1.0,
                                        .max = 100.0});
}

/// Settings of the engine's scheduler other than its limits.
void read_scheduler(Section& s, NodeKind& kind) {
  NodeSettings& settings = kind.settings;
  const std::optional<EngineRules> rules = rules_of_vllm(kind.engine.rules);
  if (!rules && s.sound()) {
    s.fault("version", "the scheduling rules of vLLM \"" + kind.engine.rules +
                           "\" are unknown (expected 0.19, or 0.30 and later)");
  }
  settings.rules.engine = rules.value_or(EngineRules{});
  settings.rules.policy = s.choice<QueuePolicy>(
      {.key = "policy",
       .doc =
           "`fcfs`: first come, first served. `priority`: the smallest key of `dispatch.ordering` "
           "is admitted first, and the largest is preempted.",
       .fallback = "fcfs"},
      {{"fcfs", QueuePolicy::fcfs}, {"priority", QueuePolicy::priority}});
  settings.rules.long_prefill_token_threshold = s.get<std::int32_t>(
      {.key = "long_prefill_token_threshold",
       .doc =
           "Tokens of one prompt in a step, at most, so that several prompts share a step. 0: no "
           "limit.",
       .fallback = 0,
       .min = 0,
       .max = 1 << 20});
  settings.rules.reserve_full_isl = s.get<bool>(
      {.key = "reserve_full_isl",
       .doc = "A request is admitted only if its whole prompt fits, not just the first chunk.",
       .fallback = true});
  kind.watermark = s.get<double>(
      {.key = "watermark",
       .doc =
           "Share of the KV blocks that admission leaves free unless the node is idle. Only with "
           "vLLM 0.30 and later.",
       .fallback = 0.0,
       .min = 0.0,
       .max = 0.99});
  kind.prefix_caching =
      s.find<bool>({.key = "enable_prefix_caching",
                    .doc = "KV blocks of equal prefixes are reused.",
                    .fallback_text = "`true` if the workload's prompts share prefixes"});
  if (kind.watermark > 0 && !settings.rules.engine.knows_watermark) {
    s.fault("watermark", "not a setting of vLLM " + kind.engine.rules);
  }
  if (settings.rules.policy == QueuePolicy::priority && !settings.rules.reserve_full_isl) {
    s.fault("reserve_full_isl",
            "must be true with `policy: priority`, because otherwise two requests of equal "
            "priority may "
            "preempt each other forever");
  }
}

/// Limits and memory of the engine. fit_memory() derives what depends on memory.
void read_engine(Section& s, const Catalogue& catalogue, NodeKind& kind, bool known_gpu,
                 std::optional<std::int32_t>& max_model_len,
                 std::optional<std::int32_t>& kv_blocks) {
  const std::string version = s.get<std::string>(
      {.key = "version", .doc = "An engine of the catalogue.", .fallback = "vllm-0.32"});
  if (const EngineSpec* engine = look_up(s, "version", "engine", version, catalogue.engines)) {
    kind.engine = *engine;
  }
  const StepLimits limits = known_gpu ? default_limits(kind.gpu, kind.engine)
                                      : StepLimits{kind.engine.max_num_seqs, 1 << 20};
  kind.engine.asynchronous =
      s.choice<bool>({.key = "scheduling",
                      .doc = "When step k ends, `async` plans step k + 2 and `sync` step k + 1.",
                      .fallback = kind.engine.asynchronous ? "async" : "sync",
                      .fallback_text = "the version's"},
                     {{"async", true}, {"sync", false}});
  NodeSettings& settings = kind.settings;
  settings.rules.max_num_seqs = s.get<std::int32_t>({.key = "max_num_seqs",
                                                     .doc = "Running requests, at most.",
                                                     .fallback = limits.max_num_seqs,
                                                     .fallback_text = "the version's for this GPU",
                                                     .min = 1,
                                                     .max = 16384});
  settings.rules.max_num_batched_tokens =
      s.get<std::int32_t>({.key = "max_num_batched_tokens",
                           .doc = "Token budget of a step. At least `max_num_seqs`.",
                           .fallback = limits.max_num_batched_tokens,
                           .fallback_text = "the version's for this GPU",
                           .min = 1,
                           .max = 1 << 20});
  kind.engine.memory_utilisation =
      s.get<double>({.key = "memory_utilisation",
                     .doc = "Share of GPU memory that the engine uses. Read without `kv_blocks`.",
                     .fallback = kind.engine.memory_utilisation,
                     .fallback_text = "the version's",
                     .min = 0.05,
                     .max = 1.0});
  read_scheduler(s, kind);
  max_model_len = s.find<std::int32_t>(
      {.key = "max_model_len",
       .doc = "Prompt and declared `max_tokens` together, at most. Tasks that fit no node are "
              "refused on "
              "arrival and counted.",
       .fallback_text = "the model's context, or all KV memory if that is less",
       .min = 1});
  kv_blocks = s.find<std::int32_t>({.key = "kv_blocks",
                                    .doc = "KV blocks of 16 tokens that requests may use.",
                                    .fallback_text = "the memory that the weights leave",
                                    .min = 1,
                                    .max = 1 << 26});
  if (s.sound() && settings.rules.max_num_batched_tokens < settings.rules.max_num_seqs) {
    s.fault("max_num_batched_tokens", std::to_string(settings.rules.max_num_batched_tokens) +
                                          " is less than max_num_seqs, " +
                                          std::to_string(settings.rules.max_num_seqs));
  }
  kind.engine.max_num_seqs = settings.rules.max_num_seqs;
  kind.engine.max_num_batched_tokens = settings.rules.max_num_batched_tokens;
}

std::string gib(double bytes) {
  const auto tenths = static_cast<std::int64_t>(bytes / 1073741824.0 * 10 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GiB";
}

/// KV blocks, and the longest request that they hold.
void fit_memory(Section& s, Section& engine, NodeKind& kind,
                std::optional<std::int32_t> max_model_len, std::optional<std::int32_t> kv_blocks) {
  const std::int64_t fitting =
      usable_kv_blocks(kind.gpu, kind.model, kind.tensor_parallel, kind.engine.memory_utilisation);
  if (fitting < 1) {
    s.fault("model", kind.model.name + " does not fit: its weights take " +
                         gib(kind.model.weight_bytes() / kind.tensor_parallel) + " of each of " +
                         std::to_string(kind.tensor_parallel) + " " + kind.gpu.name + " with " +
                         gib(kind.gpu.memory_bytes * kind.engine.memory_utilisation) +
                         " for the engine (a larger tensor_parallel may help)");
    return;
  }
  NodeSettings& settings = kind.settings;
  settings.grant.blocks =
      kv_blocks.value_or(static_cast<std::int32_t>(std::min<std::int64_t>(fitting, 1 << 26)));
  const std::int32_t held = settings.grant.blocks * kBlockTokens;
  const std::int32_t longest = std::min(kind.model.max_context_tokens, held);
  if (max_model_len && *max_model_len > longest) {
    engine.fault("max_model_len", std::to_string(*max_model_len) +
                                      " is too long: the model's context is " +
                                      std::to_string(kind.model.max_context_tokens) +
                                      " tokens and KV memory holds " + std::to_string(held));
  }
  settings.rules.max_model_len = max_model_len.value_or(longest);
}

/// The name in tables: as given, or the GPU's, numbered if it is taken.
void name_kind(Section& s, const std::optional<std::string>& given,
               const std::vector<NodeKind>& others, NodeKind& kind) {
  const auto taken = [&](const std::string& name) {
    return std::any_of(others.begin(), others.end(),
                       [&](const NodeKind& k) { return k.name == name; });
  };
  if (given && taken(*given)) {
    s.fault("name", "another group of nodes is named \"" + *given + "\"");
  }
  kind.name = given.value_or(kind.gpu.name);
  for (int i = 2; !given && taken(kind.name); ++i) {
    kind.name = kind.gpu.name + "-" + std::to_string(i);
  }
}

/// Measured tables of step times, which replace the formula.
void read_profile(Section& s, Catalogue& catalogue, NodeKind& kind) {
  const std::string name = s.get<std::string>(
      {.key = "profile",
       .doc = "Measured step times: a profile of the catalogue, `none` for the formula, or `auto` "
              "for the profile of this GPU, model and degree if there is one.",
       .fallback = "auto"});
  if (!s.sound() || name == "none") {
    return;
  }
  const bool any = name == "auto";
  const std::string asked =
      any ? profile_name(kind.gpu.name, kind.model.name, kind.tensor_parallel) : name;
  const StepProfile* profile = find_profile(catalogue, asked, s.faults());
  if (profile == nullptr) {
    if (!any) {
      s.fault("profile", "unknown profile \"" + name + "\"");
    }
    return;
  }
  if (profile->gpu != kind.gpu.name || profile->model != kind.model.name ||
      profile->tensor_parallel != kind.tensor_parallel) {
    s.fault("profile", "\"" + asked + "\" is for " + profile->model + " on " +
                           std::to_string(profile->tensor_parallel) + " x " + profile->gpu);
    return;
  }
  kind.profile = *profile;
}

/// Host time that depends on the machine, not on GPU, model or engine version.
void read_machine(Section& s, NodeKind& kind) {
  const auto seconds = [&](std::string_view key, std::string_view doc) {
    return s.get<Duration>({.key = key, .doc = doc, .fallback = Duration::zero()}).seconds();
  };
  kind.engine.step_s += seconds("step", "Host time added to every step.");
  kind.engine.uncaptured_step_s +=
      seconds("uncaptured_step", "Host time added to steps beyond the captured graph sizes.");
}

/// Adds a fault unless the model can be split over that many GPUs of this type and computed there.
void check_degree(Section& s, const NodeKind& kind) {
  const ModelSpec& model = kind.model;
  const std::int32_t degree = kind.tensor_parallel;
  const auto figures_lack = [&](const char* what) {
    s.fault("gpu",
            "the catalogue has no figures of " + kind.gpu.name + " for " + model.name + what);
  };
  if (model.heads % degree != 0) {
    s.fault("tensor_parallel", std::to_string(degree) + " does not divide the " +
                                   std::to_string(model.heads) + " heads of " + model.name);
  } else if (model.kv_heads % degree != 0 && degree % model.kv_heads != 0) {
    s.fault("tensor_parallel", std::to_string(degree) + " neither divides the " +
                                   std::to_string(model.kv_heads) + " KV heads of " + model.name +
                                   " nor is a multiple of them");
  } else if (!kind.gpu.runs(model, 1)) {
    figures_lack(" (number format of weights or KV)");
  } else if (!kind.gpu.runs(model, degree)) {
    figures_lack(" on several GPUs");
  }
}

NodeKind read_node(Section& s, Catalogue& catalogue, const std::vector<NodeKind>& others) {
  NodeKind kind;
  const auto name = s.find<std::string>(
      {.key = "name", .doc = "Name of the group in tables.", .fallback_text = "the GPU's name"});
  s.resolve("name", std::string());  // keeps its place
  kind.count = s.get<std::int32_t>({.key = "count",
                                    .doc = "Equal nodes in the group.",
                                    .fallback = 1,
                                    .min = 1,
                                    .max = 100'000});
  const std::string gpu = s.get<std::string>({.key = "gpu", .doc = "A GPU of the catalogue."});
  const std::string model =
      s.get<std::string>({.key = "model", .doc = "A model of the catalogue."});
  const GpuSpec* gpu_spec = look_up(s, "gpu", "GPU", gpu, catalogue.gpus);
  const ModelSpec* model_spec = look_up(s, "model", "model", model, catalogue.models);
  kind.gpu = gpu_spec != nullptr ? *gpu_spec : GpuSpec{};
  kind.model = model_spec != nullptr ? *model_spec : ModelSpec{};
  kind.tensor_parallel = s.get<std::int32_t>(
      {.key = "tensor_parallel",
       .doc = "GPUs per node. Divides the model's heads. Divides its KV heads or is "
              "a multiple of them (then they are copied).",
       .fallback = 1,
       .min = 1,
       .max = 64});
  if (model_spec != nullptr && s.sound()) {
    check_degree(s, kind);
  }
  read_profile(s, catalogue, kind);
  std::optional<std::int32_t> max_model_len, kv_blocks;
  s.section(
      "engine", "The serving engine and its limits.",
      [&](Section& e) {
        read_engine(e, catalogue, kind, gpu_spec != nullptr, max_model_len, kv_blocks);
        if (s.sound()) {
          fit_memory(s, e, kind, max_model_len, kv_blocks);
          e.resolve("max_model_len", kind.settings.rules.max_model_len);
        }
      },
      "version");
  s.section(
      "machine",
      "Host time that the machine adds to each step. `calibrate --host` fits it to a measured "
      "run.",
      [&](Section& m) { read_machine(m, kind); });
  s.section("failures",
            "Crashes, at exponential intervals. A node that crashes loses its KV cache.",
            [&](Section& f) { read_failures(f, kind); });
  s.section("slowdowns", "Slow spells, at exponential intervals. Estimates do not include them.",
            [&](Section& f) { read_slowdowns(f, kind); });
  name_kind(s, name, others, kind);
  s.resolve("name", kind.name);
  return kind;
}

}  // namespace

void read_nodes(Section& root, Catalogue& catalogue, Draft& draft) {
  std::vector<NodeKind>& kinds = draft.scenario.kinds;
  root.list("nodes", "Groups of equal LLM nodes: one model on one or more GPUs of one type.", "",
            [&](Section& s, std::size_t) {
              draft.node_places.push_back(s.place());
              kinds.push_back(read_node(s, catalogue, kinds));
            });
  std::int64_t total = 0;
  for (const NodeKind& kind : kinds) {
    total += kind.count;
  }
  if (root.sound() && total > 100'000) {
    root.fault("nodes", std::to_string(total) + " nodes are too many (expected at most 100000)");
  }
}

}  // namespace yardmaster
