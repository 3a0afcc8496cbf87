#pragma once
// The SONATA event list of one population, derived from its recorded bits. Internal to sim/trace.

#include <string>

#include "sim/trace/population_writer.hpp"
#include "sim/trace/sample_table.hpp"

namespace spikeloom::hdf5 {

// The enumeration of the attribute `sorting`: over uint8, none 0, by_id 1, by_time 2. libsonata
// reads no other form.
Id sorting_type();

// Writes /spikes/<name> (`spikes` is the group /spikes): time stamps global_step * dt_ms in ms and
// node ids, by time, then by id. Memory: one buffer of bits and 131072 events, and what waits in
// the queue, which has finished on return. `population` has had
// its final flush, `samples` its flush; `samples` gives the steps of the rows, unless the
// population has its own (`with_steps`).
void write_events(hid_t spikes, const std::string& name, const PopulationWriter& population,
                  const SampleWriter& samples, bool with_steps, double dt_ms, bool gzip,
                  BackgroundQueue& queue);

}  // namespace spikeloom::hdf5
