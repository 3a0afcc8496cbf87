#pragma once
// Geometry of the network on chip, and the load of its links.
//
// All chips form one grid of tiles, `width` x `height`; a hop that leaves a chip takes the link
// between the chips instead. Routing is XY: first along x to the column, then along y. On a torus
// the shorter way, east and north when both are equal. Several cores on a tile share its router (a
// concentrated mesh).

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "hw_model/chip/chip_spec.hpp"

namespace spikeloom {

enum Direction : uint8_t { kEast, kWest, kNorth, kSouth };  // north: y grows
constexpr const char* kDirectionNames[] = {"east", "west", "north", "south"};

struct TilePlace {
  int32_t x = 0, y = 0;
};

// Where core number n is: chip n / cores_per_chip, then tile, then slot.
struct CorePlace {
  int64_t chip = 0, tile = 0, slot = 0;
};
CorePlace place_of_core(const ChipSpec& chip, int64_t core) noexcept;
int64_t core_at(const ChipSpec& chip, const CorePlace& place) noexcept;

class Geometry {
 public:
  explicit Geometry(const ChipSpec& chip);

  int64_t width = 1, height = 1;            // tiles over all chips
  int64_t chip_width = 1, chip_height = 1;  // tiles of one chip
  bool torus = false;

  int64_t tiles() const noexcept { return width * height; }
  int64_t links() const noexcept { return 4 * tiles(); }
  TilePlace tile_of_core(int64_t core) const noexcept;
  int64_t tile_index(TilePlace tile) const noexcept { return tile.y * width + tile.x; }
  // The link that leaves a tile; not every id is a link at the rim of a mesh.
  int64_t link(Direction direction, TilePlace tile) const noexcept {
    return direction * tiles() + tile_index(tile);
  }
  // Signed distance along the route.
  TilePlace offset(TilePlace from, TilePlace to) const noexcept;
  TilePlace moved(TilePlace tile, TilePlace by) const noexcept;
  // Does the link of this direction leave the chip?
  bool leaves_chip(Direction direction, TilePlace tile) const noexcept;
  int64_t chip_of(TilePlace tile) const noexcept {
    return tile.y / chip_height * (width / chip_width) + tile.x / chip_width;
  }

 private:
  ChipSpec chip_;
};

// Hops of one route or tree.
struct Hops {
  std::array<int64_t, 4> on_chip{};  // by direction
  int64_t interchip = 0;
  int64_t total() const noexcept {
    return on_chip[0] + on_chip[1] + on_chip[2] + on_chip[3] + interchip;
  }
  Hops& operator+=(const Hops& more) noexcept {
    for (size_t d = 0; d < on_chip.size(); ++d) on_chip[d] += more.on_chip[d];
    interchip += more.interchip;
    return *this;
  }
};

// Adds routes in constant time each (a tree: per target), as ends of runs that finish() sums up.
class LinkLoads {
 public:
  explicit LinkLoads(const Geometry& geometry);

  Hops add_route(TilePlace from, TilePlace to, int64_t flits);
  // The union of the XY routes to all targets: each link once. Targets may repeat.
  Hops add_tree(TilePlace from, std::span<const TilePlace> targets, int64_t flits);
  // Flits by link since the last call.
  const std::vector<int64_t>& finish();

 private:
  void add_run(Direction direction, TilePlace from, int64_t length, int64_t flits, Hops& hops);

  const Geometry& geometry_;
  std::array<std::vector<int64_t>, 4> ends_;  // by direction: +flits where a run starts, - behind
  std::vector<int64_t> loads_;
  // Of a tree: by column, how far it reaches.
  std::vector<int32_t> north_, south_, columns_;
};

}  // namespace spikeloom
