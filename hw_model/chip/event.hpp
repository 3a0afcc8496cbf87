#pragma once
// One step packet by packet: serial senders and receivers, links with queues of finite length.
// Internal to hw_model/chip; one per thread.
//
// Servers are every core's port into its router, every link (the links over one side of a chip
// share one), and every core's reception. Each has a queue of noc.buffer_flits, at least one packet
// long (on a torus two). The packet at the head starts when its server is free and the queue it
// goes to next has room, which it holds from then on; a multicast copy needs room in all queues it
// goes to. Who finds no room waits and keeps those behind waiting; room is given in the order of
// asking. The head takes hop_latency per hop, a link is busy for flits * link_ns_per_flit and so is
// the port into a core; a packet is served when all of it has arrived. A core that finds its port
// full stands still, and all it does later moves back. On a torus every packet takes the room of
// the longest, a packet enters a ring only where room for a second one is left, and those in the
// ring pass those that wait to enter it, so that no ring ever locks; rows before columns keeps the
// rest free of cycles.
//
// Order: by time, then by the order in which events were caused; cores start in ascending order.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "hw_model/chip/event_queue.hpp"
#include "hw_model/chip/placed.hpp"
#include "hw_model/chip/step_counter.hpp"

namespace spikeloom {

struct EventOutcome {
  double busy_ns = 0;     // until the last core is done
  double blocked_ns = 0;  // senders that stood still, summed
  double latency_ns = 0;  // from the core's readiness to send until service, over deliveries
  int64_t delivered = 0, hops = 0;
};

class EventModel {
 public:
  EventModel(const Placed& placed, const ChipSpikes& spikes);
  // `counts` has counted the same step, which lasts at least `bottleneck_ns`.
  EventOutcome run(int64_t step, const StepCounter& counts, double bottleneck_ns);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Target {
    TilePlace by;       // from the sender
    int32_t core = -1;  // -1: the packet only passes here (broadcast)
    double service_ns = 0;
  };
  // What one spike sends. Freed when the sender and all copies are done with it.
  struct Message {
    std::vector<Target> targets;    // unicast: as found; else by chip (broadcast), then by (x, y)
    std::vector<uint32_t> packets;  // first target of each packet, and the end
    TilePlace from;
    int64_t flits = 1;
    uint32_t users = 0;
  };
  // A packet on its way to targets [begin, end) of its message, at a router or heading for it.
  struct Copy {
    uint32_t message = 0, begin = 0, end = 0, next = kNone;
    TilePlace by;       // the router, from the sender
    uint32_t tile = 0;  // and its tile
    uint32_t flits = 1;
    TilePlace to;        // of the first target
    int32_t core = -1;   // and its core
    double sent_ns = 0;  // when its core was ready to send it
  };
  struct Server {
    double free_ns = 0;
    uint32_t first = kNone, last = kNone;  // queue of copies
    int64_t taken = 0;                     // flits in the queue or on the way to it
    uint32_t first_waiter = kNone, last_waiter = kNone;
    bool waits = false, timer = false;  // for room elsewhere; for its own end of service
  };
  struct Waiter {
    uint32_t next = kNone;
    int64_t flits = 0;  // room it needs
  };
  struct Spike {
    uint32_t neuron = 0, population = 0;
    double base_ns = 0;  // when the soma is through with it, had nothing fired
  };
  struct Sender {
    std::vector<Spike> spikes;
    size_t next = 0;
    uint32_t message = kNone, packet = 0;
    double extra_ns = 0;  // firing and sending so far
    double shift_ns = 0;  // standing still so far
    double ready_ns = 0;  // of the packet at hand
  };
  struct Branch {
    uint32_t server = 0, begin = 0, end = 0;
    int64_t flits = 0;  // room it needs
    double arrives_ns = 0;
  };
  // Where the head of a queue is when it goes to the next one.
  struct Onward {
    TilePlace by;  // the router, from the sender
    uint32_t tile = 0;
    double head_ns = 0, busy_ns = 0;  // the head is there; the server is taken for
  };

  uint32_t port(int64_t core) const noexcept { return static_cast<uint32_t>(core); }
  uint32_t reception(int64_t core) const noexcept {
    return first_reception_ + static_cast<uint32_t>(core);
  }
  bool is_link(uint32_t server) const noexcept {
    return server >= first_link_ && server < first_reception_;
  }

  // The way from one chip to the next, shared by the links of a side.
  bool is_side(uint32_t server) const noexcept {
    return server >= first_side_ && server < first_reception_;
  }

  void load(int64_t step, const StepCounter& counts);
  void prepare_next(uint32_t core);
  void build_message(uint32_t core, const Spike& spike);
  void sort_targets(Message& message) const;
  void send(uint32_t core, double now, bool granted);
  void arrive(uint32_t server, uint32_t copy, double now);
  void try_start(uint32_t server, double now, uint32_t granted);
  bool start_head(uint32_t server, double now, uint32_t granted);
  bool start_single(uint32_t server, double now, uint32_t granted, const Onward& way);
  bool start_branches(uint32_t server, double now, uint32_t granted, const Onward& way);
  bool may_enter(const Branch& branch, uint32_t server, uint32_t granted);
  Onward way_of(uint32_t server, const Copy& copy, double now) const noexcept;
  void serve(uint32_t server, double now);
  void find_branches(uint32_t server, const Copy& copy, const Onward& way);
  Branch branch_to(uint32_t server, Direction direction, uint32_t tile, int64_t flits,
                   double now) const noexcept;
  Branch branch_into(int64_t core, int64_t flits, double now) const noexcept;
  int64_t space(int64_t flits) const noexcept { return std::max(flits, least_space_); }
  bool has_room(uint32_t server, int64_t flits) const noexcept;
  uint32_t next_waiter(uint32_t server);
  void wait_for(uint32_t server, uint32_t waiter, int64_t flits);
  void drain_freed(double now);
  uint32_t pop_head(uint32_t server);
  uint32_t new_copy(Copy copy);  // by value: the list it comes from may move
  void release(uint32_t message);

  const Placed& placed_;
  const ChipSpikes& spikes_;
  KeyCounts keys_;
  uint32_t tiles_ = 0, first_link_ = 0, first_side_ = 0, first_reception_ = 0, servers_ = 0;
  int64_t room_ = 0;         // flits of a queue
  int64_t least_space_ = 0;  // a packet takes in it
  double link_ns_ = 0, interchip_ns_ = 0, delivery_ns_ = 0;
  double hop_ns_[2] = {0, 0}, interchip_hop_ns_ = 0;
  std::vector<double> latency_ns_;  // by operation

  std::vector<uint32_t> server_of_link_, tile_behind_link_;  // by link of Geometry
  std::vector<uint8_t> direction_of_server_;                 // of links
  std::vector<Server> state_;
  std::vector<Waiter> waiters_;  // servers, then senders
  std::vector<Sender> senders_;
  std::vector<Message> messages_;
  std::vector<Copy> copies_;
  std::vector<uint32_t> free_messages_, free_copies_, freed_servers_;
  std::vector<Branch> branches_;
  std::vector<int64_t> target_of_core_;  // of the message being built: serial * 2^32 + index
  int64_t serial_ = 0;
  std::vector<double> running_ns_, start_ns_, per_neuron_ns_;  // by core, while loading
  EventQueue queue_;
  EventOutcome outcome_;
};

}  // namespace spikeloom
