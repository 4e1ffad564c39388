#include "env/rl/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "env/rl/usage_error.h"

namespace yardmaster {
namespace {

TEST(ThreadPool, CallsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<int> calls(1000, 0);
    pool.run(calls.size(), [&](std::size_t i) { ++calls[i]; });
    EXPECT_EQ(calls, std::vector<int>(1000, 1));
    pool.run(0, [&](std::size_t i) { ++calls[i]; });
    EXPECT_EQ(calls, std::vector<int>(1000, 1));
  }
}

TEST(ThreadPool, TheExceptionOfTheSmallestIndexReachesTheCallerAndAllOthersAreCalled) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::atomic<int> calls{0};
      try {
        pool.run(100, [&](std::size_t i) {
          ++calls;
          if (i % 30 == 13) {
            throw std::runtime_error(std::to_string(i));
          }
        });
        ADD_FAILURE() << "no exception on " << threads << " threads";
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(std::string(error.what()), "13");
      }
      EXPECT_EQ(calls, 100);
    }
  }
}

TEST(ThreadPool, CanBeUsedAgainAfterAnException) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.run(8, [](std::size_t) { throw UsageError("all"); }), UsageError);
  std::atomic<int> calls{0};
  pool.run(8, [&](std::size_t) { ++calls; });
  EXPECT_EQ(calls, 8);
}

TEST(ThreadPool, NeedsAThread) { EXPECT_THROW(ThreadPool(0), UsageError); }

}  // namespace
}  // namespace yardmaster
