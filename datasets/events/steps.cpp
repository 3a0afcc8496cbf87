#include "datasets/events/steps.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <utility>

#include "core/error.hpp"
#include "core/io/hint.hpp"

namespace spikeloom {
namespace {

constexpr int64_t kMostFrames = 1 << 20;
constexpr int64_t kEsImageNetSteps = 8;

struct RuleName {
  std::string_view name;
  StepRuleKind kind;
  bool fixes_frames, overlaps, fraction, spans, incomplete;
};

constexpr RuleName kRules[] = {
    {"tonic.n_time_bins", StepRuleKind::kTonicTimeBins, true, true, true, false, false},
    {"tonic.n_event_bins", StepRuleKind::kTonicEventBins, true, true, true, false, false},
    {"tonic.time_window", StepRuleKind::kTonicTimeWindow, false, true, false, true, true},
    {"tonic.event_count", StepRuleKind::kTonicEventCount, false, true, false, false, true},
    {"spikingjelly.number", StepRuleKind::kSpikingJellyNumber, true, false, false, false, false},
    {"spikingjelly.time", StepRuleKind::kSpikingJellyTime, true, false, false, false, false},
    {"spikingjelly.duration", StepRuleKind::kSpikingJellyDuration, false, false, false, false,
     false},
    {"es_imagenet", StepRuleKind::kEsImageNet, true, false, false, false, false},
};

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kUsage, why);
}

const RuleName& row_of(StepRuleKind kind) {
  return *std::find_if(std::begin(kRules), std::end(kRules),
                       [&](const RuleName& rule) { return rule.kind == kind; });
}

template <typename T>
T number_of(std::string_view text, std::string_view key) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    fail(std::string(key) + ": " + in_quotes(std::string(text)) + " is no number it can have");
  return value;
}

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

struct KeyValue {
  std::string_view key, value;
};

// Takes "key=value" or "key" off the front.
KeyValue take_pair(std::string_view& text) {
  const size_t comma = std::min(text.find(','), text.size());
  const std::string_view part = text.substr(0, comma);
  text.remove_prefix(std::min(comma + 1, text.size()));
  const size_t equals = part.find('=');
  if (equals == std::string_view::npos) return {without_blanks(part), {}};
  return {without_blanks(part.substr(0, equals)), without_blanks(part.substr(equals + 1))};
}

const RuleName& rule_named(std::string_view name) {
  std::vector<std::string> names;
  for (const RuleName& rule : kRules) {
    if (rule.name == name) return rule;
    names.emplace_back(rule.name);
  }
  std::string known;
  for (const std::string& other : names) known += (known.empty() ? "" : ", ") + other;
  const std::string near = nearest(std::string(name), names);
  fail("no rule " + in_quotes(std::string(name)) + "; there are " + known +
       (near.empty() ? "" : " (did you mean " + near + "?)"));
}

void read_option(StepRule& rule, const RuleName& row, const KeyValue& pair) {
  const std::string key(pair.key);
  if (key == "overlap" && row.overlaps) {
    rule.overlap = row.fraction ? number_of<double>(pair.value, key)
                                : static_cast<double>(number_of<int64_t>(pair.value, key));
    return;
  }
  if (key == "start_time" && row.spans) {
    rule.start_time = number_of<int64_t>(pair.value, key);
  } else if (key == "end_time" && row.spans) {
    rule.end_time = number_of<int64_t>(pair.value, key);
  } else if (key == "include_incomplete" && row.incomplete && pair.value.empty()) {
    rule.include_incomplete = true;
  } else {
    fail(std::string(row.name) + " has no option " + in_quotes(key));
  }
}

void check_rule(const StepRule& rule, const RuleName& row) {
  constexpr int64_t kLongest = int64_t{1} << 52;
  const int64_t most = row.fixes_frames ? kMostFrames : kLongest;
  if (rule.value < 1 || rule.value > most) {
    fail(std::string(row.name) + " must be 1 to " + std::to_string(most) + ", is " +
         std::to_string(rule.value));
  }
  const double below = row.fraction ? 1 : static_cast<double>(rule.value);
  if (!(rule.overlap >= 0) || rule.overlap >= below)
    fail("overlap must be at least 0 and below " + std::string(row.fraction ? "1" : row.name));
  for (const auto& time : {rule.start_time, rule.end_time}) {
    if (time && (*time < -kLongest || *time > kLongest)) fail("start_time and end_time: too large");
  }
  if (rule.start_time && rule.end_time && *rule.end_time < *rule.start_time)
    fail("end_time lies before start_time");
}

// By binary search, as numpy.searchsorted on the left; `at` may lie between two microseconds.
size_t first_at(const std::vector<int64_t>& t, double at) {
  return static_cast<size_t>(
      std::lower_bound(t.begin(), t.end(), at,
                       [](int64_t a, double b) { return static_cast<double>(a) < b; }) -
      t.begin());
}

