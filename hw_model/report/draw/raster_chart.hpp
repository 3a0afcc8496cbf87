#pragma once
// Pictures of spikes: a raster (neurons over steps) and spike maps (a small picture for each step).
//
// Spikes are drawn once, in `*_defs`, as shapes with an id; the layouts for wide and narrow pages
// refer to them, so that the page stays small. Thread-safe: pure functions.

#include <string>

#include "hw_model/report/trace_view.hpp"

namespace spikeloom {

std::string raster_defs(const LayerRaster& raster);
std::string draw_raster(const LayerRaster& raster, double width);

std::string maps_defs(const SpikeMaps& maps);
std::string draw_maps(const SpikeMaps& maps, const std::string& layer, double width);

}  // namespace spikeloom
