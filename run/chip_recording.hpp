#pragma once
// A network and its spikes as other programs leave them, for a chip to replay: nothing is run here.
//
//   network  a NIR file; the graph as JSON (docs/trace.md); SONATA: a circuit configuration, or
//            files of nodes and edges with commas between them
//   spikes   run/spike_file.hpp

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hw_model/chip/spike_record.hpp"

namespace spikeloom {

struct RecordingFiles {
  std::vector<std::filesystem::path> network;  // several: nodes and edges of SONATA
  std::filesystem::path spikes;
  std::vector<std::string> sets;  // "model.origin=norse", what a NIR file leaves open
  double dt = 0;                  // s; 0: as the spikes say, else the network
  int64_t steps = 0;              // of every sample, where only events tell; 0: until the last
};

struct ChipRecording {
  Graph graph;
  Weights weights;  // those that are there
  SpikeRecord record;
  std::map<std::string, SparseSynapses> sparse;  // by node: connections instead of a matrix
  std::vector<std::string> unpriced;             // what is known of the network and not priced
  double dt = 0;                                 // s, of a step; 0: steps without a length
  std::vector<std::string> notes;                // what was taken where the network's file is open
  std::vector<std::filesystem::path> named;      // files that those of the network name
};

// Throws Error(kData) naming file, population and node, Error(kUsage) for options that do not fit.
std::shared_ptr<const ChipRecording> read_recording(const RecordingFiles& files);

}  // namespace spikeloom
