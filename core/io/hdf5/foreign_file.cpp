// The parent's side: starts the child, asks it, believes nothing.

#include "core/io/hdf5/foreign_file.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <system_error>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <thread>

#include "core/error.hpp"
#include "core/io/hdf5/channel.hpp"
#include "core/io/hdf5/child.hpp"
#include "core/io/hdf5/protocol.hpp"
#include "core/io/hint.hpp"

namespace spikeloom::hdf5 {
namespace {

constexpr rlim_t kProcessorSeconds = 5;       // of one request
constexpr int kSilenceMilliseconds = 60'000;  // the child may wait for the processor or the disk
constexpr int kSocket = 0, kFile = 3;         // in the child
constexpr uint64_t kPartBytes = 8 << 20;      // of one request for numbers
constexpr uint64_t kMaxReason = 4096;
constexpr uint64_t kFreeBytes = uint64_t{64} << 20, kMaxGrowth = 128;  // of what is claimed

// The one setting of the process, made when it starts.
std::string& reader_program() {
  static std::string program;
  return program;
}

using Answer = void (*)(int socket, int file);
Answer& answer_of_tests() {
  static Answer answer = nullptr;
  return answer;
}

// A descriptor of its own, above those that the child gets.
class Descriptor {
 public:
  explicit Descriptor(int given = -1) noexcept {
    if (given < 0) return;
    value_ = fcntl(given, F_DUPFD_CLOEXEC, 10);
    ::close(given);
  }
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const noexcept { return value_; }

 private:
  int value_ = -1;
};

int open_regular(const std::filesystem::path& path) {
  // A pipe or device would hold up the child.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0)
    throw Error(ErrorCode::kData, "cannot be opened: " + std::generic_category().message(errno));
  struct stat status = {};
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  ::close(file);
  throw Error(ErrorCode::kData, "not a regular file");
}

// The environment goes along (library paths); nothing else that is open does.
int start(const std::string& program, int socket, int file, pid_t& process) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket, kSocket);
  posix_spawn_file_actions_adddup2(&actions, file, kFile);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, kFile + 1);
  // A group of its own: Ctrl-C is for the parent to answer.
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const std::string socket_text = std::to_string(kSocket), file_text = std::to_string(kFile);
  std::string name = "spikeloom", word = kChildWord;
  char* arguments[] = {name.data(), word.data(), const_cast<char*>(socket_text.c_str()),
                       const_cast<char*>(file_text.c_str()), nullptr};
  const int error =
      posix_spawn(&process, program.c_str(), &actions, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

uint64_t bytes_of(const Shape& count, ValueType type) {
  return static_cast<uint64_t>(element_count(count)) * type.bytes;
}

}  // namespace

