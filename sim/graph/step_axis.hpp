#pragma once
// What the steps of a sample are to a network.

#include "sim/graph/graph.hpp"

namespace spikeloom {

// Each step is an element of a sequence of vectors or tokens, with an answer of its own, so that a
// dense network takes as many steps. Otherwise they show one image again and again, or the frames
// of one recording.
bool steps_are_positions(const Graph& graph);

// Whether a step is the id of a token: a row of a table, and no magnitude.
bool reads_tokens(const Graph& graph);

// Whether a dense network, neurons taken as identities, needs a pass for every step. Where nothing but
// neurons and sums over the steps carries anything on from step to step, it is linear in time: one
// pass over the sum of the frames gives what as many passes add up to.
bool is_dense_at_every_step(const Graph& graph);

}  // namespace spikeloom
