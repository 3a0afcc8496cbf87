#pragma once
// A competitor of `spikeloom bench nets`: a Python driver (tests/bench/torch_nets.py) that stays
// alive and makes calls when asked to.

#include <sys/types.h>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace spikeloom {

class RivalChild {
 public:
  // Starts `python driver arguments...` without OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which make
  // OpenBLAS use the code of another processor. Where it cannot run, ready() is false.
  RivalChild(const std::string& python, const std::string& driver,
             const std::vector<std::string>& arguments);
  ~RivalChild();
  RivalChild(const RivalChild&) = delete;
  RivalChild& operator=(const RivalChild&) = delete;

  bool ready() const noexcept { return ready_; }
  // What it runs on, or why it does not.
  const std::string& about() const noexcept { return about_; }
  // Seconds of so many calls: of processor time on one thread, on the wall on several. Throws
  // Error(kRuntime) when the driver has ended.
  double run(int threads, int64_t calls);

 private:
  std::string read_line();

  pid_t process_ = -1;
  std::FILE *to_ = nullptr, *from_ = nullptr;
  bool ready_ = false;
  std::string about_;
};

}  // namespace spikeloom
