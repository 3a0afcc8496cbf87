// Every access of a kernel on its way to memory.

#include <algorithm>
#include <bit>

#include "tests/gpu/simt/engine.hpp"

namespace spikeloom::simt {

template <class Name>
void Engine::touch(Thread& thread, Shadow& shadow, size_t offset, size_t size, Use use,
                   uint32_t place, uint32_t launch, const Name& what) {
  const Touch now{
      launch, bid_, barriers_, thread.warp_syncs, place, static_cast<uint16_t>(thread.tid), use};
  const std::optional<Clash> clash = shadow.touch(offset, size, now);
  if (!clash) return;
  const Touch& other = clash->other;
  found(clash->fault, place, other.place,
        std::string(use_name(use)) + " of " + what() + " by " + at(thread, place) + "; " +
            use_name(other.use) + " by thread " + std::to_string(other.thread) + " of block " +
            std::to_string(other.block) + " at " + place_name(other.place));
}

std::byte* Engine::global(Thread& thread, const void* at_, size_t size, Use use,
                          const Location& where) {
  maybe_yield(thread);
  const auto address = reinterpret_cast<uintptr_t>(at_);
  if (options_.traffic) count(thread, address, size, use, false, where);
  std::byte* const raw = static_cast<std::byte*>(const_cast<void*>(at_));
  if (!options_.addresses && !options_.races && !options_.init) return raw;
  Allocation* const found_in = host_memory().find(address, size);
  const uint32_t place = place_of(where);
  if (found_in == nullptr) {
    if (!options_.addresses) return raw;
    stop(thread, Fault::kAddress, place,
         std::string(use_name(use)) + " of " + std::to_string(size) + " bytes, " +
             host_memory().describe(address));
  }
  if (options_.addresses && std::has_single_bit(size) && address % size != 0)
    stop(thread, Fault::kAlignment, place,
         std::string(use_name(use)) + " of " + std::to_string(size) +
             " bytes at an address that is no multiple of it");
  Allocation& allocation = *found_in;
  const size_t offset = address - allocation.base;
  if (options_.init && use != Use::kWrite && !allocation.complete &&
      !allocation.written.all(offset, size))
    found(Fault::kUninitialised, place, 0,
          at(thread, place) + " reads " + allocation.name + " + " + std::to_string(offset) +
              " bytes, which nothing has written");
  if (use == Use::kWrite || use == Use::kAtomic) allocation.mark(offset, size);
  if (options_.races)
    touch(thread, allocation.shadow, offset, size, use, place, launch_,
          [&] { return allocation.name; });
  return allocation.storage + offset;
}

std::byte* Engine::shared(Thread& thread, const void* at_, size_t size, Use use,
                          const Location& where) {
  maybe_yield(thread);
  std::byte* const raw = static_cast<std::byte*>(const_cast<void*>(at_));
  const uint32_t place = place_of(where);
  const size_t offset = static_cast<size_t>(raw - arena_);
  if (options_.traffic) count(thread, offset, size, use, true, where);
  const auto holds = [&](const Slot& slot) {
    return slot.bytes != 0 && offset >= slot.offset && offset + size <= slot.offset + slot.bytes;
  };
  if (!holds(slots_[last_slot_])) {
    const auto found_in = std::find_if(slots_.begin(), slots_.end(), holds);
    if (found_in != slots_.end()) last_slot_ = static_cast<size_t>(found_in - slots_.begin());
  }
  const Slot* const slot = holds(slots_[last_slot_]) ? &slots_[last_slot_] : nullptr;
  if (slot == nullptr) {
    if (!options_.addresses) return raw;
    const std::string text = raw < arena_ || offset >= arena_bytes_
                                 ? " outside shared memory"
                                 : " past the ends of the shared arrays";
    stop(thread, Fault::kAddress, place,
         std::string(use_name(use)) + " of " + std::to_string(size) + " bytes" + text);
  }
  const auto what = [&] { return "shared array " + std::to_string(last_slot_); };
  if (options_.addresses && std::has_single_bit(size) && offset % size != 0)
    stop(thread, Fault::kAlignment, place,
         std::string(use_name(use)) + " of " + std::to_string(size) + " bytes of " + what());
  if (options_.init && use == Use::kRead && !arena_written_.all(offset, size))
    found(Fault::kUninitialised, place, 0,
          at(thread, place) + " reads " + what() + " + " + std::to_string(offset - slot->offset) +
              " bytes, which nothing has written");
  if (use == Use::kWrite) arena_written_.set(offset, size);
  if (options_.races) touch(thread, arena_shadow_, offset, size, use, place, block_serial_, what);
  return raw;
}

void* Engine::shared_array(Thread& thread, int slot, size_t bytes, const Location& where) {
  Slot& mine = slots_[static_cast<size_t>(slot)];
  if (mine.bytes == 0) {
    size_t end = 0;
    for (const Slot& s : slots_) end = std::max(end, (s.offset + s.bytes + 127) / 64 * 64);
    if (end + bytes > arena_bytes_)
      stop(thread, Fault::kResource, place_of(where),
           "more than " + std::to_string(arena_bytes_) + " bytes of shared memory");
    mine = Slot{end, bytes};
    arena_used_ = std::max(arena_used_, end + bytes);
    sanitizer_show(arena_ + end, bytes);
  } else if (mine.bytes != bytes) {
    stop(thread, Fault::kResource, place_of(where),
         "two shared arrays in slot " + std::to_string(slot));
  }
  return arena_ + mine.offset;
}

}  // namespace spikeloom::simt