struct ForeignFile::Child {
  explicit Child(const std::filesystem::path& path) : file(open_regular(path)) {
    if (answer_of_tests() != nullptr) {
      start_thread();
      return;
    }
    if (!can_read_foreign_files()) {
      throw Error(ErrorCode::kRuntime, "this program cannot start a process that reads it");
    }
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) cannot_start(errno);
    const Descriptor other(pair[1]);
    ends.emplace(pair[0]);
    if (const int error = start(reader_program(), other.get(), file.get(), process); error != 0) {
      process = -1;
      cannot_start(error);
    }
  }

  ~Child() { stop(); }

  [[noreturn]] static void cannot_start(int error) {
    throw Error(ErrorCode::kRuntime,
                "no process to read it can be started: " + std::generic_category().message(error));
  }

  void start_thread() {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) cannot_start(errno);
    ends.emplace(pair[0]);
    thread = std::thread([answer = answer_of_tests(), socket = pair[1], open = file.get()] {
      answer(socket, open);
      ::close(socket);
    });
  }

  bool runs() const noexcept { return process >= 0 || thread.joinable(); }

  // The status of waitpid, or -1.
  int stop() noexcept {
    if (thread.joinable()) {
      shutdown(ends->get(), SHUT_RDWR);
      thread.join();
    }
    if (process < 0) return -1;
    kill(process, SIGKILL);  // of no effect on one that has ended
    int status = -1;
    pid_t waited = 0;
    do {
      waited = waitpid(process, &status, 0);
    } while (waited < 0 && errno == EINTR);
    process = -1;
    return waited < 0 ? -1 : status;
  }

  // The child's soft limit of processor time, from outside: what it has used and a request more.
  void grant_time() const noexcept {
    if (process < 0) return;
    clockid_t clock = 0;
    timespec used = {};
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) return;
    rlimit limit = {};
    if (prlimit(process, RLIMIT_CPU, nullptr, &limit) != 0) return;
    const rlim_t wanted = static_cast<rlim_t>(used.tv_sec) + kProcessorSeconds;
    limit.rlim_cur = std::min(limit.rlim_max, wanted);
    prlimit(process, RLIMIT_CPU, &limit, nullptr);
  }

  [[noreturn]] void failed(Transfer how) {
    if (how == Transfer::kLate) {
      stop();
      throw Error(ErrorCode::kData, "reading it as HDF5 does not end");
    }
    // It has closed its end, so it is ending or was told to misbehave; how it ended tells why.
    constexpr timespec kShort{0, 50'000'000};
    nanosleep(&kShort, nullptr);
    const int status = stop();
    if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
      throw Error(ErrorCode::kData, "takes more than " + std::to_string(kProcessorSeconds) +
                                        " s of processor time to read as HDF5");
    }
    std::string how_it_ended = "ended";
    if (status != -1 && WIFSIGNALED(status)) {
      how_it_ended = "ended with signal " + std::to_string(WTERMSIG(status));
    }
    throw Error(ErrorCode::kData, "damaged: HDF5 " + how_it_ended + " while reading it");
  }

  void request(Operation operation, std::span<const std::byte> body) {
    if (!runs()) throw Error(ErrorCode::kData, "HDF5 ended while reading it");
    grant_time();
    const RequestHead head{operation, static_cast<uint32_t>(body.size())};
    for (const auto part : {std::as_bytes(std::span(&head, 1)), body}) {
      const Transfer sent = send_all(ends->get(), part, kSilenceMilliseconds);
      if (sent != Transfer::kDone) failed(sent);
    }
  }

  void receive(std::span<std::byte> out) {
    const Transfer received = receive_all(ends->get(), out, kSilenceMilliseconds);
    if (received != Transfer::kDone) failed(received);
  }

  // The size of what follows, at most `most`.
  uint64_t receive_head(uint64_t most) {
    AnswerHead head;
    receive(std::as_writable_bytes(std::span(&head, 1)));
    if (head.status == Status::kRefused && head.payload_bytes <= kMaxReason) {
      std::string reason(head.payload_bytes, '\0');
      receive(std::as_writable_bytes(std::span(reason)));
      throw Error(ErrorCode::kData, printable(reason, 300));
    }
    if (head.status != Status::kDone || head.payload_bytes > most) {
      stop();
      throw Error(ErrorCode::kData, "damaged: HDF5 ended in disorder while reading it");
    }
    return head.payload_bytes;
  }

  std::vector<std::byte> receive_all_of(uint64_t most) {
    std::vector<std::byte> payload;
    const uint64_t size = receive_head(most);
    // Memory grows with what has come, not with what was announced.
    constexpr uint64_t kStep = 1 << 20;
    while (payload.size() < size) {
      const uint64_t before = payload.size(), part = std::min(kStep, size - before);
      payload.resize(before + part);
      receive(std::span(payload).subspan(before));
    }
    return payload;
  }

  Descriptor file;
  std::optional<Descriptor> ends;
  pid_t process = -1;
  std::thread thread;  // of a test, in place of the process
};

std::optional<int> serve_foreign_files(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], kChildWord) == 0) {
    return serve_parent(std::atoi(argv[2]), std::atoi(argv[3]));
  }
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
  // Replaced while it runs, the name leads elsewhere; the link itself still leads to it.
  const bool there = !error && access(own.c_str(), X_OK) == 0;
  use_foreign_reader(there ? own : std::filesystem::path("/proc/self/exe"));
  return std::nullopt;
}

void use_foreign_reader(const std::filesystem::path& program) {
  reader_program() = program.string();
}

bool can_read_foreign_files() {
  return !reader_program().empty() || answer_of_tests() != nullptr;
}

void answer_in_thread(void (*answer)(int socket, int file)) {
  answer_of_tests() = answer;
}

ForeignFile::ForeignFile(const std::filesystem::path& path)
    : child_(std::make_unique<Child>(path)) {
  child_->receive_head(0);
  child_->request(Operation::kList, {});
  objects_ = decode_objects(child_->receive_all_of(kMaxListingBytes));
  struct stat status = {};
  const bool known = fstat(child_->file.get(), &status) == 0 && status.st_size > 0;
  const uint64_t size = known ? static_cast<uint64_t>(status.st_size) : 0;
  most_ = std::max(kFreeBytes, std::min(size, UINT64_MAX / kMaxGrowth) * kMaxGrowth);
}

ForeignFile::~ForeignFile() = default;

const std::vector<Object>& ForeignFile::objects() const noexcept {
  return objects_;
}

const Object* ForeignFile::find(std::string_view path) const noexcept {
  const auto found =
      std::lower_bound(objects_.begin(), objects_.end(), path,
                       [](const Object& object, std::string_view p) { return object.path < p; });
  return found != objects_.end() && found->path == path ? &*found : nullptr;
}

