#include "tests/gpu/simt/memory.hpp"

#include <algorithm>

namespace spikeloom::simt {

const char* fault_name(Fault fault) {
  static constexpr const char* kNames[] = {"address",   "alignment",     "race",
                                           "read-only", "uninitialised", "barrier",
                                           "warp",      "resource",      "unsupported"};
  return kNames[static_cast<size_t>(fault)];
}

const char* use_name(Use use) {
  static constexpr const char* kNames[] = {"read", "read-only load", "write", "atomic"};
  return kNames[static_cast<size_t>(use)];
}

void arrange(std::vector<uint32_t>& out, uint32_t n, Order order, Dice& dice) {
  out.resize(n);
  for (uint32_t i = 0; i < n; ++i) out[i] = order == Order::kBackward ? n - 1 - i : i;
  if (order != Order::kShuffled) return;
  for (uint32_t i = n; i > 1; --i) std::swap(out[i - 1], out[dice.below(i)]);
}

bool ordered(const Touch& earlier, const Touch& later) {
  if (earlier.launch != later.launch) return true;
  if (earlier.block != later.block) return false;
  return earlier.thread == later.thread || earlier.barriers != later.barriers ||
         (earlier.thread / kWarp == later.thread / kWarp && earlier.warp_syncs < later.warp_syncs);
}

namespace {

// Of two readers that a cell can remember: those in different warps say most about later writes.
bool same_warp(const Touch& a, const Touch& b) {
  return a.launch == b.launch && a.block == b.block && a.thread / kWarp == b.thread / kWarp;
}

}  // namespace

std::optional<Clash> Shadow::touch_cell(Cell& cell, const Touch& now) {
  const bool writes = now.use == Use::kWrite || now.use == Use::kAtomic;
  const Touch& write = cell.write;
  std::optional<Clash> clash;
  if (write.launch != 0 && write.launch == now.launch) {
    const bool both_atomic = write.use == Use::kAtomic && now.use == Use::kAtomic;
    if (now.use == Use::kReadOnly)
      clash = Clash{Fault::kReadOnly, write};
    else if (!both_atomic && !ordered(write, now))
      clash = Clash{Fault::kRace, write};
  }
  if (!writes) {
    Touch& first = cell.read[0];
    Touch& second = cell.read[1];
    if (first.launch != now.launch || (ordered(first, now) && first.use != Use::kReadOnly)) {
      first = now;
      if (second.launch != now.launch || ordered(second, now)) second = Touch{};
    } else if (second.launch != now.launch || ordered(second, now) || !same_warp(first, now)) {
      second = now;
    }
    return clash;
  }
  for (const Touch& read : cell.read) {
    if (clash || read.launch == 0 || read.launch != now.launch) continue;
    if (read.use == Use::kReadOnly)
      clash = Clash{Fault::kReadOnly, read};
    else if (!ordered(read, now))
      clash = Clash{Fault::kRace, read};
  }
  cell.write = now;
  return clash;
}

void Shadow::split() {
  std::vector<Cell> fine(bytes_);
  for (size_t i = 0; i < fine.size() && i / 4 < cells_.size(); ++i) fine[i] = cells_[i / 4];
  cells_ = std::move(fine);
  grain_ = 1;
}

std::optional<Clash> Shadow::touch(size_t offset, size_t size, const Touch& now) {
  if (cells_.empty()) cells_.resize(grain_ == 1 ? bytes_ : (bytes_ + 3) / 4);
  if (grain_ == 4 && size < 4) split();
  std::optional<Clash> clash;
  for (size_t i = offset / grain_; i * grain_ < offset + size; ++i) {
    const std::optional<Clash> found = touch_cell(cells_[i], now);
    if (!clash) clash = found;
  }
  return clash;
}

void Written::set(size_t offset, size_t size) {
  for (size_t i = offset; i < offset + size;) {
    const size_t bit = i % 64, n = std::min(size_t{64} - bit, offset + size - i);
    const uint64_t ones = n == 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1;
    bits_[i / 64] |= ones << bit;
    i += n;
  }
}

bool Written::all(size_t offset, size_t size) const {
  for (size_t i = offset; i < offset + size;) {
    const size_t bit = i % 64, n = std::min(size_t{64} - bit, offset + size - i);
    const uint64_t ones = n == 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1;
    if ((bits_[i / 64] >> bit & ones) != ones) return false;
    i += n;
  }
  return true;
}

Allocation& Memory::add(uintptr_t base, size_t size, std::byte* storage, std::string name) {
  auto made = std::make_unique<Allocation>();
  *made = Allocation{base, size, storage, std::move(name), Written(size), Shadow(size), size == 0};
  auto& slot = table_[base];
  slot = std::move(made);
  last_ = slot.get();
  return *slot;
}

bool Memory::remove(uintptr_t base) {
  last_ = nullptr;
  return table_.erase(base) == 1;
}

Allocation* Memory::find(uintptr_t address, size_t bytes) {
  if (last_ != nullptr && last_->holds(address, bytes)) return last_;
  auto after = table_.upper_bound(address);
  if (after == table_.begin()) return nullptr;
  Allocation* found = std::prev(after)->second.get();
  if (!found->holds(address, bytes)) return nullptr;
  return last_ = found;
}

std::string Memory::describe(uintptr_t address) const {
  const auto after = table_.upper_bound(address);
  std::string text;
  if (after != table_.begin()) {
    const Allocation& below = *std::prev(after)->second;
    const uintptr_t at = address - below.base;
    text = at < below.size
               ? std::to_string(at) + " bytes into " + below.name
               : std::to_string(at - below.size) + " bytes past the end of " + below.name;
    text += " (" + std::to_string(below.size) + " bytes)";
  }
  if (after != table_.end()) {
    if (!text.empty()) text += ", ";
    text += std::to_string(after->first - address) + " bytes before " + after->second->name;
  }
  return text.empty() ? "no memory is allocated" : text;
}

Memory& host_memory() {
  static Memory memory;
  return memory;
}

}  // namespace spikeloom::simt
