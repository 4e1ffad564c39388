// Do tables reproduce their measurements, and have the properties that the node's closed forms
// require?
#include "env/hardware/step_table.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "env/base/random.h"
#include "env/hardware/step_cost.h"
#include "tests/unit/hardware/specimens.h"

namespace yardmaster {
namespace {

constexpr std::int32_t kSequences = 16;
constexpr std::int64_t kPsPerUs = kPsPerMicrosecond;

StepTable table() { return {specimens::profile(), kSequences, 1}; }

StepCost cost() {
  return {specimens::profile(), specimens::gpu(), specimens::model(), specimens::engine(),
          StepLimits{kSequences, 2048}};
}

TEST(StepTable, ReproducesMeasurementsAtTheirPoints) {
  const StepTable t = table();
  EXPECT_NEAR(static_cast<double>(t.decode(4, 4 * 256, 0).first_ps), 151.2e6, 1e4);
  EXPECT_NEAR(static_cast<double>(t.chunk(128, 128 * (2 * 512 + 128), 8, 8 * 1024).ps),
              (150 + 128 * 5.76 + 819.2) * 1e6, 1e4);
}

TEST(StepTable, ExtrapolatesAboveTheSplitInsteadOfInterpolatingAcrossIt) {
  // Between 2 decodes, which split, and 4, which do not, the line through 4 and 8 applies.
  const double expected = 100 + 3 * 256 * 0.05;
  EXPECT_NEAR(static_cast<double>(table().decode(3, 3 * 256, 0).first_ps), expected * 1e6, 1e4);
  StepProfile profile = specimens::profile();
  for (std::size_t i = 8; i < 16; ++i) {
    profile.decode_us[i] += 1000;  // rows of 4 and 8 decodes: another kernel
  }
  const StepTable jump(profile, kSequences, 1);
  EXPECT_LT(jump.decode(2, 2 * 256, 0).first_ps, 200 * kPsPerUs);
  EXPECT_GT(jump.decode(3, 3 * 256, 0).first_ps, 1000 * kPsPerUs);
}

TEST(StepTable, NoStepIsShorterForALongerContext) {
  const StepTable t = table();
  for (std::int32_t n = 1; n <= kSequences; ++n) {
    for (std::int64_t context = 16; context < 3000; ++context) {
      ASSERT_LE(t.decode(n, n * context, 0).first_ps - kPsPerUs,
                t.decode(n, n * (context + 1), 0).first_ps)
          << n << " over " << context;
    }
  }
}

TEST(StepTable, RunOfDecodeStepsEqualsItsSingleSteps) {
  const StepCost c = cost();
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const Draw draw{Seed{1}, Purpose::tie, object_address(0, i)};
    const auto n = static_cast<std::int32_t>(1 + draw.below(kSequences, 0));
    const std::int64_t longest = 1 + draw.below(2000, 1);
    const std::int64_t sum = longest + static_cast<std::int64_t>(draw.below(
                                           static_cast<std::uint32_t>((n - 1) * longest + 1), 2));
    const DecodeRun run = c.decode_run(n, sum, longest);
    ASSERT_GE(run.steps, 1);
    const std::int64_t steps = std::min<std::int64_t>(run.steps, 1500);
    for (std::int64_t j = 0; j < steps; ++j) {
      const Duration one = c.decode_run(n, sum + n * j, longest + j).segment.first;
      ASSERT_EQ(run.segment.first + run.segment.growth * j, one)
          << n << " decodes, " << sum << " tokens, longest " << longest << ", step " << j;
    }
  }
}

TEST(StepTable, LongestContextAddsAndSetsAFloorOnlyWithoutSplitting) {
  const StepTable t = table();
  EXPECT_EQ(t.decode(2, 2000, 1500).first_ps, t.decode(2, 2000, 0).first_ps);
  // 4 decodes over 100 tokens on average, the longest over 200: 0.2 us for each of the 100
  // tokens of difference.
  EXPECT_EQ(t.decode(4, 400, 200).first_ps, t.decode(4, 400, 0).first_ps + 20 * kPsPerUs);
  EXPECT_EQ(t.decode(4, 4000, 3900).first_ps, 3900 * 350'000);
}

TEST(StepTable, DecodeTotalSumsOverItsCells) {
  const StepCost c = cost();
  Duration sum;
  for (std::int64_t j = 0; j < 1200; ++j) {
    sum += c.decode(2, 2 * (20 + j)).first;
  }
  EXPECT_EQ(c.decode_total(2, 40, 1200), sum);
}

TEST(StepTable, ChunkBeyondTheTableIsSeveralOfItsLargest) {
  const StepTable t = table();
  const auto pairs = [](std::int64_t before, std::int64_t tokens) {
    return tokens * (2 * before + tokens);
  };
  const double whole = t.chunk(512, pairs(0, 512), 0, 0).seconds();
  double parts = 0;
  for (std::int64_t before = 0; before < 512; before += 128) {
    parts += t.chunk(128, pairs(before, 128), 0, 0).seconds();
  }
  EXPECT_NEAR(whole / parts, 1, 1e-3);
}

TEST(StepTable, FurtherChunksOfAStepAreCheaperThanTheLargest) {
  const StepCost c = cost();
  MixedStep step;
  step.add_chunk(0, 100);
  const Duration one = c.mixed(step);
  step.add_chunk(50, 20);
  EXPECT_EQ(step.largest_tokens, 100);
  const double attention_us = 0.5 * 20 + 0.004 * 20 * (2 * 50 + 20);
  const StepCost plain = cost();
  EXPECT_GT(c.mixed(step), one);
  MixedStep dense;  // the same tokens as one chunk with the pairs of the largest
  dense.add_chunk(0, 100);
  dense.chunks = 2;
  dense.chunk_tokens = 120;
  EXPECT_NEAR((c.mixed(step) - plain.mixed(dense)).seconds(), (attention_us - 0.5 * 20) * 1e-6,
              1e-9);
}

TEST(StepTable, TokensBetweenTwoPointsUseTheNextPointAndExpertsInterpolate) {
  StepProfile profile = specimens::profile();
  const auto step = [&](std::int32_t tokens) {
    MixedStep s;
    s.add_chunk(0, tokens);
    return StepCost(profile, specimens::gpu(), specimens::model(), EngineSpec{},
                    StepLimits{8, 2048})
        .mixed(s);
  };
  // 17 and 63 tokens exceed graphs of 16: both run as 64, except for attention.
  const StepTable t(profile, 8, 1);
  EXPECT_EQ(step(63) - step(17), t.chunk(63, 63 * 63, 0, 0) - t.chunk(17, 17 * 17, 0, 0));
  const Duration dense = step(36);
  profile.experts_us = {100, 200, 800, 1600, 2000};
  EXPECT_EQ(step(36) - dense, Duration{1200 * kPsPerUs});
}

TEST(UnsplitDecodes, FollowFromMultiprocessorsAndHeads) {
  EXPECT_EQ(unsplit_decodes(188, 8), 33);  // measured on RTX PRO 6000
  EXPECT_EQ(unsplit_decodes(128, 8), 25);  // measured on RTX 4090
  EXPECT_EQ(unsplit_decodes(188, 4), 73);
  EXPECT_EQ(unsplit_decodes(0, 8), 0);
}

TEST(ExpertsHit, ApproachAllExpertsAsTokensGrow) {
  ModelSpec model = specimens::model();
  EXPECT_EQ(model.experts_hit(1), 1);
  model.experts = 128;
  model.experts_per_token = 8;
  EXPECT_NEAR(model.experts_hit(1), 8.0 / 128, 1e-12);
  EXPECT_NEAR(model.experts_hit(2), 1 - 0.9375 * 0.9375, 1e-12);
  EXPECT_GT(model.experts_hit(1000), 0.999);
}

}  // namespace
}  // namespace yardmaster
