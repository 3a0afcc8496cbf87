#include "tests/gpu/simt/engine.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "tests/gpu/simt/host_context.hpp"

namespace spikeloom::simt {
namespace {

constexpr size_t kMostFindings = 20;
// Bytes behind an arena whose addresses stand for barriers: two for each kind, taken in turn, as some
// threads arrive at the next one before others have left the last.
constexpr size_t kKeys = 1024;
char launch_begins, launch_ends;

}  // namespace

bool Report::has(Fault fault) const {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& f) { return f.fault == fault; });
}

std::string Report::text() const {
  std::string text;
  for (const Finding& finding : findings)
    text += std::string(fault_name(finding.fault)) + ": " + finding.text + "\n";
  return text;
}

Engine& engine() {
  static Engine one;
  return one;
}

Engine::~Engine() {
  for (std::vector<Thread>& set : sets_)
    for (Thread& thread : set) fibers_.free(thread.fiber);
  if (arenas_ != nullptr) munmap(arenas_, arena_mapped_);
}

void Engine::thread_body(void* argument) {
  Thread& thread = *static_cast<Thread*>(argument);
  for (;;) {
    sanitizer_acquire(&launch_begins);
    HostContext context(engine(), thread);
    engine().body_(context, engine().params_);
    sanitizer_release(&launch_ends);
    thread.wait = Wait::kReturned;
    engine().fibers_.leave(thread.fiber);
  }
}

Report Engine::run(KernelBody body, const void* params, unsigned grid, unsigned block,
                   const Options& options) {
  body_ = body;
  params_ = params;
  options_ = options;
  report_ = Report{};
  told_.clear();
  visits_.clear();
  gdim_ = grid;
  bdim_ = block;
  dice_ = Dice{options.seed * 0x9E3779B97F4A7C15ull + 1};
  ++launch_;
  stopped_ = false;
  if (block == 0 || block > kMostThreads || block % kWarp != 0) {
    found(Fault::kResource, 0, 0, "a block of " + std::to_string(block) + " threads");
    return report_;
  }
  for (std::vector<Thread>& set : sets_)
    if (set.empty()) set.resize(kMostThreads);
  prepare_arena(kSeesRaces ? grid : 1);
  sanitizer_release(&launch_begins);
  std::vector<uint32_t> blocks;
  arrange(blocks, grid, options.order, dice_);
  for (size_t i = 0; i < blocks.size() && !stopped_; ++i) {
    bid_ = blocks[i];
    threads_ = &sets_[kSeesRaces ? i % 2 : 0];
    if (kSeesRaces) arena_ = arenas_ + i * (arena_bytes_ + kKeys);
    run_block();
  }
  sanitizer_acquire(&launch_ends);
  add_up_traffic();
  return std::move(report_);
}

void Engine::prepare_arena(size_t count) {
  const size_t bytes = options_.shared_bytes, total = count * (bytes + kKeys);
  if (arena_bytes_ != bytes || total > arena_mapped_) {
    if (arenas_ != nullptr) munmap(arenas_, arena_mapped_);
    void* map = mmap(nullptr, total, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) std::abort();
    arenas_ = static_cast<std::byte*>(map);
    arena_mapped_ = total;
    arena_bytes_ = bytes;
    arena_used_ = bytes;
    arena_written_ = Written(bytes);
    arena_shadow_ = Shadow(bytes);
  }
  arena_ = arenas_;
  if (!kSeesRaces) return;
  for (size_t i = 0; i < count; ++i) std::memset(arenas_ + i * (bytes + kKeys), 0xFB, bytes);
}

void Engine::run_block() {
  ++block_serial_;
  barriers_ = 0;
  warp_serial_.fill(0);
  mask_syncs_.fill({});
  slots_.fill(Slot{});
  last_slot_ = 0;
  if (!kSeesRaces) {
    sanitizer_show(arena_, arena_bytes_);
    std::memset(arena_, 0xFB, arena_used_);
    sanitizer_hide(arena_, arena_bytes_);
  }
  arena_written_.clear();
  arena_used_ = 0;
  for (unsigned i = 0; i < bdim_; ++i) {
    Thread& thread = (*threads_)[i];
    thread.tid = i;
    thread.warp_syncs = 0;
    if (thread.fiber.context == nullptr || thread.wait != Wait::kReturned)
      fibers_.start(thread.fiber, &Engine::thread_body, &thread);
    thread.wait = Wait::kNothing;
  }
  arrange(order_, bdim_, options_.order, dice_);
  while (!stopped_) {
    if (pass() || stopped_) continue;
    const auto waits = [&](Wait wait) {
      return std::any_of(threads_->begin(), threads_->begin() + bdim_,
                         [&](const Thread& t) { return t.wait == wait; });
    };
    if (!waits(Wait::kBarrier) && !waits(Wait::kCollective)) return;  // all have returned
    if (!release_barrier()) report_deadlock();
  }
}

