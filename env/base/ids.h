// Strong indices and the address of a task.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace yardmaster {

/// Index of a serving node in the fleet, in the order of the scenario.
enum class NodeId : std::uint32_t {};
/// Index of a live task in the simulation's table. Reused after the task has ended.
enum class TaskSlot : std::uint32_t {};

inline constexpr NodeId kNoNode{0xFFFFFFFFU};
inline constexpr TaskSlot kNoTask{0xFFFFFFFFU};

constexpr std::size_t index(NodeId id) { return static_cast<std::size_t>(id); }
constexpr std::size_t index(TaskSlot slot) { return static_cast<std::size_t>(slot); }
constexpr NodeId node_id(std::size_t i) { return static_cast<NodeId>(i); }

/// The position of a task in the submitted work, which no policy can change. Random draws and facts
/// are addressed by it, so a task has the same draws under every policy.
struct TaskAddress {
  std::uint32_t tenant = 0;
  std::uint32_t workflow = 0;
  std::uint16_t stage = 0;
  std::uint16_t branch = 0;
  std::uint16_t loop = 0;
  std::uint16_t attempt = 0;

  constexpr auto operator<=>(const TaskAddress&) const = default;
};

}  // namespace yardmaster
