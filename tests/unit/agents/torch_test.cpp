// The two forward passes of one network: LibTorch trains it, agents/network.cpp decides by it.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "agents/trainer.h"
#include "env/base/random.h"

namespace yardmaster {
namespace {

std::vector<float> noise(std::size_t size, std::uint32_t which, double scale) {
  std::vector<float> out(size);
  for (std::size_t i = 0; i < size; ++i) {
    const Draw draw{Seed{21}, Purpose::weights,
                    object_address(which, static_cast<std::uint32_t>(i))};
    out[i] = static_cast<float>(std::clamp(scale * draw.normal(), -6.0, 6.0));
  }
  return out;
}

TEST(Torch, ForwardPassAgreesWithTheOneThatDecides) {
  const std::filesystem::path module =
      std::filesystem::path(YARDMASTER_COMMAND).parent_path() / "yardmaster_torch.so";
  if (!std::filesystem::exists(module)) {
    GTEST_SKIP() << "built without LibTorch";
  }
  void* const handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << ::dlerror();
  const auto by_torch =
      reinterpret_cast<TorchForwardFunction>(::dlsym(handle, kTorchForwardSymbol));
  ASSERT_NE(by_torch, nullptr);

  const NetworkShape shape{31, 19, 64};
  NetworkWeights weights = NetworkWeights::initial(shape, 5);
  std::uint32_t which = 100;
  for (const std::span<float> tensor : weights.tensors()) {
    const std::vector<float> more = noise(tensor.size(), which++, 0.1);
    std::transform(tensor.begin(), tensor.end(), more.begin(), tensor.begin(), std::plus<>());
  }
  for (std::uint32_t k = 0; k < 50; ++k) {
    const std::size_t nodes = 2 + k % 15;
    const std::vector<float> rows = noise(nodes * shape.node, 1000 + k, 1),
                             shared = noise(shape.shared, 2000 + k, 1);
    std::vector<float> ours(nodes), theirs(nodes);
    float value = 0;
    score_nodes(weights, rows, shared, ours);
    by_torch(&weights, rows.data(), nodes, shared.data(), theirs.data(), &value);
    for (std::size_t n = 0; n < nodes; ++n) {
      EXPECT_NEAR(ours[n], theirs[n], 1e-4);
    }
    EXPECT_NEAR(state_value(weights, rows, shared), value, 1e-4);
    EXPECT_EQ(std::max_element(ours.begin(), ours.end()) - ours.begin(),
              std::max_element(theirs.begin(), theirs.end()) - theirs.begin());
  }
}

}  // namespace
}  // namespace yardmaster
