#include "tests/gpu/runtime/config.hpp"

#include <functional>
#include <sstream>
#include <stdexcept>

namespace spikeloom::standin {
namespace {

Failure failure_of(const std::string& value) {
  std::istringstream parts(value);
  Failure failure;
  std::string number, code;
  if (!std::getline(parts, failure.call, ':') || !std::getline(parts, number, ':') ||
      !std::getline(parts, code))
    throw std::invalid_argument("fail=" + value +
                                ": a call, its number and an error code, with colons");
  failure.number = std::stoll(number);
  failure.code = std::stoi(code);
  return failure;
}

void set_order(simt::Options& options, const std::string& value) {
  if (value == "forward")
    options.order = simt::Order::kForward;
  else if (value == "backward")
    options.order = simt::Order::kBackward;
  else if (value.rfind("shuffled", 0) == 0) {
    options.order = simt::Order::kShuffled;
    if (const size_t colon = value.find(':'); colon != std::string::npos)
      options.seed = std::stoull(value.substr(colon + 1));
  } else
    throw std::invalid_argument("order=" + value);
}

}  // namespace

Config parse_config(const std::string& text) {
  Config config;
  const std::map<std::string, std::function<void(const std::string&)>> keys = {
      {"devices", [&](const std::string& v) { config.devices = std::stoi(v); }},
      {"driver", [&](const std::string& v) { config.driver = std::stoi(v); }},
      {"memory", [&](const std::string& v) { config.memory = std::stoull(v); }},
      {"capability",
       [&](const std::string& v) {
         config.major = std::stoi(v), config.minor = std::stoi(v.substr(v.find('.') + 1));
       }},
      {"fail", [&](const std::string& v) { config.failures.push_back(failure_of(v)); }},
      {"races", [&](const std::string& v) { config.options.races = v != "0"; }},
      {"order", [&](const std::string& v) { set_order(config.options, v); }},
      {"count", [&](const std::string& v) { config.count = v != "0"; }}};
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const size_t equals = item.find('=');
    const auto key = keys.find(item.substr(0, equals));
    if (equals == std::string::npos || key == keys.end())
      throw std::invalid_argument("unknown item " + item);
    key->second(item.substr(equals + 1));
  }
  return config;
}

}  // namespace spikeloom::standin
