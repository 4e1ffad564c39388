// Memory for tables that are accessed at random.
#pragma once

#include <cstddef>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace yardmaster {

/// An allocator that requests huge pages for tables that fill at least one. Without them, TLB
/// misses on the rows of a large fleet cost 6 to 9 % of a run on 1,024 nodes. The machine's setting
/// decides whether they are granted (/sys/kernel/mm/transparent_hugepage/enabled).
template <class T>
struct HugePages {
  using value_type = T;  // NOLINT(readability-identifier-naming): required of an allocator
  /// Bytes per huge page on x86-64 and most other processors.
  static constexpr std::size_t kPage = std::size_t{2} << 20;

  HugePages() = default;
  template <class U>
  explicit HugePages(const HugePages<U>& /*stateless*/) {}
  friend bool operator==(const HugePages&, const HugePages&) { return true; }

  /// Memory for `count` items. Throws std::bad_alloc.
  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes < kPage) {
      return static_cast<T*>(::operator new(bytes, kAlignment));
    }
    const std::size_t pages = (bytes + kPage - 1) / kPage * kPage;
    void* const memory = ::operator new (pages, std::align_val_t{kPage});
#ifdef __linux__
    madvise(memory, pages, MADV_HUGEPAGE);  // a failure only costs speed
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