void ForeignFile::claim(const Object& dataset, int64_t bytes) const {
  uint64_t all = static_cast<uint64_t>(element_count(dataset.shape));
  if (__builtin_mul_overflow(all, static_cast<uint64_t>(bytes), &all)) all = UINT64_MAX;
  claim_bytes(dataset, all);
}

void ForeignFile::claim_bytes(const Object& dataset, uint64_t bytes) const {
  if (bytes <= most_ - claimed_) {
    claimed_ += bytes;
    return;
  }
  throw Error(ErrorCode::kData,
              printable(dataset.path) + " declares " + to_string(dataset.shape) +
                  " elements; with them, more than 64 MiB and 128 times the file would be read");
}

void ForeignFile::read_part(const Object& dataset, ValueType wanted, const Shape& start,
                            const Shape& count, std::span<std::byte> out) const {
  if (out.empty()) return;
  if (out.size() <= kPartBytes) {
    child_->request(Operation::kNumbers, encode(SlabRequest{dataset.path, wanted, start, count}));
    if (child_->receive_head(out.size()) != out.size()) {
      throw Error(ErrorCode::kData, dataset.path + ": HDF5 gave less than was asked for");
    }
    return child_->receive(out);
  }
  // In two, along the first axis that can be: the halves follow each other in memory.
  const auto axis = std::find_if(count.begin(), count.end(), [](int64_t n) { return n > 1; });
  const auto i = static_cast<size_t>(axis - count.begin());
  Shape first = count, second = count, middle = start;
  first.at(i) /= 2;
  second[i] -= first[i];
  middle[i] += first[i];
  const uint64_t bytes = bytes_of(first, wanted);
  read_part(dataset, wanted, start, first, out.first(bytes));
  read_part(dataset, wanted, middle, second, out.subspan(bytes));
}

template <typename T>
void ForeignFile::read(const Object& dataset, const Shape& start, const Shape& count,
                       std::span<T> out) const {
  constexpr ValueKind kKind = std::is_floating_point_v<T> ? ValueKind::kReal
                              : std::is_signed_v<T>       ? ValueKind::kInteger
                                                          : ValueKind::kUnsigned;
  constexpr ValueType kWanted{kKind, sizeof(T)};
  if (out.size() != static_cast<uint64_t>(element_count(count))) {
    throw Error(ErrorCode::kInternal, "a part of another size than its memory");
  }
  read_part(dataset, kWanted, start, count, std::as_writable_bytes(out));
}

template void ForeignFile::read(const Object&, const Shape&, const Shape&, std::span<int8_t>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&,
                                std::span<int16_t>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&,
                                std::span<int32_t>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&,
                                std::span<int64_t>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&,
                                std::span<uint8_t>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&,
                                std::span<uint16_t>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&,
                                std::span<uint32_t>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&,
                                std::span<uint64_t>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&, std::span<float>) const;
template void ForeignFile::read(const Object&, const Shape&, const Shape&, std::span<double>) const;

template <typename T>
std::vector<T> ForeignFile::read_all(const Object& dataset) const {
  claim(dataset, sizeof(T));
  std::vector<T> values(static_cast<size_t>(element_count(dataset.shape)));
  read(dataset, Shape(dataset.shape.size(), 0), dataset.shape, std::span(values));
  return values;
}

template std::vector<int64_t> ForeignFile::read_all(const Object&) const;
template std::vector<uint64_t> ForeignFile::read_all(const Object&) const;
template std::vector<double> ForeignFile::read_all(const Object&) const;

template <typename T>
std::vector<T> ForeignFile::read_list(const Object& dataset, int64_t index) const {
  constexpr ValueType kWanted{std::is_floating_point_v<T> ? ValueKind::kReal : ValueKind::kInteger,
                              sizeof(T)};
  child_->request(Operation::kItems, encode(SlabRequest{dataset.path, kWanted, {index}, {1}}));
  const std::vector<std::byte> bytes = child_->receive_all_of(kMaxAnswerBytes);
  if (bytes.size() % sizeof(T) != 0)
    throw Error(ErrorCode::kData, dataset.path + ": HDF5 gave a part of a number");
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template std::vector<int64_t> ForeignFile::read_list(const Object&, int64_t) const;
template std::vector<double> ForeignFile::read_list(const Object&, int64_t) const;

std::vector<std::string> ForeignFile::read_texts(const Object& dataset) const {
  const SlabRequest request{
      dataset.path, {ValueKind::kText, 0}, Shape(dataset.shape.size(), 0), dataset.shape};
  claim(dataset, sizeof(std::string));
  child_->request(Operation::kTexts, encode(request));
  const std::vector<std::byte> answer = child_->receive_all_of(2 * kMaxAnswerBytes);
  claim_bytes(dataset, answer.size());
  return decode_texts(answer, element_count(dataset.shape));
}

}  // namespace spikeloom::hdf5
