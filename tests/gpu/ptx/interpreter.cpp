#include "tests/gpu/ptx/interpreter.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace spikeloom::ptx {
namespace {

using simt::Fault;
using simt::kWarp;

constexpr size_t kMostFindings = 20;
constexpr uint64_t kMostInstructions = uint64_t{1} << 36;  // of warps, in one launch: it hangs

std::byte* aligned(std::vector<std::byte>& bytes, size_t size) {
  bytes.resize(size + 64);
  void* at = bytes.data();
  size_t room = bytes.size();
  return static_cast<std::byte*>(std::align(64, size, at, room));
}

// The group with the smallest place becomes the last.
void sort_groups(std::vector<Group>& groups) {
  std::sort(groups.begin(), groups.end(),
            [](const Group& a, const Group& b) { return a.pc > b.pc; });
  for (size_t i = groups.size(); i-- > 1;) {
    if (groups[i].pc != groups[i - 1].pc) continue;
    groups[i - 1].lanes |= groups[i].lanes;
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace

void Run::found(Fault fault, uint32_t line, uint32_t other, const std::string& text) {
  const uint64_t key = (uint64_t{line} << 32 | other) ^ (static_cast<uint64_t>(fault) << 60);
  if (report->findings.size() >= kMostFindings ||
      std::find(told.begin(), told.end(), key) != told.end())
    return;
  told.push_back(key);
  report->findings.push_back({fault, text});
}

void Run::stop(const Warp& warp, const Instruction& i, int lane, Fault fault,
               const std::string& text) {
  stopped = true;
  found(fault, i.line, 0, at(warp, i, lane) + ": " + text);
}

std::string Run::at(const Warp& warp, const Instruction& i, int lane) const {
  return "thread " + std::to_string(warp.index * kWarp + static_cast<uint32_t>(lane)) +
         " of block " + std::to_string(bid) + " at " + module->place(*kernel, i.line);
}

void run_warp(Warp& w, uint64_t most) {
  Run& run = *w.run;
  const Instruction* const code = run.kernel->code.data();
  if (w.ready.empty()) return;
  Group now = w.ready.back();
  w.ready.pop_back();
  uint32_t next =
      w.ready.empty() ? ~0u : w.ready.back().pc;  // where the group after this one stands
  const auto take_next = [&] {
    now = Group{};
    next = ~0u;
    if (w.ready.empty()) return;
    now = w.ready.back();
    w.ready.pop_back();
    if (!w.ready.empty()) next = w.ready.back().pc;
  };
  const auto put = [&](Group group) {
    if (group.lanes == 0) return;
    w.ready.push_back(group);
    sort_groups(w.ready);
    next = w.ready.back().pc;
  };
  uint64_t n = 0;
  while (now.lanes != 0 && !run.stopped && n < most) {
    if (now.pc >= next) {
      put(now);
      take_next();
    }
    const Instruction& i = code[now.pc];
    ++n;
    uint32_t lanes = now.lanes;
    if (i.guard >= 0) {
      const uint32_t bits = w.predicates[static_cast<size_t>(i.guard)];
      lanes &= i.unless ? ~bits : bits;
    }
    switch (i.step) {
      case Step::kPlain:
        if (lanes != 0) i.run(w, i, lanes);
        ++now.pc;
        break;
      case Step::kBranch: {
        const uint32_t stay = now.lanes & ~lanes;
        if (stay == 0) {
          now.pc = i.target;
        } else if (lanes == 0) {
          ++now.pc;
        } else {
          put({i.target, lanes});
          now = {now.pc + 1, stay};
        }
        break;
      }
      case Step::kReturn:
        w.live &= ~lanes;
        now.lanes &= ~lanes;
        ++now.pc;
        if (now.lanes == 0) take_next();
        break;
      case Step::kBarrier:
        if (w.at_barrier != 0 && w.barrier_pc != now.pc) {
          run.stop(w, i, std::countr_zero(lanes), Fault::kBarrier, "a warp waits at two barriers");
          break;
        }
        w.at_barrier |= lanes;
        w.barrier_pc = now.pc;
        now = {now.pc + 1, now.lanes & ~lanes};
        if (now.lanes == 0) take_next();
        break;
      case Step::kCollective: {
        const uint32_t skip = now.lanes & ~lanes, pc = now.pc;
        const uint32_t done = lanes == 0 ? 0 : collective(w, i, pc, lanes);
        now = {pc + 1, skip | done};
        if (now.lanes == 0) take_next();
        break;
      }
    }
  }
  put(now);
  run.instructions += n;
  if (run.instructions > kMostInstructions && !run.stopped) {
    run.stopped = true;
    run.found(Fault::kResource, 0, 0, "kernel " + run.kernel->name + " does not end");
  }
}

namespace {

// Who waits where, threads of one state together.
std::string who_waits(const Run& run, const std::vector<Warp>& warps) {
  const auto describe = [&](const Warp& w, int lane) -> std::string {
    if ((w.live >> lane & 1) == 0) return "have returned";
    if ((w.at_barrier >> lane & 1) != 0)
      return "wait at the block barrier at " +
             run.module->place(*run.kernel, run.kernel->code[w.barrier_pc].line);
    for (const Waiting& waiting : w.waiting) {
      if ((waiting.lanes >> lane & 1) == 0) continue;
      char mask[16];
      std::snprintf(mask, sizeof mask, "0x%08x", waiting.mask);
      return std::string("wait for the lanes of mask ") + mask + " at " +
             run.module->place(*run.kernel, run.kernel->code[waiting.pc].line);
    }
    return "can run";
  };
  std::string text;
  for (unsigned first = 0; first < run.bdim;) {
    const std::string state = describe(warps[first / kWarp], static_cast<int>(first % kWarp));
    unsigned last = first;
    while (last + 1 < run.bdim &&
           describe(warps[(last + 1) / kWarp], static_cast<int>((last + 1) % kWarp)) == state)
      ++last;
    text += (text.empty() ? "threads " : "; threads ") + std::to_string(first) + ".." +
            std::to_string(last) + " " + state;
    first = last + 1;
  }
  return text;
}

void fill_row(Warp& w, uint32_t row_, uint32_t first, uint32_t step) {
  for (uint32_t l = 0; l < kWarp; ++l) w.words(row_)[l] = first + l * step;
}

void fill_specials(Run& run, Warp& w) {
  const auto& rows = run.kernel->specials;
  const auto row_of = [&](Special s) { return rows[static_cast<size_t>(s)]; };
  const uint32_t values[] = {w.index * kWarp, run.bid, run.bdim, run.gdim, 0, w.index};
  for (size_t s = 0; s < std::size(values); ++s)
    if (rows[s] != 0)
      fill_row(w, rows[s], values[s], s == 0 || s == static_cast<size_t>(Special::kLane) ? 1 : 0);
  for (uint32_t l = 0; l < kWarp; ++l) {
    const uint32_t bit = 1u << l;
    if (row_of(Special::kMaskEq) != 0) w.words(row_of(Special::kMaskEq))[l] = bit;
    if (row_of(Special::kMaskLt) != 0) w.words(row_of(Special::kMaskLt))[l] = bit - 1;
    if (row_of(Special::kMaskLe) != 0) w.words(row_of(Special::kMaskLe))[l] = bit | (bit - 1);
    if (row_of(Special::kMaskGt) != 0) w.words(row_of(Special::kMaskGt))[l] = ~(bit | (bit - 1));
    if (row_of(Special::kMaskGe) != 0) w.words(row_of(Special::kMaskGe))[l] = ~(bit - 1);
  }
}

}  // namespace

// Rows keep what earlier blocks left in them: nothing may depend on it.
void Interpreter::prepare_warps(Run& run, unsigned count) {
  const Kernel& kernel = *run.kernel;
  if (warps_.size() < count) warps_.resize(count);
  const bool fresh = prepared_for_ != kernel.id || prepared_warps_ < count;
  std::byte* const base = fresh ? aligned(rows_, kernel.row_bytes * count) : warps_[0].rows;
  for (unsigned k = 0; k < count; ++k) {
    Warp& w = warps_[k];
    w.run = &run;
    w.index = k;
    if (!fresh) continue;
    w.rows = base + k * kernel.row_bytes;
    std::memset(w.rows, 0xFB, kernel.row_bytes);
    w.predicates.assign(kernel.predicates, 0);
    if (kernel.constant_predicates[1] >= 0)
      w.predicates[static_cast<size_t>(kernel.constant_predicates[1])] = simt::kAllLanes;
    for (const Constant& c : kernel.constants)
      for (int l = 0; l < kWarp; ++l)
        if (c.wide)
          w.longs(c.row)[l] = c.value;
        else
          w.words(c.row)[l] = static_cast<uint32_t>(c.value);
  }
  prepared_for_ = kernel.id;
  if (fresh) prepared_warps_ = count;
}

void Interpreter::begin_block(Run& run) {
  run.block_serial = ++blocks_;
  run.barriers = 0;
  std::fill(run.shared_bytes.begin(), run.shared_bytes.end(), std::byte{0xFB});
  for (simt::Allocation& array : run.shared) {
    array.written.clear();
    array.complete = array.size == 0;
  }
  for (unsigned k = 0; k < run.bdim / kWarp; ++k) {
    Warp& w = warps_[k];
    w.live = simt::kAllLanes;
    w.ready.assign(1, Group{0, simt::kAllLanes});
    w.waiting.clear();
    w.at_barrier = 0;
    w.sync_serial = 0;
    w.warp_syncs.fill(0);
    fill_specials(run, w);
  }
}

void Interpreter::run_block(Run& run) {
  begin_block(run);
  const unsigned count = run.bdim / kWarp;
  const bool shuffled = run.options.order == simt::Order::kShuffled;
  std::vector<uint32_t> order;
  simt::arrange(order, count, run.options.order, dice_);
  while (!run.stopped) {
    bool any = false, all_done = true, all_wait = true;
    if (shuffled) simt::arrange(order, count, run.options.order, dice_);
    for (const uint32_t k : order) {
      Warp& w = warps_[k];
      if (w.ready.empty()) continue;
      any = true;
      run_warp(w, shuffled ? 1 + dice_.below(60) : ~uint64_t{0});
      if (run.stopped) return;
    }
    if (any) continue;
    for (unsigned k = 0; k < count; ++k) {
      const Warp& w = warps_[k];
      all_done = all_done && w.live == 0;
      // Strict: every thread of the block, all at one place.
      all_wait =
          all_wait && w.at_barrier == simt::kAllLanes && w.barrier_pc == warps_[0].barrier_pc;
    }
    if (all_done) return;
    if (!all_wait) {
      run.stopped = true;
      run.found(Fault::kBarrier, 0, 0,
                "block " + std::to_string(run.bid) + ": deadlock; " + who_waits(run, warps_));
      return;
    }
    ++run.barriers;
    for (unsigned k = 0; k < count; ++k) {
      warps_[k].at_barrier = 0;
      warps_[k].ready.assign(1, Group{warps_[k].barrier_pc + 1, simt::kAllLanes});
    }
  }
}

simt::Report Interpreter::launch(const Module& module, const Kernel& kernel, unsigned grid,
                                 unsigned block, std::span<const void* const> params,
                                 size_t dynamic_shared, const simt::Options& options) {
  simt::Report report;
  Run run;
  run.module = &module;
  run.kernel = &kernel;
  run.memory = &memory_;
  run.options = options;
  run.report = &report;
  run.launch = ++launches_;
  run.bdim = block;
  run.gdim = grid;
  dice_ = simt::Dice{options.seed * 0x9E3779B97F4A7C15ull + 1};
  if (block == 0 || block > kernel.max_threads || block % kWarp != 0) {
    run.found(Fault::kResource, 0, 0,
              kernel.name + ": a block of " + std::to_string(block) + " threads, at most " +
                  std::to_string(kernel.max_threads));
    return report;
  }
  if (kernel.shared_bytes + dynamic_shared > options.shared_bytes ||
      params.size() != kernel.params.size()) {
    run.found(Fault::kResource, 0, 0,
              kernel.name + ": too much shared memory, or another number of parameters");
    return report;
  }
  std::vector<std::byte> param_bytes(kernel.param_bytes);
  for (size_t k = 0; k < params.size(); ++k) {
    const size_t end = k + 1 < params.size() ? kernel.param_ends[k] : kernel.param_bytes;
    std::memcpy(param_bytes.data() + kernel.params[k], params[k], end - kernel.params[k]);
  }
  run.params = simt::Allocation{kParamBase,   param_bytes.size(), param_bytes.data(),
                                "parameters", simt::Written(0),   simt::Shadow(0),
                                true};
  run.shared_bytes.resize(kernel.shared_bytes + dynamic_shared + 64);
  for (const Array& array : kernel.shared) {
    const size_t bytes = array.bytes == 0 ? dynamic_shared : array.bytes;
    run.shared.push_back(
        {array.address, bytes, run.shared_bytes.data() + (array.address - kSharedBase),
         "shared array " + array.name, simt::Written(bytes), simt::Shadow(bytes), bytes == 0});
  }
  for (const Instruction& i : kernel.code) i.last = nullptr;
  prepare_warps(run, block / kWarp);
  std::vector<uint32_t> blocks;
  simt::arrange(blocks, grid, options.order, dice_);
  for (const uint32_t b : blocks) {
    if (run.stopped) break;
    run.bid = b;
    run_block(run);
  }
  instructions_ += run.instructions;
  return report;
}

}  // namespace spikeloom::ptx