size_t first_at(const std::vector<int64_t>& t, int64_t at) {
  return static_cast<size_t>(std::lower_bound(t.begin(), t.end(), at) - t.begin());
}

void check_count(double frames) {
  if (frames <= static_cast<double>(kMostFrames)) return;
  throw Error(ErrorCode::kData,
              "dataset.steps makes more than " + std::to_string(kMostFrames) + " frames of it");
}

std::vector<Slice> tonic_time_bins(const StepRule& rule, const std::vector<int64_t>& t) {
  const double whole = static_cast<double>((t.back() - t.front()) / rule.value);
  const double window = whole * (1 + rule.overlap), stride = window * (1 - rule.overlap);
  std::vector<Slice> frames;
  for (int64_t i = 0; i < rule.value; ++i) {
    const double start = static_cast<double>(i) * stride + static_cast<double>(t.front());
    frames.push_back({first_at(t, start), first_at(t, start + window)});
  }
  return frames;
}

std::vector<Slice> tonic_event_bins(const StepRule& rule, size_t events) {
  const double whole = static_cast<double>(static_cast<int64_t>(events) / rule.value);
  const auto count = static_cast<size_t>(whole * (1 + rule.overlap));
  const auto stride = static_cast<size_t>(static_cast<double>(count) * (1 - rule.overlap));
  std::vector<Slice> frames;
  for (size_t i = 0; i < static_cast<size_t>(rule.value); ++i)
    frames.push_back({std::min(i * stride, events), std::min(i * stride + count, events)});
  return frames;
}

std::vector<Slice> tonic_time_window(const StepRule& rule, const std::vector<int64_t>& t) {
  const int64_t stride = rule.value - static_cast<int64_t>(rule.overlap);
  const int64_t start = rule.start_time.value_or(t.front()), end = rule.end_time.value_or(t.back());
  const int64_t count = window_count(end - start - rule.value, stride, rule.include_incomplete);
  std::vector<Slice> frames;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = start + i * stride;
    frames.push_back({first_at(t, from), first_at(t, from + rule.value)});
  }
  return frames;
}

std::vector<Slice> tonic_event_count(const StepRule& rule, size_t events) {
  const auto n = static_cast<int64_t>(events), count = std::min(rule.value, n);
  const int64_t stride = rule.value - static_cast<int64_t>(rule.overlap);
  const int64_t windows = window_count(n - count, stride, rule.include_incomplete);
  std::vector<Slice> frames;
  for (int64_t i = 0; i < windows; ++i) {
    frames.push_back({static_cast<size_t>(std::min(i * stride, n)),
                      static_cast<size_t>(std::min(i * stride + count, n))});
  }
  return frames;
}

std::vector<Slice> spikingjelly_number(const StepRule& rule, size_t events) {
  const auto frames = static_cast<size_t>(rule.value), each = events / frames;
  std::vector<Slice> result;
  for (size_t i = 0; i < frames; ++i) result.push_back({i * each, (i + 1) * each});
  result.back().end = events;
  return result;
}

// To the nearest float16, ties to even.
double rounded_to_half(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double step = std::ldexp(1.0, std::max(std::ilogb(value), -14) - 10);
  return std::nearbyint(value / step) * step;
}

// Times of SHD in SpikingJelly, of whatever precision they are stored in.
class StoredTimes {
 public:
  StoredTimes(const std::vector<double>& seconds, bool half) : t_(seconds), half_(half) {}
  double round(double value) const { return half_ ? rounded_to_half(value) : value; }
  double operator[](size_t i) const { return t_[i]; }
  size_t size() const { return t_.size(); }
  double front() const { return t_.front(); }
  double back() const { return t_.back(); }

 private:
  const std::vector<double>& t_;
  bool half_;
};

