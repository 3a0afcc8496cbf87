#include "hw_model/chip/noc.hpp"

#include <algorithm>
#include <cstdlib>

namespace spikeloom {
namespace {

// Distance from a to b on a line, or the shorter way round a ring.
int32_t distance(int64_t a, int64_t b, int64_t size, bool ring) {
  int64_t d = b - a;
  if (ring) {
    if (d > size / 2) d -= size;
    if (-d > (size - 1) / 2) d += size;
  }
  return static_cast<int32_t>(d);
}

int32_t wrapped(int64_t at, int64_t size) {
  return static_cast<int32_t>(at < 0 ? at + size : at >= size ? at - size : at);
}

}  // namespace

CorePlace place_of_core(const ChipSpec& chip, int64_t core) noexcept {
  const int64_t inside = core % chip.cores_per_chip();
  return {core / chip.cores_per_chip(), inside / chip.cores_per_tile, inside % chip.cores_per_tile};
}

int64_t core_at(const ChipSpec& chip, const CorePlace& place) noexcept {
  return place.chip * chip.cores_per_chip() + place.tile * chip.cores_per_tile + place.slot;
}

Geometry::Geometry(const ChipSpec& chip)
    : width(chip.cols * chip.chips_x),
      height(chip.rows * chip.chips_y),
      chip_width(chip.cols),
      chip_height(chip.rows),
      torus(chip.noc.topology == Topology::kTorus),
      chip_(chip) {}

TilePlace Geometry::tile_of_core(int64_t core) const noexcept {
  const CorePlace place = place_of_core(chip_, core);
  const int64_t x = chip_.column_major ? place.tile / chip_.rows : place.tile % chip_.cols;
  const int64_t y = chip_.column_major ? place.tile % chip_.rows : place.tile / chip_.cols;
  return {static_cast<int32_t>(place.chip % chip_.chips_x * chip_width + x),
          static_cast<int32_t>(place.chip / chip_.chips_x * chip_height + y)};
}

TilePlace Geometry::offset(TilePlace from, TilePlace to) const noexcept {
  return {distance(from.x, to.x, width, torus), distance(from.y, to.y, height, torus)};
}

TilePlace Geometry::moved(TilePlace tile, TilePlace by) const noexcept {
  return {wrapped(tile.x + by.x, width), wrapped(tile.y + by.y, height)};
}

bool Geometry::leaves_chip(Direction direction, TilePlace tile) const noexcept {
  switch (direction) {
    case kEast: return width > chip_width && (tile.x + 1) % chip_width == 0;
    case kWest: return width > chip_width && tile.x % chip_width == 0;
    case kNorth: return height > chip_height && (tile.y + 1) % chip_height == 0;
    case kSouth: return height > chip_height && tile.y % chip_height == 0;
  }
  return false;
}

LinkLoads::LinkLoads(const Geometry& geometry)
    : geometry_(geometry),
      loads_(static_cast<size_t>(geometry.links())),
      north_(static_cast<size_t>(geometry.width)),
      south_(static_cast<size_t>(geometry.width)) {
  const auto rows = static_cast<size_t>(geometry.height * (geometry.width + 1));
  const auto columns = static_cast<size_t>(geometry.width * (geometry.height + 1));
  ends_[kEast].resize(rows);
  ends_[kWest].resize(rows);
  ends_[kNorth].resize(columns);
  ends_[kSouth].resize(columns);
}

void LinkLoads::add_run(Direction direction, TilePlace from, int64_t length, int64_t flits,
                        Hops& hops) {
  if (length == 0) return;
  const bool along_x = direction <= kWest;
  const int64_t size = along_x ? geometry_.width : geometry_.height;
  const int64_t chip = along_x ? geometry_.chip_width : geometry_.chip_height;
  const int64_t at = along_x ? from.x : from.y;
  const bool forward = direction == kEast || direction == kNorth;
  // Tiles whose link is used: [first, first + length), one ring further to stay positive.
  const int64_t first = forward ? at : at - length + 1 + size;
  int64_t crossings = 0;
  if (size > chip) {
    crossings = forward ? (at + length) / chip - at / chip
                        : (at + size) / chip - (at + size - length) / chip;
  }
  hops.on_chip[direction] += length - crossings;
  hops.interchip += crossings;
  int64_t* line = ends_[direction].data() + (along_x ? from.y : from.x) * (size + 1);
  const int64_t begin = first % size, end = begin + length;
  line[begin] += flits;
  line[std::min(end, size)] -= flits;
  if (end > size) {
    line[0] += flits;
    line[end - size] -= flits;
  }
}

Hops LinkLoads::add_route(TilePlace from, TilePlace to, int64_t flits) {
  Hops hops;
  const TilePlace by = geometry_.offset(from, to);
  add_run(by.x >= 0 ? kEast : kWest, from, std::abs(by.x), flits, hops);
  add_run(by.y >= 0 ? kNorth : kSouth, {to.x, from.y}, std::abs(by.y), flits, hops);
  return hops;
}

Hops LinkLoads::add_tree(TilePlace from, std::span<const TilePlace> targets, int64_t flits) {
  Hops hops;
  int32_t east = 0, west = 0;
  columns_.clear();
  for (const TilePlace target : targets) {
    const TilePlace by = geometry_.offset(from, target);
    east = std::max(east, by.x);
    west = std::max(west, -by.x);
    int32_t& north = north_[static_cast<size_t>(target.x)];
    int32_t& south = south_[static_cast<size_t>(target.x)];
    if (by.y != 0 && north == 0 && south == 0) columns_.push_back(target.x);
    north = std::max(north, by.y);
    south = std::max(south, -by.y);
  }
  add_run(kEast, from, east, flits, hops);
  add_run(kWest, from, west, flits, hops);
  for (const int32_t x : columns_) {
    int32_t& north = north_[static_cast<size_t>(x)];
    int32_t& south = south_[static_cast<size_t>(x)];
    add_run(kNorth, {x, from.y}, north, flits, hops);
    add_run(kSouth, {x, from.y}, south, flits, hops);
    north = south = 0;
  }
  return hops;
}

const std::vector<int64_t>& LinkLoads::finish() {
  for (const Direction direction : {kEast, kWest, kNorth, kSouth}) {
    const bool along_x = direction <= kWest;
    const int64_t size = along_x ? geometry_.width : geometry_.height;
    const int64_t lines = along_x ? geometry_.height : geometry_.width;
    int64_t* loads = loads_.data() + direction * geometry_.tiles();
    for (int64_t line = 0; line < lines; ++line) {
      int64_t* ends = ends_[direction].data() + line * (size + 1);
      int64_t sum = 0;
      for (int64_t at = 0; at < size; ++at) {
        sum += ends[at];
        loads[along_x ? line * size + at : at * lines + line] = sum;
        ends[at] = 0;
      }
      ends[size] = 0;
    }
  }
  return loads_;
}

}  // namespace spikeloom
