// Votes, shuffles, barriers of a warp, products of matrices: lanes wait until all of their mask are
// there.

#include <bit>

#include "tests/gpu/ptx/interpreter.hpp"

namespace spikeloom::ptx {
namespace {

using simt::Fault;
using simt::kWarp;

void vote_ballot(Warp& w, const Instruction& i, uint32_t lanes) {
  const uint32_t votes = w.predicates[i.in[0]] & lanes;
  assign(w.words(i.out[0]), lanes, [=](int) { return votes; });
}
void vote_any(Warp& w, const Instruction& i, uint32_t lanes) {
  set_predicate(w, i.out[0], lanes, (w.predicates[i.in[0]] & lanes) != 0 ? lanes : 0);
}
void vote_all(Warp& w, const Instruction& i, uint32_t lanes) {
  set_predicate(w, i.out[0], lanes, (w.predicates[i.in[0]] & lanes) == lanes ? lanes : 0);
}
void sync_warp(Warp& w, const Instruction&, uint32_t lanes) {
  ++w.sync_serial;
  for (int l = 0; l < kWarp; ++l)
    if (lanes >> l & 1) w.warp_syncs[static_cast<size_t>(l)] = w.sync_serial;
}

enum Mode : uint8_t { kIndex, kUp, kDown, kButterfly };
// d = a of the lane that b and c name; c: clamp in bits 0..4, segments in 8..12.
template <Mode kMode>
void shuffle(Warp& w, const Instruction& i, uint32_t lanes) {
  std::array<uint32_t, kWarp> a;
  std::memcpy(a.data(), w.words(i.in[0]), sizeof a);
  uint32_t* const d = w.words(i.out[0]);
  uint32_t in_range = 0;
  for (int l = 0; l < kWarp; ++l) {
    if ((lanes >> l & 1) == 0) continue;
    const int b = static_cast<int>(w.words(i.in[1])[l] & 31),
              clamp = static_cast<int>(w.words(i.in[2])[l] & 31),
              segment = static_cast<int>(w.words(i.in[2])[l] >> 8 & 31);
    const int least = l & segment, most = least | (clamp & ~segment);
    int from = l;
    bool inside = true;
    if (kMode == kUp)
      inside = (from = l - b) >= most;
    else if (kMode == kDown)
      inside = (from = l + b) <= most;
    else if (kMode == kButterfly)
      inside = (from = l ^ b) <= most;
    else
      inside = (from = least | (b & ~segment)) <= most;
    if (!inside)
      from = l;
    else
      in_range |= 1u << l;
    if ((lanes >> from & 1) == 0)
      w.run->found(Fault::kWarp, i.line, static_cast<uint32_t>(l),
                   w.run->at(w, i, l) + " takes a value from lane " + std::to_string(from) +
                       ", which is not in the mask");
    d[l] = a[static_cast<size_t>(from)];
  }
  if (i.out[1] != ~0u) set_predicate(w, i.out[1], lanes, in_range);
}

// Matrix products of bytes. Fragments as in the manual of PTX: lane = 4 group + member; rows of A group
// and group + 8, columns of B group; four bytes of k per word.
template <int kRows, int kDepth, class A, class B>
void multiply(Warp& w, const Instruction& i, uint32_t lanes) {
  if (lanes != simt::kAllLanes) {
    w.run->stop(w, i, std::countr_zero(lanes), Fault::kWarp,
                "a matrix product by a part of a warp");
    return;
  }
  constexpr int kHalves = kRows / 8, kChunks = kDepth / 16, kWordsA = kHalves * kChunks;
  std::array<std::array<uint32_t, kWarp>, 4> d{};
  for (int l = 0; l < kWarp; ++l) {
    for (int e = 0; e < 2 * kHalves; ++e) {
      const int row_ = l / 4, half = e / 2, column = 2 * (l % 4) + e % 2;
      uint32_t sum = w.words(i.in[static_cast<size_t>(kWordsA + kChunks + e)])[l];
      for (int k = 0; k < kDepth; ++k) {
        const int member = k % 16 / 4, chunk = k / 16, shift = 8 * (k % 4);
        const uint32_t left =
            w.words(i.in[static_cast<size_t>(half + kHalves * chunk)])[row_ * 4 + member];
        const uint32_t right =
            w.words(i.in[static_cast<size_t>(kWordsA + chunk)])[column * 4 + member];
        sum += static_cast<uint32_t>(int32_t{static_cast<A>(left >> shift)} *
                                     int32_t{static_cast<B>(right >> shift)});
      }
      d[static_cast<size_t>(e)][static_cast<size_t>(l)] = sum;
    }
  }
  for (size_t e = 0; e < 2 * kHalves; ++e) std::memcpy(w.words(i.out[e]), d[e].data(), sizeof d[e]);
}

using Names = std::map<std::string, CollectiveOperation>;

template <class A, class B>
void add_products(Names& all, const std::string& types) {
  const auto name = [&](const char* size) {
    return std::string("mma.sync.aligned.") + size + ".row.col.s32." + types + ".s32";
  };
  all[name("m8n8k16")] = {multiply<8, 16, A, B>, "wwwwww", -1};
  all[name("m16n8k16")] = {multiply<16, 16, A, B>, "wwwwwwwwwww", -1};
  all[name("m16n8k32")] = {multiply<16, 32, A, B>, "wwwwwwwwwwwwww", -1};
}

}  // namespace

const CollectiveOperation* find_collective(const std::string& name) {
  static const Names all = [] {
    Names n = {{"vote.sync.ballot.b32", {vote_ballot, "wpw", 1}},
               {"vote.sync.any.pred", {vote_any, "ppw", 1}},
               {"vote.sync.all.pred", {vote_all, "ppw", 1}},
               {"bar.warp.sync", {sync_warp, "w", 0}},
               {"shfl.sync.idx.b32", {shuffle<kIndex>, "wwwww", 3}},
               {"shfl.sync.up.b32", {shuffle<kUp>, "wwwww", 3}},
               {"shfl.sync.down.b32", {shuffle<kDown>, "wwwww", 3}},
               {"shfl.sync.bfly.b32", {shuffle<kButterfly>, "wwwww", 3}}};
    add_products<int8_t, int8_t>(n, "s8.s8");
    add_products<uint8_t, int8_t>(n, "u8.s8");
    add_products<int8_t, uint8_t>(n, "s8.u8");
    add_products<uint8_t, uint8_t>(n, "u8.u8");
    return n;
  }();
  const auto found = all.find(name);
  return found == all.end() ? nullptr : &found->second;
}

uint32_t collective(Warp& w, const Instruction& i, uint32_t pc, uint32_t lanes) {
  uint32_t done = 0;
  for (uint32_t rest = lanes; rest != 0 && !w.run->stopped;) {
    const int first = std::countr_zero(rest);
    const uint32_t mask = i.argument == 255 ? simt::kAllLanes : w.words(i.in[i.argument])[first];
    uint32_t same = 0;
    for (int l = 0; l < kWarp; ++l)
      if ((rest >> l & 1) != 0 && (i.argument == 255 || w.words(i.in[i.argument])[l] == mask))
        same |= 1u << l;
    rest &= ~same;
    if ((same & ~mask) != 0) {
      w.run->stop(w, i, std::countr_zero(same & ~mask), Fault::kWarp,
                  "lane is not in its own mask");
      return done;
    }
    Waiting* others = nullptr;
    for (Waiting& other : w.waiting)
      if (other.pc == pc && other.mask == mask) others = &other;
    if (others != nullptr) same |= others->lanes;
    if (same == mask) {
      if (others != nullptr) *others = w.waiting.back(), w.waiting.pop_back();
      i.run(w, i, mask);
      done |= mask;
    } else if (others != nullptr) {
      others->lanes = same;
    } else {
      w.waiting.push_back({pc, mask, same});
    }
  }
  return done;
}

}  // namespace spikeloom::ptx
