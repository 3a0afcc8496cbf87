#include "core/io/hdf5/confinement.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace spikeloom::hdf5 {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;  // no filter is written for it
#endif

#if defined(__has_feature)
#define SPIKELOOM_HAS_FEATURE(name) __has_feature(name)
#else
#define SPIKELOOM_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    SPIKELOOM_HAS_FEATURE(address_sanitizer) || SPIKELOOM_HAS_FEATURE(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Memory of its own; the address sanitizer reserves terabytes.
constexpr rlim_t kMemoryBytes = kSanitized ? RLIM_INFINITY : rlim_t{512} << 20;

// The address sanitizer asks for its signal stack at every exception; that of undefined behaviour
// tries through a pipe whether the object thrown can be read.
constexpr std::array<uint32_t, 20> kAllowed = {
    __NR_read,           __NR_pread64,       __NR_lseek,       __NR_recvfrom,
    __NR_sendto,         __NR_write,         __NR_close,       __NR_brk,
    __NR_munmap,         __NR_mremap,        __NR_madvise,     __NR_futex,
    __NR_rt_sigreturn,   __NR_gettid,        __NR_exit,        __NR_exit_group,
    __NR_rt_sigprocmask, __NR_clock_gettime, __NR_sigaltstack, kSanitized ? __NR_pipe2 : __NR_read,
};
// Allowed as long as the memory they map or change is not to be executed: argument 2 holds PROT_*.
constexpr std::array<uint32_t, 2> kMapping = {__NR_mmap, __NR_mprotect};

constexpr uint32_t kNumber = offsetof(seccomp_data, nr);
constexpr uint32_t kArch = offsetof(seccomp_data, arch);
constexpr uint32_t kProtection = offsetof(seccomp_data, args[2]);  // its low half

// Load; compare, then go on or skip; answer. The program answers at the first match.
class Filter {
 public:
  constexpr Filter() {
    load(kArch);
    add(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0);
    answer(SECCOMP_RET_KILL_PROCESS);
    load(kNumber);
    for (const uint32_t call : kAllowed) {
      add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
      answer(SECCOMP_RET_ALLOW);
    }
    for (const uint32_t call : kMapping) {
      add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4);
      load(kProtection);
      add(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0);
      answer(SECCOMP_RET_ALLOW);
      answer(SECCOMP_RET_ERRNO | EPERM);
    }
    answer(SECCOMP_RET_ERRNO | EPERM);
  }

  sock_fprog program() noexcept { return {static_cast<unsigned short>(size_), code_.data()}; }

 private:
  constexpr void add(uint32_t code, uint32_t value, uint8_t yes, uint8_t no) {
    code_[size_++] = {static_cast<uint16_t>(code), yes, no, value};
  }
  constexpr void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }
  constexpr void answer(uint32_t value) { add(BPF_RET | BPF_K, value, 0, 0); }

  std::array<sock_filter, 5 + 2 * kAllowed.size() + 5 * kMapping.size()> code_ = {};
  size_t size_ = 0;
};

// A limit that is lower already stays: only privileged processes may raise it.
bool limit(__rlimit_resource_t what, rlim_t value) noexcept {
  rlimit now{};
  if (getrlimit(what, &now) != 0) return false;
  const rlim_t least = std::min(value, now.rlim_max);
  const rlimit both{least, least};
  return setrlimit(what, &both) == 0;
}

}  // namespace

const char* confine() noexcept {
  if (kArchitecture == 0) return "no filter of system calls is known for this processor";
  if ((kMemoryBytes != RLIM_INFINITY && !limit(RLIMIT_AS, kMemoryBytes)) ||
      !limit(RLIMIT_FSIZE, 0) || !limit(RLIMIT_CORE, 0)) {
    return "resources cannot be limited";
  }
  static Filter filter;
  sock_fprog program = filter.program();
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    return "this system has no filter of system calls (seccomp)";
  }
  return "";
}

}  // namespace spikeloom::hdf5
