#include "env/hardware/hardware.h"

#include <algorithm>

#include "env/base/math.h"

namespace yardmaster {

double GpuSpec::kv_share(Dtype dtype) const {
  return dtype == Dtype::fp8 ? attention.kv_share_fp8 : attention.kv_share_bf16;
}

bool GpuSpec::runs(const ModelSpec& model, int tensor_parallel) const {
  return gemm(model.weights).flops > 0 && bf16.flops > 0 && kv_share(model.kv) > 0 &&
         (tensor_parallel == 1 || link.bandwidth > 0);
}

double ModelSpec::kv_bytes_per_token() const {
  return 2.0 * layers * kv_heads * head_dim * bytes_of(kv);
}

double ModelSpec::kv_bytes_per_token_per_gpu(int tensor_parallel) const {
  return kv_bytes_per_token() / std::min(tensor_parallel, kv_heads);
}

double ModelSpec::table_parameters() const { return static_cast<double>(vocabulary) * hidden; }

double ModelSpec::layer_parameters() const {
  return (parameters - 2 * table_parameters()) / layers;
}

double ModelSpec::layer_active_parameters() const {
  return (active_parameters - 2 * table_parameters()) / layers;
}

double ModelSpec::expert_parameters() const { return 3.0 * hidden * expert_intermediate * experts; }

double ModelSpec::experts_hit(double tokens) const {
  if (experts <= 0) {
    return 1;
  }
  const double missed = 1 - static_cast<double>(experts_per_token) / experts;
  return missed <= 0 ? 1 : 1 - math::exp(tokens * math::log(missed));
}

double ModelSpec::weight_bytes() const {
  return layers * layer_parameters() * bytes_of(weights) +
         2 * table_parameters() * bytes_of(Dtype::bf16);
}

double ModelSpec::weight_bytes_read() const {
  return weight_bytes() - table_parameters() * bytes_of(Dtype::bf16);
}

}  // namespace yardmaster