// Frame i: the first to the last event with lower(i) <= t < upper(i), the last frame to the end.
template <typename Times, typename Number>
std::vector<Slice> by_time(const StepRule& rule, const Times& t,
                           const std::function<std::pair<Number, Number>(int64_t)>& bounds) {
  std::vector<Slice> frames;
  const auto from = [&](Number at) {
    size_t low = 0, high = t.size();
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (t[middle] < at) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  for (int64_t i = 0; i < rule.value; ++i) {
    const auto [lower, upper] = bounds(i);
    frames.push_back({from(lower), from(upper)});
  }
  frames.back().end = t.size();
  return frames;
}

std::vector<Slice> spikingjelly_time(const StepRule& rule, const std::vector<int64_t>& t) {
  const int64_t each = (t.back() - t.front()) / rule.value;
  return by_time<std::vector<int64_t>, int64_t>(rule, t, [&](int64_t i) {
    const int64_t from = t.front() + i * each;
    return std::pair(from, from + each);
  });
}

std::vector<Slice> spikingjelly_stored_time(const StepRule& rule, const StoredTimes& t) {
  const double each = t.round(t.round(t.back() - t.front()) / static_cast<double>(rule.value));
  return by_time<StoredTimes, double>(rule, t, [&](int64_t i) {
    const double from = t.round(t.round(each * static_cast<double>(i)) + t.front());
    return std::pair(from, t.round(from + each));
  });
}

// `index(i)`: the frame of event i, ascending; the last takes the rest.
template <typename Index>
std::vector<Slice> by_frame(int64_t frames, size_t events, Index index) {
  std::vector<Slice> result;
  size_t at = 0;
  for (int64_t i = 0; i < frames; ++i) {
    const size_t begin = at;
    while (at < events && (i + 1 == frames || index(at) < i + 1)) ++at;
    result.push_back({begin, at});
  }
  return result;
}

std::vector<Slice> spikingjelly_duration(const StepRule& rule, const std::vector<int64_t>& t) {
  const int64_t length = t.back() - t.front();
  const int64_t frames = length / rule.value + (length % rule.value != 0 ? 1 : 0);
  check_count(static_cast<double>(frames));
  return by_frame(frames, t.size(), [&](size_t i) { return (t[i] - t.front()) / rule.value; });
}

// Time is the step, from 1 on.
std::vector<Slice> es_imagenet_steps(const std::vector<int64_t>& t) {
  std::vector<Slice> frames;
  for (int64_t step = 1; step <= kEsImageNetSteps; ++step)
    frames.push_back({first_at(t, step), first_at(t, step + 1)});
  return frames;
}

std::vector<Slice> spikingjelly_stored_duration(const StepRule& rule, const StoredTimes& t) {
  const auto width = static_cast<double>(rule.value);
  const double start = t.round(1000 * t.front());
  const auto since = [&](size_t i) { return t.round(t.round(1000 * t[i]) - start); };
  const double count = std::ceil(t.round(since(t.size() - 1) / width));
  check_count(count);
  return by_frame(static_cast<int64_t>(count), t.size(), [&](size_t i) {
    return static_cast<int64_t>(t.round(std::floor(since(i) / width)));
  });
}

}  // namespace

bool StepRule::fixes_frames() const noexcept {
  return row_of(kind).fixes_frames;
}

bool StepRule::runs_live() const noexcept {
  return !fixes_frames();
}

int64_t window_count(int64_t length, int64_t stride, bool up) {
  const double quotient = static_cast<double>(length) / static_cast<double>(stride);
  const double count = std::max(1.0, (up ? std::ceil(quotient) : std::floor(quotient)) + 1);
  check_count(count);
  return static_cast<int64_t>(count);
}

StepRule parse_step_rule(std::string_view text) {
  if (text.empty()) fail("is missing: how events become steps, such as \"spikingjelly.number=16\"");
  StepRule rule;
  rule.text = text;
  const KeyValue head = take_pair(text);
  const RuleName& row = rule_named(head.key);
  rule.kind = row.kind;
  if (row.kind == StepRuleKind::kEsImageNet) {
    if (!head.value.empty()) fail("es_imagenet has no number: its files have 8 steps");
    rule.value = kEsImageNetSteps;
  } else {
    rule.value = number_of<int64_t>(head.value, head.key);
  }
  while (!text.empty()) read_option(rule, row, take_pair(text));
  check_rule(rule, row);
  return rule;
}

std::vector<Slice> slices(const StepRule& rule, const Events& events,
                          const StoredArithmetic* stored) {
  const std::vector<int64_t>& t = events.t;
  if (t.empty())
    return std::vector<Slice>(rule.fixes_frames() ? static_cast<size_t>(rule.value) : 0);
  const StoredTimes times(events.seconds, stored != nullptr && stored->half);
  switch (rule.kind) {
    case StepRuleKind::kTonicTimeBins: return tonic_time_bins(rule, t);
    case StepRuleKind::kTonicEventBins: return tonic_event_bins(rule, t.size());
    case StepRuleKind::kTonicTimeWindow: return tonic_time_window(rule, t);
    case StepRuleKind::kTonicEventCount: return tonic_event_count(rule, t.size());
    case StepRuleKind::kSpikingJellyNumber: return spikingjelly_number(rule, t.size());
    case StepRuleKind::kSpikingJellyTime:
      return stored ? spikingjelly_stored_time(rule, times) : spikingjelly_time(rule, t);
    case StepRuleKind::kSpikingJellyDuration:
      return stored ? spikingjelly_stored_duration(rule, times) : spikingjelly_duration(rule, t);
    case StepRuleKind::kEsImageNet: return es_imagenet_steps(t);
  }
  throw Error(ErrorCode::kInternal, "a rule without frames");
}

}  // namespace spikeloom