bool Engine::pass() {
  bool any = false;
  if (options_.order == Order::kShuffled) arrange(order_, bdim_, options_.order, dice_);
  for (const uint32_t i : order_) {
    Thread& thread = (*threads_)[i];
    if (thread.wait != Wait::kNothing) continue;
    any = true;
    fibers_.enter(thread.fiber);
    if (stopped_) return true;
  }
  return any;
}

// Strict: every thread of the block, all at one line.
bool Engine::release_barrier() {
  const uint32_t place = (*threads_)[0].wait_place;
  for (unsigned i = 0; i < bdim_; ++i)
    if ((*threads_)[i].wait != Wait::kBarrier || (*threads_)[i].wait_place != place) return false;
  for (unsigned i = 0; i < bdim_; ++i) (*threads_)[i].wait = Wait::kNothing;
  ++barriers_;
  return true;
}

void Engine::report_deadlock() {
  stopped_ = true;
  found(Fault::kBarrier, 0, 0, "block " + std::to_string(bid_) + ": deadlock; " + who_waits());
}

std::string Engine::who_waits() const {
  const auto describe = [&](const Thread& t) -> std::string {
    static constexpr const char* kCollectives[] = {
        "__syncwarp", "ballot", "shuffle", "shuffle up", "shuffle down", "shuffle xor", "mma"};
    if (t.wait == Wait::kReturned) return "have returned";
    if (t.wait == Wait::kBarrier) return "wait at the block barrier at " + place_name(t.wait_place);
    char mask[16];
    std::snprintf(mask, sizeof mask, "0x%08x", t.request.mask);
    return std::string("wait in ") + kCollectives[static_cast<size_t>(t.request.what)] + " mask " +
           mask + " at " + place_name(t.wait_place);
  };
  std::string text;
  for (unsigned first = 0; first < bdim_;) {
    const std::string state = describe((*threads_)[first]);
    unsigned last = first;
    while (last + 1 < bdim_ && describe((*threads_)[last + 1]) == state) ++last;
    if (!text.empty()) text += "; ";
    text += "threads " + std::to_string(first) + ".." + std::to_string(last) + " " + state;
    first = last + 1;
  }
  return text;
}

void Engine::barrier(Thread& thread, const Location& where) {
  std::byte* const key = arena_ + arena_bytes_ + barriers_ % 2;
  sanitizer_release(key);
  thread.wait = Wait::kBarrier;
  thread.wait_place = place_of(where);
  fibers_.leave(thread.fiber);
  sanitizer_acquire(key);
}

uint64_t Engine::collective(Thread& thread, const Request& request, const Location& where) {
  const uint32_t place = place_of(where);
  const unsigned lane = thread.tid % kWarp, warp = thread.tid / kWarp;
  if ((request.mask >> lane & 1) == 0)
    stop(thread, Fault::kWarp, place, "lane is not in its own mask");
  const bool orders = request.what == Collective::kSync;
  std::byte* const key = orders ? warp_key(warp, request.mask) : nullptr;
  if (orders) sanitizer_release(key);
  thread.request = request;
  thread.request.place = place;
  thread.wait_place = place;
  thread.wait = Wait::kCollective;
  Thread* const lanes = threads_->data() + warp * kWarp;
  bool all = true;
  for (uint32_t rest = request.mask; rest != 0 && all; rest &= rest - 1) {
    const Thread& other = lanes[std::countr_zero(rest)];
    all = other.wait == Wait::kCollective && other.request.what == request.what &&
          other.request.mask == request.mask && other.request.place == place;
  }
  if (all)
    complete(request.mask, warp);
  else
    fibers_.leave(thread.fiber);
  if (orders) sanitizer_acquire(key);
  return thread.request.value;
}

Engine::MaskSyncs& Engine::syncs_of(unsigned warp, uint32_t mask) {
  auto& all = mask_syncs_[warp];
  size_t i = 0;
  while (i + 1 < all.size() && all[i].mask != mask && all[i].mask != 0) ++i;
  all[i].mask = mask;
  return all[i];
}

std::byte* Engine::warp_key(unsigned warp, uint32_t mask) {
  const MaskSyncs& syncs = syncs_of(warp, mask);
  const auto slot = static_cast<size_t>(&syncs - mask_syncs_[warp].data());
  return arena_ + arena_bytes_ + 2 + (warp * mask_syncs_[warp].size() + slot) * 2 + syncs.count % 2;
}

