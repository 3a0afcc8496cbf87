#pragma once
// Recordings of event cameras as samples: frames that count events.

#include <memory>

#include "datasets/dataset.hpp"
#include "datasets/spec.hpp"

namespace spikeloom {

// Samples as list_recordings tells, frames as spec.event says: [T, H, W, 2] (OFF, ON), [T, H, W, 1]
// of signed values, [T, W] of recordings of one dimension. T is the rule's, or spec.frames where the
// rule makes as many as a recording is long: the rest is cut off or zero, and noted.
//
// Values are whole numbers of events, an edge of spikes or levels: from 0 (or minus the most) to the
// most that any pixel of any sample has, for which all are read once when it is opened. spec.events
// says it instead; a sample beyond it cannot be read. With mean or std, values are real. Otherwise
// see open_dataset.
std::unique_ptr<Dataset> open_events(const DatasetSpec& spec);

}  // namespace spikeloom
