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
  static constexpr uint8_t kNowhere = 4;  // direction of ports and receptions

  // Lanes of the queue of events: kinds whose delay is the same for packets of equal length. Where
  // delays vary, or ends are known only some time after the start, more lanes keep more of the
  // order.
  enum Lane : uint32_t {
    kFromPort,  // a packet leaves its core's port, at once
    kOverX,     // to the next queue
    kOverY,
    kIntoCoreFromX,  // to the reception
    kIntoCoreFromY,
    kRare,  // between chips, and within a tile
    kEnd,   // of a busy port or link
    kLastEnd = kEnd + 1,
    kSend,  // a core is ready to send
    kLastSend = kSend + 1,
    kServed,  // end of a reception
    kLastServed = kServed + 3,
    kLanes
  };
  static_assert(kLanes < EventQueue::kLanes);

  struct Target {
    TilePlace by;       // from the sender
    int32_t core = -1;  // -1: the packet only passes here (broadcast)
    double service_ns = 0;
  };
  // What one spike sends. Freed when the sender and all copies that refer to it are done with it.
  struct Message {
    std::vector<Target> targets;    // unicast: as found; else by chip (broadcast), then by (x, y)
    std::vector<uint32_t> packets;  // first target of each packet, and the end
    TilePlace from;
    int64_t flits = 1;
    uint32_t users = 0;
  };
  // A packet in a queue or on its way to it: to one core, or to targets [begin, end) of a message.
  struct Copy {
    uint32_t message = kNone, begin = 0, end = 0;  // kNone: to one core
    uint32_t next = kNone;                         // in the queue
    uint32_t tile = 0;                             // of the router its queue leads to
    TilePlace left;                                // from there to its first target
    uint32_t flits = 1;
    int32_t core = -1;
    double service_ns = 0;
    double sent_ns = 0;  // when its core was ready to send it
  };
  // A queue and what takes packets from it. One line of the cache.
  struct alignas(64) Server {
    double free_ns = 0;
    int64_t taken = 0;                     // flits in the queue or on the way to it
    uint32_t first = kNone, last = kNone;  // queue of copies
    uint32_t first_waiter = kNone, last_waiter = kNone;
    bool waits = false, timer = false;          // for room elsewhere; for its own end of service
    uint8_t direction = kNowhere;               // of links
    uint8_t onward = kRare, into_core = kRare;  // lanes of what leaves it
    int64_t room = 0;                           // flits
    double hop_ns = 0, flit_ns = 0;             // latency; busy per flit
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
  // One way on from a router: a link or a core.
  struct Branch {
    uint32_t server = 0, tile = 0;  // and the router behind
    TilePlace left;                 // from there to the first target
    uint32_t begin = 0, end = 0;    // targets
    int64_t flits = 0;              // room it needs
    double arrives_ns = 0;
    uint32_t lane = 0;
  };
  struct Link {
    uint32_t server = 0, behind = 0;  // and the tile behind
  };

  uint32_t port(int64_t core) const noexcept { return static_cast<uint32_t>(core); }
  uint32_t reception(int64_t core) const noexcept {
    return first_reception_ + static_cast<uint32_t>(core);
  }
  bool is_link(uint32_t server) const noexcept {
    return server >= first_link_ && server < first_reception_;
  }

  void add_link(uint32_t link);
  void load(int64_t step, const StepCounter& counts);
  void prepare_next(uint32_t core);
  void build_message(uint32_t core, const Spike& spike);
  void sort_targets(Message& message) const;
  void send(uint32_t core, double now, bool granted);
  void arrive(uint32_t server, uint32_t copy, double now);
  void try_start(uint32_t server, double now, uint32_t granted);
  bool start_head(uint32_t server, double now, uint32_t granted);
  bool start_single(uint32_t server, double now, uint32_t granted);
  bool start_branches(uint32_t server, double now, uint32_t granted);
  bool may_enter(const Branch& branch, uint32_t server, uint32_t granted);
  void serve(uint32_t server, double now);
  void find_branches(const Server& at, const Copy& copy, double now);
  Branch branch_on(const Server& at, const Copy& copy, double now, TilePlace left,
                   int32_t core) const noexcept;
  int64_t space(int64_t flits) const noexcept { return std::max(flits, least_space_); }
  bool has_room(uint32_t server, int64_t flits) const noexcept {
    return state_[server].taken + flits <= state_[server].room;
  }
  uint32_t next_waiter(uint32_t server);
  void wait_for(uint32_t server, uint32_t waiter, int64_t flits);
  void drain_freed(double now);
  uint32_t pop_head(uint32_t server);
  uint32_t new_copy();
  void set_targets(Copy& copy, uint32_t begin, uint32_t end);
  void release(uint32_t message);

  const Placed& placed_;
  const ChipSpikes& spikes_;
  KeyCounts keys_;
  bool torus_ = false;
  uint32_t tiles_ = 0, first_link_ = 0, first_reception_ = 0, servers_ = 0;
  int64_t least_space_ = 0;  // flits a packet takes in a queue
  double link_ns_ = 0, delivery_ns_ = 0;
  std::vector<double> latency_ns_;  // by operation

  std::vector<Link> links_;  // as in Geometry
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
