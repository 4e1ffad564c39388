#include "env/hardware/catalogue.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <system_error>
#include <utility>

namespace yardmaster {

namespace {

using yaml::Section;

constexpr double kMostShare = 1.5;  // above 1, because cards may boost above their rated clock

double seconds(Section& s, std::string_view key, std::string_view doc) {
  return s.get<Duration>({.key = key, .doc = doc}).seconds();
}

double share(Section& s, std::string_view key, std::string_view doc) {
  return s.get<double>({.key = key, .doc = doc, .min = 0.01, .max = kMostShare});
}

double optional_share(Section& s, std::string_view key, std::string_view doc) {
  return s.get<double>({.key = key, .doc = doc, .fallback = 0.0, .min = 0.0, .max = kMostShare});
}

void source(Section& s) {
  s.get<std::string>({.key = "source", .doc = "Where the figures come from, and their errors."});
}

GemmSpec read_gemm(Section& s) {
  GemmSpec gemm;
  source(s);
  gemm.flops = s.get<yaml::FlopPerSecond>({.key = "flops", .doc = "Dense peak."}).value;
  gemm.flop_share = share(s, "flop_share", "e_f: share of the peak in large GEMMs.");
  gemm.weight_share = share(s, "weight_share", "e_m: share of bandwidth while reading weights.");
  gemm.activation_share = optional_share(
      s, "activation_share", "Share of bandwidth in element-wise kernels. 0: included in the fit.");
  gemm.layer_s = seconds(s, "layer", "c: constant time per layer.");
  gemm.knee_share =
      optional_share(s, "knee_share", "rho: below the knee a token costs this share.");
  gemm.knee_tokens = s.get<double>({.key = "knee_tokens",
                                    .doc = "K: tokens at the knee. 0: no knee.",
                                    .fallback = 0.0,
                                    .min = 0.0});
  return gemm;
}

AttentionSpec read_attention(Section& s) {
  AttentionSpec a;
  source(s);
  a.kv_share_bf16 = optional_share(
      s, "kv_share_bf16", "e_kv: share of bandwidth while reading bf16 KV. 0: not measured.");
  a.kv_share_fp8 = optional_share(s, "kv_share_fp8", "The same for fp8 KV.");
  a.decode_s = seconds(s, "decode", "a0: decode attention, per layer.");
  a.decode_sequence_s = seconds(s, "decode_sequence", "a1: the same, per layer and sequence.");
  a.prefill_s = seconds(s, "prefill", "p0: prefill attention, per layer.");
  a.prefill_head_token_s =
      seconds(s, "prefill_head_token", "p1: the same, per layer, head and token.");
  a.prefill_share = share(s, "prefill_share", "e_a: share of the bf16 peak in prefill attention.");
  a.mixed_group_factor = s.get<double>(
      {.key = "mixed_group_factor",
       .doc =
           "In steps with prefill, reading KV costs max(1, this x heads / kv_heads) times as much.",
       .fallback = 0.0,
       .min = 0.0,
       .max = 10.0});
  return a;
}

LinkSpec read_link(Section& s) {
  LinkSpec link;
  source(s);
  link.bandwidth =
      s.get<yaml::BytesPerSecond>({.key = "bandwidth", .doc = "Of one GPU in an all-reduce."})
          .value;
  link.latency_s = seconds(s, "latency", "Constant time per all-reduce.");
  return link;
}

GpuSpec read_gpu(Section& s, const std::string& name) {
  GpuSpec gpu;
  gpu.name = name;
  source(s);
  gpu.memory_bytes =
      s.get<yaml::Bytes>(
           {.key = "memory", .doc = "Usable, as reported by the driver.", .min = yaml::Bytes{1e6}})
          .value;
  gpu.memory_bandwidth =
      s.get<yaml::BytesPerSecond>(
           {.key = "memory_bandwidth", .doc = "Nominal.", .min = yaml::BytesPerSecond{1e6}})
          .value;
  gpu.large = s.get<bool>(
      {.key = "large", .doc = "Engines use their larger default limits on it.", .fallback = false});
  gpu.multiprocessors = s.get<std::int32_t>(
      {.key = "multiprocessors", .doc = "0: unknown.", .fallback = 0, .min = 0});
  gpu.power_w = s.get<yaml::Watts>({.key = "power",
                                    .doc = "Power cap. For the record: no run reads it.",
                                    .fallback = yaml::Watts{0}})
                    .value;
  gpu.price_usd_per_h =
      s.get<yaml::UsdPerHour>({.key = "price",
                               .doc = "Of one GPU. For the record: no run reads it.",
                               .fallback = yaml::UsdPerHour{0}})
          .value;
  s.optional_section("bf16", "Linear layers in bf16.",
                     [&](Section& g) { gpu.bf16 = read_gemm(g); });
  s.optional_section("fp8", "Linear layers in fp8.", [&](Section& g) { gpu.fp8 = read_gemm(g); });
  s.section("attention", "Attention of one layer.",
            [&](Section& a) { gpu.attention = read_attention(a); });
  s.optional_section("link", "All-reduce between GPUs. Without it, no tensor parallelism.",
                     [&](Section& l) { gpu.link = read_link(l); });
  return gpu;
}

std::int32_t whole(Section& s, std::string_view key, std::string_view doc) {
  return s.get<std::int32_t>({.key = key, .doc = doc, .min = 1});
}

ModelSpec read_model(Section& s, const std::string& name) {
  const yaml::Words<Dtype> formats = {{"bf16", Dtype::bf16}, {"fp8", Dtype::fp8}};
  ModelSpec model;
  model.name = name;
  source(s);
  model.parameters =
      s.get<double>({.key = "parameters", .doc = "All of them, including embeddings.", .min = 1.0});
  model.active_parameters =
      s.get<double>({.key = "active_parameters", .doc = "Those that one token uses.", .min = 1.0});
  model.layers = whole(s, "layers", "Transformer layers.");
  model.hidden = whole(s, "hidden", "Width.");
  model.heads = whole(s, "heads", "Query heads.");
  model.kv_heads = whole(s, "kv_heads", "Key and value heads.");
  model.head_dim = whole(s, "head_dim", "Width of a head.");
  model.intermediate = whole(s, "intermediate", "Width of the feed-forward layer.");
  s.optional_section("experts", "Mixture of experts. Absent: a dense model.", [&](Section& e) {
    source(e);
    model.experts = whole(e, "count", "Per layer.");
    model.experts_per_token = whole(e, "per_token", "Those to which a token is routed.");
    model.expert_intermediate = whole(e, "intermediate", "Width of one.");
  });
  model.vocabulary = whole(s, "vocabulary", "Tokens.");
  model.max_context_tokens =
      whole(s, "max_context_tokens", "The most tokens of prompt and output together.");
  model.weights =
      s.choice({.key = "weights", .doc = "Number format.", .fallback = "bf16"}, formats);
  model.kv =
      s.choice({.key = "kv", .doc = "Number format of the KV cache.", .fallback = "bf16"}, formats);
  if (s.sound() && model.active_parameters > model.parameters) {
    s.fault("active_parameters", "exceeds parameters");
  }
  if (s.sound() && model.experts_per_token > model.experts) {
    s.fault("experts", "per_token exceeds count");
  }
  return model;
}

EngineSpec read_engine(Section& s, const std::string& name) {
  EngineSpec engine;
  engine.name = name;
  source(s);
  engine.rules = s.get<std::string>(
      {.key = "rules",
       .doc = "The vLLM version whose scheduling rules it follows: 0.19, or 0.30 and later.",
       .fallback = "0.32"});
  engine.asynchronous = s.get<bool>(
      {.key = "asynchronous", .doc = "Step k + 2 is planned when step k ends.", .fallback = true});
  engine.step_s = seconds(s, "step", "h0: host time per step.");
  engine.sequence_s = seconds(s, "sequence", "h1: host time per step and sequence.");
  engine.uncaptured_step_s =
      s.get<Duration>({.key = "uncaptured_step",
                       .doc = "Extra host time per step beyond the captured graph sizes.",
                       .fallback = Duration::zero()})
          .seconds();
  engine.max_num_seqs = whole(s, "max_num_seqs", "Default limit of running requests.");
  engine.max_num_batched_tokens =
      whole(s, "max_num_batched_tokens", "Default token budget of a step.");
  engine.max_num_seqs_large = whole(s, "max_num_seqs_large", "The same on large GPUs.");
  engine.max_num_batched_tokens_large =
      whole(s, "max_num_batched_tokens_large", "The same on large GPUs.");
  engine.memory_utilisation = s.get<double>({.key = "memory_utilisation",
                                             .doc = "Share of GPU memory that it uses.",
                                             .min = 0.01,
                                             .max = 1.0});
  return engine;
}

/// An axis of a table: points in increasing order.
std::vector<double> read_axis(Section& s, std::string_view key, std::string_view doc) {
  std::vector<double> axis = s.list_of<double>({.key = key, .doc = doc, .min = 0.0}, {});
  const auto not_rising = std::adjacent_find(axis.begin(), axis.end(), std::greater_equal<>());
  if (s.sound() && (axis.size() < 2 || not_rising != axis.end())) {
    s.fault(key, "must hold at least two points in increasing order");
  }
  return axis;
}

/// Microseconds at each point of a grid of `points` points.
std::vector<double> read_times(Section& s, std::string_view key, std::string_view doc,
                               std::size_t points) {
  std::vector<double> times = s.list_of<double>({.key = key, .doc = doc, .min = 0.0}, {});
  if (s.sound() && times.size() != points) {
    s.fault(key, "has " + std::to_string(times.size()) + " values (expected " +
                     std::to_string(points) + ", one per point of its axes)");
  }
  return times;
}

void read_attention_tables(Section& s, StepProfile& p) {
  p.decodes = read_axis(s, "decodes", "Sequences.");
  p.contexts = read_axis(s, "contexts", "Context tokens of each.");
  p.decode_us = read_times(s, "decode_us", "Attention of decode-only steps, by the two axes above.",
                           p.decodes.size() * p.contexts.size());
  p.chunks = read_axis(s, "chunks", "Tokens of the largest chunk.");
  p.histories = read_axis(s, "histories", "Tokens of its prompt that were computed before.");
  p.mixed_decodes = read_axis(s, "mixed_decodes", "Sequences that decode beside it.");
  p.mixed_contexts = read_axis(s, "mixed_contexts", "Context tokens of each.");
  p.mixed_us = read_times(
      s, "mixed_us",
      "Attention of steps with a chunk, by the four axes above, the last one fastest.",
      p.chunks.size() * p.histories.size() * p.mixed_decodes.size() * p.mixed_contexts.size());
  const auto number = [&](std::string_view key, std::string_view doc) {
    return s.get<double>({.key = key, .doc = doc, .fallback = 0.0, .min = 0.0});
  };
  p.other_token_us = number("other_token_us", "Further chunks of a step, per token.");
  p.other_pair_us = number("other_pair_us", "The same, per half (query, key) pair.");
  p.unsplit_decodes = s.get<std::int32_t>(
      {.key = "unsplit_decodes",
       .doc =
           "From this number of decodes on, the kernel does not split contexts. 0: it always does.",
       .fallback = 0,
       .min = 0});
  p.skew_us =
      number("skew_us", "From then on, per token by which the longest context exceeds the mean.");
  p.floor_us = number("floor_us",
                      "From then on, the least time of a step, per token of the longest context.");
}

StepProfile read_profile(Section& s, const std::string& name) {
  StepProfile p;
  p.name = name;
  source(s);
  p.gpu = s.get<std::string>({.key = "gpu", .doc = "A GPU of the catalogue."});
  p.model = s.get<std::string>({.key = "model", .doc = "A model of the catalogue."});
  p.tensor_parallel = s.get<std::int32_t>(
      {.key = "tensor_parallel", .doc = "GPUs of one node.", .fallback = 1, .min = 1});
  p.tokens = read_axis(s, "tokens", "Per step. Between two points the larger counts.");
  p.dense_us = read_times(
      s, "dense_us", "Kernels of all layers except attention, and the embedding.", p.tokens.size());
  if (s.has("experts_us") || s.describing()) {
    p.experts_us = read_times(s, "experts_us", "Experts of all layers. Absent: a dense model.",
                              p.tokens.size());
  }
  p.sequences = read_axis(s, "sequences", "Entries of the batch.");
  p.head_us = read_times(s, "head_us", "Output head and sampler.", p.sequences.size());
  read_attention_tables(s, p);
  return p;
}

template <class Spec>
void keep(std::vector<CatalogueEntry<Spec>>& entries, Spec spec, const yaml::Node& resolved) {
  for (CatalogueEntry<Spec>& entry : entries) {
    if (entry.spec.name == spec.name) {
      entry = {std::move(spec), resolved};
      return;
    }
  }
  entries.push_back({std::move(spec), resolved});
}

}  // namespace

std::string catalogue_folder(const std::string& scenario_path) {
  namespace fs = std::filesystem;
  if (const char* folder = std::getenv("YARDMASTER_CATALOGUE");
      folder != nullptr && *folder != '\0') {
    return folder;
  }
  std::error_code ignored;
  const fs::path beside = fs::path(scenario_path).parent_path();
  const fs::path command = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  const fs::path source_tree = fs::path(__FILE__).parent_path() / "../../scenarios/catalogue";
  for (const fs::path& folder :
       {beside / "catalogue", beside / "../catalogue", beside / "../scenarios/catalogue",
        command / "../share/yardmaster/scenarios/catalogue"}) {
    if (fs::exists(folder / "gpus.yaml", ignored)) {
      return folder.lexically_normal().string();
    }
  }
  return source_tree.lexically_normal().string();
}

void load_catalogue(const std::string& folder, Catalogue& catalogue, yaml::Faults& faults) {
  catalogue.folder = folder;
  for (const char* kind : {"gpus", "models", "engines"}) {
    const std::string path = folder + "/" + kind + ".yaml";
    yaml::Node root;
    root.kind = yaml::Node::Kind::map;
    root.place = {path, 0, 0};
    root.entries.push_back({kind, root.place, yaml::parse_file(path, faults)});
    Section section(root, faults);
    read_catalogue(section, catalogue);
  }
}

std::string profile_name(const std::string& gpu, const std::string& model, int tensor_parallel) {
  return gpu + "_" + model + "_tp" + std::to_string(tensor_parallel);
}

const StepProfile* find_profile(Catalogue& catalogue, const std::string& name,
                                yaml::Faults& faults) {
  const std::string path = catalogue.folder + "/profiles/" + name + ".yaml";
  std::error_code ignored;
  if (find_entry(catalogue.profiles, name) == nullptr && !catalogue.folder.empty() &&
      std::filesystem::exists(path, ignored)) {
    const yaml::Node tree = yaml::parse_file(path, faults);
    Section section(tree, faults);
    read_catalogue(section, catalogue);
    section.finish();
  }
  const auto* entry = find_entry(catalogue.profiles, name);
  return entry != nullptr ? &entry->spec : nullptr;
}

void read_catalogue(Section& s, Catalogue& catalogue) {
  s.named("gpus", "GPU types.", "NAME", [&](Section& entry, const std::string& name) {
    GpuSpec gpu = read_gpu(entry, name);
    keep(catalogue.gpus, std::move(gpu), entry.resolved());
  });
  s.named("models", "Models.", "NAME", [&](Section& entry, const std::string& name) {
    ModelSpec model = read_model(entry, name);
    keep(catalogue.models, std::move(model), entry.resolved());
  });
  s.named("engines", "Engine versions.", "NAME", [&](Section& entry, const std::string& name) {
    EngineSpec engine = read_engine(entry, name);
    keep(catalogue.engines, std::move(engine), entry.resolved());
  });
  s.named("profiles", "Measured step times of a GPU, model and degree, made by `calibrate`.",
          "NAME", [&](Section& entry, const std::string& name) {
            StepProfile profile = read_profile(entry, name);
            keep(catalogue.profiles, std::move(profile), entry.resolved());
          });
}

}  // namespace yardmaster
