// Strong indices and the address of a task.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace yardmaster {

/// Index of a serving node in the fleet, in the order of the scenario.
enum class NodeId : std::uint32_t {};
/// Index of a live task in the simulation's table; reused after the task has ended.
enum class TaskSlot : std::uint32_t {};

inline constexpr NodeId kNoNode{0xFFFFFFFFU};
inline constexpr TaskSlot kNoTask{0xFFFFFFFFU};

constexpr std::size_t index(NodeId id) { return static_cast<std::size_t>(id); }
constexpr std::size_t index(TaskSlot slot) { return static_cast<std::size_t>(slot); }
constexpr NodeId node_id(std::size_t i) { return static_cast<NodeId>(i); }

/// Where a task stands in the work that was submitted: what no policy can move. Chance and facts
/// are addressed by it, so two policies meet the same task with the same luck.
struct TaskAddress {
  std::uint32_t tenant = 0, workflow = 0;
  std::uint16_t stage = 0, branch = 0, loop = 0, attempt = 0;

  constexpr auto operator<=>(const TaskAddress&) const = default;
};

}  // namespace yardmaster