// The last lane of the mask has come: results for all of them.
void Engine::complete(uint32_t mask, unsigned warp) {
  Thread* const lanes = threads_->data() + warp * kWarp;
  const Collective what = lanes[std::countr_zero(mask)].request.what;
  if (what == Collective::kBallot) {
    uint32_t votes = 0;
    for (int l = 0; l < kWarp; ++l)
      if (mask >> l & 1) votes |= static_cast<uint32_t>(lanes[l].request.value != 0) << l;
    for (int l = 0; l < kWarp; ++l)
      if (mask >> l & 1) lanes[l].request.value = votes;
  } else if (what == Collective::kSync) {
    ++warp_serial_[warp];
    ++syncs_of(warp, mask).count;
    for (int l = 0; l < kWarp; ++l)
      if (mask >> l & 1) lanes[l].warp_syncs = warp_serial_[warp];
  } else if (what == Collective::kMma) {
    multiply(lanes);
  } else {
    shuffle(mask, lanes);
  }
  for (int l = 0; l < kWarp; ++l)
    if (mask >> l & 1) lanes[l].wait = Wait::kNothing;
}

void Engine::shuffle(uint32_t mask, Thread* lanes) {
  std::array<uint64_t, kWarp> values{};
  for (int l = 0; l < kWarp; ++l) values[static_cast<size_t>(l)] = lanes[l].request.value;
  for (int l = 0; l < kWarp; ++l) {
    if ((mask >> l & 1) == 0) continue;
    Request& request = lanes[l].request;
    int from = l;
    switch (request.what) {
      case Collective::kShuffle: from = request.argument & (kWarp - 1); break;
      case Collective::kShuffleUp: from = l - request.argument; break;
      case Collective::kShuffleDown: from = l + request.argument; break;
      default: from = l ^ request.argument;
    }
    if (from < 0 || from >= kWarp) from = l;  // keeps its own
    if ((mask >> from & 1) == 0) {
      found(Fault::kWarp, request.place, static_cast<uint32_t>(l),
            at(lanes[l], request.place) + " takes a value from lane " + std::to_string(from) +
                ", which is not in the mask");
    }
    request.value = values[static_cast<size_t>(from)];
  }
}

// Fragments of m16n8k32: lane = 4 * group + member; A rows group and group + 8, columns member * 4
// and 16 further; B columns by group; C rows group and group + 8, columns 2 * member.
void Engine::multiply(Thread* lanes) {
  const auto byte = [](uint32_t word, int i, bool is_signed) {
    const uint8_t bits = static_cast<uint8_t>(word >> (8 * i));
    return is_signed ? int{static_cast<int8_t>(bits)} : int{bits};
  };
  for (int l = 0; l < kWarp; ++l) {
    Mma& mine = *lanes[l].request.mma;
    for (int i = 0; i < 4; ++i) {
      const int row = l / 4 + 8 * (i / 2), column = 2 * (l % 4) + i % 2;
      int32_t sum = mine.c[static_cast<size_t>(i)];
      for (int k = 0; k < 32; ++k) {
        const Mma& left = *lanes[(row % 8) * 4 + k % 16 / 4].request.mma;
        const Mma& right = *lanes[column * 4 + k % 16 / 4].request.mma;
        sum += byte(left.a[static_cast<size_t>(row / 8 + 2 * (k / 16))], k % 4, mine.a_signed) *
               byte(right.b[static_cast<size_t>(k / 16)], k % 4, mine.b_signed);
      }
      lanes[l].request.value = 0;
      mine.c[static_cast<size_t>(i)] = sum;  // own elements only: nobody else reads c
    }
  }
}

void Engine::maybe_yield(Thread& thread) {
  if (options_.order == Order::kShuffled && dice_.below(8) == 0) fibers_.leave(thread.fiber);
}

void Engine::found(Fault fault, uint32_t place, uint32_t other, std::string text) {
  const uint64_t key = (uint64_t{place} << 32 | other) ^ (static_cast<uint64_t>(fault) << 60);
  if (report_.findings.size() >= kMostFindings ||
      std::find(told_.begin(), told_.end(), key) != told_.end())
    return;
  if (place != 0) told_.push_back(key);
  report_.findings.push_back({fault, std::move(text)});
}

void Engine::stop(Thread& thread, Fault fault, uint32_t place, std::string text) {
  stopped_ = true;
  found(fault, place, 0, at(thread, place) + ": " + text);
  for (;;) fibers_.leave(thread.fiber);
}

uint32_t Engine::place_of(const Location& where) {
  const char* const file = where.file_name();
  if (file != last_file_) {
    size_t i = 0;
    while (i < files_.size() && files_[i] != file) ++i;
    if (i == files_.size()) files_.push_back(file);
    last_file_ = file;
    last_file_place_ = static_cast<uint32_t>((i + 1) << 20);
  }
  return last_file_place_ | where.line();
}

std::string Engine::place_name(uint32_t place) const {
  if (place == 0) return "?";
  const std::string file = files_[(place >> 20) - 1];
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(place & 0xfffff);
}

std::string Engine::at(const Thread& thread, uint32_t place) const {
  return "thread " + std::to_string(thread.tid) + " of block " + std::to_string(bid_) + " at " +
         place_name(place);
}

}  // namespace spikeloom::simt
