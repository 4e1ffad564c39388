#include "env/node/admission.h"

#include <gtest/gtest.h>

#include <limits>

namespace yardmaster {
namespace {

constexpr std::int32_t kNoCap = std::numeric_limits<std::int32_t>::max();

/// Rules of 4 seats for sequences of up to 160 tokens, which are 10 blocks.
NodeRules rules() {
  NodeRules r;
  r.max_num_seqs = 4;
  r.max_model_len = 160;
  return r;
}

TEST(Admission, IsOpenWhileBudgetAndASeatAreLeft) {
  const NodeRules r = rules();
  EXPECT_TRUE((Admission{r, 1, kNoCap, 0}.open(3)));
  EXPECT_FALSE((Admission{r, 1, kNoCap, 0}.open(4)));
  EXPECT_FALSE((Admission{r, 0, kNoCap, 0}.open(0)));
}

TEST(Admission, AChunkIsCutByTheBudgetAndByTheCap) {
  const NodeRules r = rules();
  EXPECT_EQ((Admission{r, 500, kNoCap, 0}.chunk(100, {})), 100);
  EXPECT_EQ((Admission{r, 70, kNoCap, 0}.chunk(100, {})), 70);
  EXPECT_EQ((Admission{r, 70, 40, 0}.chunk(100, {})), 40);
}

TEST(Admission, ReservingTheSequenceAsksForAllItsBlocksAndNotReservingForThoseOfTheChunk) {
  NodeRules r = rules();
  // 100 tokens are 7 blocks, a chunk of 40 is 3.
  EXPECT_TRUE((Admission{r, 40, kNoCap, 7}.fits(100, {}, 0)));
  EXPECT_FALSE((Admission{r, 40, kNoCap, 6}.fits(100, {}, 0)));
  r.reserve_full_isl = false;
  EXPECT_TRUE((Admission{r, 40, kNoCap, 3}.fits(100, {}, 0)));
  EXPECT_FALSE((Admission{r, 40, kNoCap, 2}.fits(100, {}, 0)));
}

TEST(Admission, NoMoreIsReservedThanTheModelsLength) {
  const NodeRules r = rules();
  EXPECT_TRUE((Admission{r, 40, kNoCap, 10}.fits(1000, {}, 0)));
  EXPECT_FALSE((Admission{r, 40, kNoCap, 9}.fits(1000, {}, 0)));
}

TEST(Admission, TheWatermarkStaysFreeBesideRunningRequestsOnly) {
  NodeRules r = rules();
  r.watermark_blocks = 2;
  const Admission left{r, 100, kNoCap, 8};  // 100 tokens are 7 blocks
  EXPECT_TRUE(left.fits(100, {}, 0));
  EXPECT_FALSE(left.fits(100, {}, 1));
  EXPECT_TRUE((Admission{r, 100, kNoCap, 9}.fits(100, {}, 1)));
}

TEST(Admission, BlocksThatWereFoundAreNotAskedForUnlessNoRequestHoldsThem) {
  const NodeRules r = rules();
  const FoundPrefix held{.tokens = 64, .blocks = 4, .idle = 0};
  const FoundPrefix idle{.tokens = 64, .blocks = 4, .idle = 4};
  const Admission left{r, 500, kNoCap, 3};
  EXPECT_EQ(left.chunk(100, held), 36);
  EXPECT_TRUE(left.fits(100, held, 1));
  EXPECT_FALSE(left.fits(100, idle, 1));
  EXPECT_TRUE((Admission{r, 500, kNoCap, 7}.fits(100, idle, 1)));
}

TEST(Admission, AnAdmittedRequestTakesItsChunkAndTheBlocksForItAndWakesIdleOnes) {
  const NodeRules r = rules();
  Admission left{r, 50, kNoCap, 10};
  left.take(36,
            {.tokens = 64, .blocks = 4, .idle = 1});  // to 100 tokens: 3 blocks, and the idle one
  EXPECT_EQ(left.tokens, 14);
  EXPECT_EQ(left.free_blocks, 6);
}

}  // namespace
}  // namespace yardmaster
