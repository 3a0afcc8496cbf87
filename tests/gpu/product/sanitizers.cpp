// Programs on fibers go on after a report of a sanitizer: one that had any fails when it ends.

#include <cstdio>
#include <cstdlib>

#include "tests/gpu/simt/fiber.hpp"

namespace spikeloom::simt {
namespace {

const struct AtEnd {
  ~AtEnd() {
    if (sanitizer_reports() == 0) return;
    std::fprintf(stderr, "%d reports of a sanitizer\n", sanitizer_reports());
    std::_Exit(1);
  }
} at_end;

}  // namespace
}  // namespace spikeloom::simt
