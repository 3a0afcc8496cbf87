#include "models/families.hpp"

#include <algorithm>

#include "models/ann/gpt.hpp"
#include "models/ann/kwt.hpp"
#include "models/ann/resnet.hpp"
#include "models/ann/rwkv4.hpp"
#include "models/layers/layers.hpp"
#include "models/lmuformer/lmuformer.hpp"
#include "models/ms_resnet/ms_resnet.hpp"
#include "models/nir/nir.hpp"
#include "models/spikeformer/spikeformer.hpp"
#include "models/spikegpt/classifier.hpp"
#include "models/spikegpt/spikegpt.hpp"

namespace spikeloom {

const std::vector<Family>& families() {
  static const std::vector<Family> table = {
      gpt_family(),          //
      kwt_family(),          //
      layers_family(),       //
      lmuformer_family(),    //
      spikeformer_family(),  //
      ms_resnet_family(),    //
      nir_family(),          //
      resnet_family(),       //
      rwkv4_family(),        //
      spikegpt_family(),     //
      spikegpt_classifier_family(),
  };
  return table;
}

const Family* find_family(std::string_view name) {
  const auto& all = families();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Family& family) { return family.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string family_names(SampleKind sample) {
  std::string names;
  for (const Family& family : families()) {
    if (family.sample != sample) continue;
    names += (names.empty() ? "" : ", ") + std::string(family.name);
  }
  return names;
}

const Family& usual_token_family() {
  const auto& all = families();
  return *std::find_if(all.begin(), all.end(), [](const Family& family) {
    return family.sample == SampleKind::kTokens && family.spikes;
  });
}

}  // namespace spikeloom
