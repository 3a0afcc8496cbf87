// core: from the names in a checkpoint to the names of a network.

#include "core/weight_names.hpp"

#include "tests/catch.hpp"

using namespace spikeloom;

namespace {

using Strings = std::vector<std::string>;

const NameSet kNet = {"stem.weight", "stem.bias", "head.weight"};

Strings prefixed(const std::string& prefix) {
  Strings names;
  for (const std::string& name : kNet) names.push_back(prefix + name);
  return names;
}

Strings names_of(const NameFit& fit) {
  Strings names;
  for (const FittedName& name : fit.names) names.push_back(name.name);
  return names;
}

}  // namespace

TEST_CASE("any prefix that the network's names share goes") {
  for (const char* prefix : {"", "module.", "model.", "net.", "student.", "backbone.",
                             "module.model.net.", "a.b.c.d."}) {
    INFO(prefix);
    const NameFit fit = fit_names(prefixed(prefix), kNet);
    CHECK(names_of(fit) == prefixed(""));
    CHECK(fit.prefix == prefix);
    CHECK(fit.hits == 3);
    CHECK(fit.rivals.empty());
  }
}

TEST_CASE("wrappers inside a name go, the network's own words stay") {
  const Strings wrapped = {"_orig_mod.stem._checkpoint_wrapped_module.weight",
                           "_orig_mod.stem._fsdp_wrapped_module._orig_mod.bias",
                           "_orig_mod.head.weight"};
  CHECK(names_of(fit_names(wrapped, kNet)) == Strings{"stem.weight", "stem.bias", "head.weight"});
  CHECK(names_of(fit_names(Strings{"stem.module.weight", "stem.module.bias", "head.weight"},
                           kNet)) == Strings{"stem.weight", "stem.bias", "head.weight"});
  const NameSet own = {"model.module.weight", "model.bias"};
  CHECK(names_of(fit_names(Strings{"model.module.weight", "model.bias"}, own)) ==
        Strings{"model.module.weight", "model.bias"});
  CHECK(names_of(fit_names(Strings{"_orig_mod"}, kNet)) == Strings{"_orig_mod"});
}

TEST_CASE("names before the prefix are found, others are marked") {
  const NameFit fit = fit_names(
      Strings{"m.backbone.stem.weight", "m.backbone.stem.bias", "m.head.weight", "loss.scale"},
      kNet);
  CHECK(fit.prefix == "m.backbone.");
  CHECK(names_of(fit) == Strings{"stem.weight", "stem.bias", "head.weight", "loss.scale"});
  CHECK(fit.names[3].outside);
  CHECK_FALSE(fit.names[2].outside);
  CHECK(fit.hits == 3);
}

TEST_CASE("of several prefixes the most usual is taken and the others are listed") {
  Strings names = prefixed("teacher.");
  for (const std::string& name : prefixed("student.")) names.push_back(name);
  NameFit fit = fit_names(names, kNet);
  CHECK(fit.prefix == "student.");
  CHECK(fit.rivals == Strings{"teacher."});
  CHECK_FALSE(fit.ambiguous);
  for (const std::string& name : prefixed("")) names.push_back(name);
  CHECK(fit_names(names, kNet).prefix.empty());
  names = prefixed("ema_model.");
  for (const std::string& name : prefixed("model.")) names.push_back(name);
  CHECK(fit_names(names, kNet).prefix == "model.");
  names = prefixed("left.");
  for (const std::string& name : prefixed("right.")) names.push_back(name);
  CHECK(fit_names(names, kNet).ambiguous);
}

TEST_CASE("without a network only words of wrappers go") {
  CHECK(fit_names(prefixed("module.model."), {}).prefix == "module.model.");
  CHECK(fit_names(prefixed("_orig_mod.net."), {}).prefix == "net.");
  CHECK(fit_names(prefixed("encoder_x."), {}).prefix.empty());
  CHECK(fit_names(Strings{"model.weight", "head.weight"}, {}).prefix.empty());
  CHECK(names_of(fit_names(Strings{"model", "model.x"}, {})) == Strings{"model", "model.x"});
  CHECK(fit_names(Strings{}, {}).names.empty());
}

TEST_CASE("usual paths come before averages, and both before unknown words") {
  CHECK(rank_of_path("state_dict") < rank_of_path(""));
  CHECK(rank_of_path("") < rank_of_path("state_dict_ema"));
  CHECK(rank_of_path("model.state_dict") < rank_of_path("ema"));
  CHECK(rank_of_path("model") < rank_of_path("model.state_dict"));
  for (const char* average :
       {"ema", "model_ema", "ema_model", "params_ema", "ema.module", "ema_state_dict"}) {
    INFO(average);
    CHECK(rank_of_path(average).kind == PathClass::kAverage);
  }
  CHECK(rank_of_path("optimizer.state").kind == PathClass::kUnknown);
}

TEST_CASE("patterns match as a shell's do") {
  CHECK(matches("*", ""));
  CHECK(matches("a*c", "abbc"));
  CHECK(matches("a*c", "ac"));
  CHECK(matches("*.lif.?", "block.1.lif.w"));
  CHECK(matches("a*b*c", "a-b-b-c"));
  CHECK_FALSE(matches("a*c", "acd"));
  CHECK_FALSE(matches("a", "aa"));
  CHECK_FALSE(matches("", "a"));
  CHECK_FALSE(matches("?", ""));
  // Many stars against a long name take no time.
  CHECK_FALSE(matches("*a*a*a*a*a*a*a*a*a*b", std::string(4000, 'a')));
}

TEST_CASE("lists of names end") {
  CHECK(list_names(Strings{}) == "");
  CHECK(list_names(Strings{"a"}) == "'a'");
  CHECK(list_names(Strings{"a", "b"}) == "'a' and 'b'");
  CHECK(list_names(Strings{"a", "b", "c", "d"}) == "'a', 'b', 'c' and 'd'");
  CHECK(list_names(Strings{"a", "b", "c", "d", "e"}) == "'a', 'b', 'c' and 2 more");
}
