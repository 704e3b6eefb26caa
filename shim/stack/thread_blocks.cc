#include "shim/stack/thread_blocks.h"

#include <errno.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>

#include "shim/base/large.h"
#include "shim/base/raw_io.h"
#include "shim/base/thread.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

constexpr uint32_t kInChunk = 64;
constexpr uint32_t kMostChunks = 1024;

/// Blocks, and whose they are: thread ids, 0 = free. The ids lie together, because they are searched.
struct Chunk {
  uint32_t owners[kInChunk];
  alignas(64) char blocks[kInChunk][kThreadBlockSize];
};
FDAUDIT_LARGE constinit Chunk first_chunk = {};
FDAUDIT_LARGE constinit Chunk* more_chunks[kMostChunks] = {};

/// What a thread knows of its block.
struct Holding {
  char* block;
  uint32_t* owner;
  uint32_t id;     ///< in `owner`
  uint32_t image;  ///< a forked child's thread has another id than its parent's, whose block it goes on with
};
thread_local constinit Holding holding = {};

template <typename Visitor>
bool ForEachChunk(Visitor visit) {
  if (visit(first_chunk)) return true;
  for (Chunk*& place : more_chunks) {
    Chunk* chunk = Atomic(place).load(std::memory_order_acquire);
    if (chunk == nullptr) return false;
    if (visit(*chunk)) return true;
  }
  return false;
}

bool Change(uint32_t& owner, uint32_t from, uint32_t to) { return Atomic(owner).compare_exchange_strong(from, to); }

void Hold(Chunk& chunk, uint32_t index, uint32_t id) {
  memset(chunk.blocks[index], 0, kThreadBlockSize);
  holding = {chunk.blocks[index], &chunk.owners[index], id, thread_state.image};
}

/// A block that is free, or belonged to a thread which had the same id and is gone.
bool TakeFree(uint32_t id) {
  return ForEachChunk([id](Chunk& chunk) {
    for (uint32_t i = 0; i < kInChunk; ++i) {
      const uint32_t owner = Atomic(chunk.owners[i]).load(std::memory_order_relaxed);
      if (owner != id && (owner != 0 || !Change(chunk.owners[i], 0, id))) continue;
      Hold(chunk, i, id);
      return true;
    }
    return false;
  });
}

/// Frees the blocks of threads that are gone. True where that is worth while: else asking would be all that new threads
/// do.
bool FreeThoseOfGone() {
  uint32_t all = 0;
  uint32_t freed = 0;
  ForEachChunk([&](Chunk& chunk) {
    for (uint32_t& owner : chunk.owners) {
      const uint32_t id = Atomic(owner).load(std::memory_order_relaxed);
      ++all;
      if (id == 0 || (raw::Call(SYS_tkill, id, 0) == -ESRCH && Change(owner, id, 0))) ++freed;
    }
    return false;
  });
  return freed >= all / 4;
}

bool AddChunk() {
  auto* chunk = static_cast<Chunk*>(raw::Map(sizeof(Chunk), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
  if (chunk == nullptr) return false;
  for (Chunk*& place : more_chunks) {
    Chunk* nothing = nullptr;
    if (Atomic(place).compare_exchange_strong(nothing, chunk)) return true;
  }
  raw::Unmap(chunk, sizeof(Chunk));
  return false;
}

/// The caller's id, 0 where it cannot be had.
uint32_t CallersId() {
  if (thread_state.thread != 0) return thread_state.thread;
  return SystemCallsAllowed() ? static_cast<uint32_t>(raw::ThreadId()) : 0;
}

__attribute__((noinline)) void* FindBlock() {
  const uint32_t id = CallersId();
  if (id == 0) return nullptr;
  // After a fork: the block is still there, unless another thread of the child has found its owner gone.
  if (holding.block != nullptr && Change(*holding.owner, holding.id, id)) {
    holding.id = id;
    holding.image = thread_state.image;
    return holding.block;
  }
  if (TakeFree(id)) return holding.block;
  if (!SystemCallsAllowed()) return nullptr;
  const bool enough = FreeThoseOfGone();
  return (enough || AddChunk()) && TakeFree(id) ? holding.block : nullptr;
}

}  // namespace

void* ThreadBlockOfCaller() {
  const Holding& held = holding;
  const bool is_own = held.block != nullptr && held.image == thread_state.image &&
                      Atomic(*held.owner).load(std::memory_order_relaxed) == held.id;
  return __builtin_expect(is_own, 1) ? held.block : FindBlock();
}

}  // namespace fdaudit::shim
