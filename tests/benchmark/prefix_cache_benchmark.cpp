// The KV memory alone: all its operations for a request of a Mooncake-like hour on eight nodes, and
// the copy of a full cache. The trace itself is replayed where YARDMASTER_DATA has it.
#include "env/node/prefix_cache.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "env/base/random.h"
#include "env/node/kv_block.h"
#include "env/workload/trace.h"
#include "tests/support/data.h"

namespace yardmaster {
namespace {

constexpr std::uint32_t kNodes = 8;

/// Conversations in turns: each continues its last prompt with 512 to 2,560 tokens, on one
/// of four system prompts; 12,000 requests of 750 blocks on average, as in Mooncake's hour.
Trace conversations() {
  constexpr std::uint32_t kRequests = 12'000, kOpen = 400;
  Trace trace;
  PathBuilder builder(32);
  std::vector<std::vector<std::uint64_t>> open(kOpen);
  std::uint64_t next_id = 4;
  for (std::uint32_t i = 0; i < kRequests; ++i) {
    const Draw draw{Seed{1}, Purpose::arrival, object_address(0, i)};
    std::vector<std::uint64_t>& ids = open[draw.below(kOpen, 0)];
    if (ids.empty() || draw.below(6, 1) == 0) {
      ids.assign(1, draw.below(4, 2));
      ids.resize(1 + draw.below(25, 3), 0);
      for (std::size_t j = 1; j < ids.size(); ++j) {
        ids[j] = next_id++;
      }
    }
    for (std::uint32_t more = 1 + draw.below(5, 4); more > 0; --more) {
      ids.push_back(next_id++);
    }
    TraceRow row;
    row.prompt_tokens = static_cast<std::int32_t>(512 * ids.size());
    row.output_tokens = 343;
    row.path = static_cast<PathId>(i);
    if (!builder.add(ids, row.prompt_tokens / kBlockTokens)) {
      std::abort();
    }
    trace.rows.push_back(row);
  }
  trace.paths = builder.build();
  return trace;
}

/// The hour of the large set (tests/data/README.md); empty where that is absent.
Trace mooncake() {
  const LargeDataFile file("traces/mooncake_conversation.jsonl.gz");
  yaml::Faults faults;
  return file.exists() ? read_trace(file.path(), kBlockTokens, faults) : Trace{};
}

/// Eight nodes with the caches and the requests that run there.
struct Fleet {
  struct Running {
    HolderId holder;
    std::uint32_t row;
  };
  std::vector<PrefixCache> caches;
  std::vector<std::deque<Running>> running{kNodes};
  std::int64_t hit_blocks = 0;

  explicit Fleet(std::int32_t blocks)
      : caches(kNodes, PrefixCache(blocks, FreedBlocks::unhashed_to_front)) {}
};

PromptPath path_of(const Trace& trace, std::uint32_t row) {
  return trace.paths.path(trace.rows[row].path, object_address(0, row));
}

/// The output in one go, then the end.
void finish_oldest(Fleet& fleet, const Trace& trace, std::size_t node) {
  PrefixCache& cache = fleet.caches[node];
  const Fleet::Running r = fleet.running[node].front();
  fleet.running[node].pop_front();
  const TraceRow& row = trace.rows[r.row];
  const std::int32_t tokens = row.prompt_tokens + row.output_tokens;
  const std::int32_t blocks = (tokens + kBlockTokens - 1) / kBlockTokens;
  cache.take(r.holder, std::min(blocks - cache.held(r.holder), cache.free_blocks()));
  cache.publish(r.holder, path_of(trace, r.row),
                std::min(tokens / kBlockTokens, cache.held(r.holder)));
  cache.release(r.holder);
}

/// Lookup, admission, and the prompt in chunks of 8,192 tokens.
void start(Fleet& fleet, const Trace& trace, std::uint32_t row, std::size_t node) {
  constexpr std::int32_t kChunkBlocks = 512, kRoom = 64;
  constexpr std::size_t kSeats = 16;
  PrefixCache& cache = fleet.caches[node];
  const PromptPath path = path_of(trace, row);
  const std::int32_t prompt = trace.rows[row].prompt_tokens;
  const std::int32_t blocks = (prompt + kBlockTokens - 1) / kBlockTokens;
  PrefixHit hit = cache.lookup(path, (prompt - 1) / kBlockTokens);
  while (fleet.running[node].size() >= kSeats ||
         blocks - hit.blocks + hit.idle + kRoom > cache.free_blocks()) {
    finish_oldest(fleet, trace, node);
    hit = cache.lookup(path, (prompt - 1) / kBlockTokens);
  }
  fleet.hit_blocks += hit.blocks;
  const HolderId h = cache.admit(path, hit.blocks);
  while (cache.held(h) < blocks) {
    cache.take(h, std::min(kChunkBlocks, blocks - cache.held(h)));
    cache.publish(h, path, std::min(cache.held(h), prompt / kBlockTokens));
  }
  fleet.running[node].push_back({h, row});
}

/// The node of a conversation: by its first shared run that is not a system prompt's.
std::size_t node_of(const Trace& trace, std::uint32_t row) {
  const auto shared = trace.paths.shared(trace.rows[row].path);
  return shared.empty() ? row % kNodes : static_cast<std::uint64_t>(shared.back().run) % kNodes;
}

Fleet replay(const Trace& trace, std::int32_t blocks) {
  Fleet fleet(blocks);
  for (std::uint32_t row = 0; row < trace.rows.size(); ++row) {
    start(fleet, trace, row, node_of(trace, row));
  }
  return fleet;
}

void all_operations(benchmark::State& state, const Trace& trace) {
  if (trace.rows.empty()) {
    state.SkipWithError("no trace: YARDMASTER_DATA is not set (tests/data/README.md)");
    return;
  }
  std::int64_t hits = 0;
  for (auto _ : state) {
    hits = replay(trace, static_cast<std::int32_t>(state.range(0))).hit_blocks;
  }
  const auto requests = static_cast<double>(trace.rows.size());
  state.counters["s_per_request"] = benchmark::Counter(
      requests, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["hit_blocks_per_request"] = static_cast<double>(hits) / requests;
}

void conversation_requests(benchmark::State& state) {
  static const Trace kTrace = conversations();
  all_operations(state, kTrace);
}
void mooncake_requests(benchmark::State& state) {
  static const Trace kTrace = mooncake();
  all_operations(state, kTrace);
}

void copy_of_a_full_cache(benchmark::State& state) {
  static const Trace kTrace = conversations();
  const Fleet fleet = replay(kTrace, static_cast<std::int32_t>(state.range(0)));
  PrefixCache copy = fleet.caches[0];
  for (auto _ : state) {
    copy = fleet.caches[0];
    benchmark::DoNotOptimize(copy);
    benchmark::ClobberMemory();
  }
  state.counters["pieces"] = static_cast<double>(fleet.caches[0].pieces());
}

BENCHMARK(conversation_requests)
    ->ArgName("blocks")
    ->Arg(20'000)
    ->Arg(120'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(mooncake_requests)
    ->ArgName("blocks")
    ->Arg(20'000)
    ->Arg(120'000)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(copy_of_a_full_cache)->ArgName("blocks")->Arg(20'000)->Arg(120'000);

}  // namespace
}  // namespace yardmaster
