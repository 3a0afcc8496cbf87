#pragma once
// The style sheet of all pages: light, dark and paper; colours that colour-blind readers tell apart
// (Okabe and Ito, "Color Universal Design", 2008, lightened on dark ground).

#include <string_view>

namespace spikeloom {

std::string_view page_style();

}  // namespace spikeloom
