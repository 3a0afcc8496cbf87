#include "datasets/events/events.hpp"

#include <algorithm>
#include <numeric>

namespace spikeloom {
namespace {

template <typename T>
void reorder(std::vector<T>& values, const std::vector<size_t>& order) {
  if (values.empty()) return;
  std::vector<T> sorted;
  sorted.reserve(values.size());
  for (const size_t i : order) sorted.push_back(values[i]);
  values = std::move(sorted);
}

}  // namespace

void Events::clear() {
  t.clear();
  x.clear();
  y.clear();
  p.clear();
  seconds.clear();
}

void sort_by_time(Events& events) {
  if (std::is_sorted(events.t.begin(), events.t.end())) return;
  std::vector<size_t> order(events.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return events.t[a] < events.t[b]; });
  reorder(events.t, order);
  reorder(events.x, order);
  reorder(events.y, order);
  reorder(events.p, order);
  reorder(events.seconds, order);
}

bool RecordingInfo::numbers_events() const {
  return format == "npz" || format == "es_imagenet" || format == "shd" || format == "dsec";
}

bool RecordingInfo::has_words() const {
  return !numbers_events() && format != "npy" && format != "aedat4";
}

}  // namespace spikeloom
