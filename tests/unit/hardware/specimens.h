// Specimens for tests of the step cost: round figures near those of an H100 and Llama-3.1-8B,
// independent of any catalogue.
#pragma once

#include "env/hardware/hardware.h"
#include "env/hardware/profile.h"

namespace yardmaster::specimens {

/// A GPU with every term of the formula switched on.
inline GpuSpec gpu() {
  GpuSpec gpu;
  gpu.name = "specimen";
  gpu.memory_bytes = 80e9;
  gpu.memory_bandwidth = 3e12;
  gpu.bf16 = {.flops = 1e15,
              .flop_share = 0.8,
              .weight_share = 0.9,
              .activation_share = 0.9,
              .layer_s = 15e-6,
              .knee_share = 0.2,
              .knee_tokens = 300};
  gpu.fp8 = {.flops = 2e15,
             .flop_share = 0.6,
             .weight_share = 0.9,
             .activation_share = 0.9,
             .layer_s = 25e-6,
             .knee_share = 0.5,
             .knee_tokens = 400};
  gpu.attention = {.kv_share_bf16 = 0.9,
                   .kv_share_fp8 = 0.8,
                   .decode_s = 10e-6,
                   .decode_sequence_s = 0.03e-6,
                   .prefill_s = 9e-6,
                   .prefill_head_token_s = 0.3e-9,
                   .prefill_share = 0.75,
                   .mixed_group_factor = 0.5};
  gpu.link = {.bandwidth = 300e9, .latency_s = 5e-6};
  return gpu;
}

/// A dense model with grouped-query attention.
inline ModelSpec model() {
  ModelSpec model;
  model.name = "specimen";
  model.parameters = model.active_parameters = 8e9;
  model.layers = 32;
  model.hidden = 4096;
  model.heads = 32;
  model.kv_heads = 8;
  model.head_dim = 128;
  model.intermediate = 14336;
  model.vocabulary = 128000;
  model.max_context_tokens = 131072;
  return model;
}

/// Tables with a kink at every point, waits for the longest context from three decodes on, and
/// times that do not rise monotonically with the context.
inline StepProfile profile() {
  StepProfile p;
  p.name = "specimen";
  p.gpu = p.model = "specimen";
  p.tokens = {1, 2, 8, 64, 512};
  p.dense_us = {5000, 5100, 5300, 6000, 20000};
  p.sequences = {1, 16};
  p.head_us = {300, 420};
  p.decodes = {1, 2, 4, 8};
  p.contexts = {16, 128, 256, 1024};
  for (const double n : p.decodes) {
    for (const double context : p.contexts) {
      const double waver = context == 128 ? 3 : 0;
      p.decode_us.push_back(100 + waver + n * context * (context > 500 ? 0.09 : 0.05));
    }
  }
  p.chunks = {16, 128};
  p.histories = {0, 512};
  p.mixed_decodes = {0, 1, 8};
  p.mixed_contexts = {16, 1024};
  for (const double chunk : p.chunks) {
    for (const double history : p.histories) {
      for (const double n : p.mixed_decodes) {
        for (const double context : p.mixed_contexts) {
          p.mixed_us.push_back(150 + chunk * (history + chunk / 2) / 100 + n * context * 0.1);
        }
      }
    }
  }
  p.other_token_us = 0.5;
  p.other_pair_us = 0.004;
  p.unsplit_decodes = 3;
  p.skew_us = 0.2;
  p.floor_us = 0.35;
  return p;
}

/// An engine with every host overhead.
inline EngineSpec engine() {
  EngineSpec engine;
  engine.name = "specimen";
  engine.step_s = 1e-3;
  engine.sequence_s = 20e-6;
  engine.uncaptured_step_s = 2e-3;
  return engine;
}

}  // namespace yardmaster::specimens
