// The file driver of traces: POSIX reads and writes, with two guarantees HDF5 does not give.
//
// A kill leaves the file as it was at the last flush. Between two flushes what lies beyond the end
// of the flushed file is written at once, whatever changes earlier pages waits in memory and goes
// through a journal at the next flush (hdf5_journal.hpp).
//
// A failed write never reaches HDF5. Measured with HDF5 1.10.8 on a full disk: H5Fclose fails and
// the process then ends in a segmentation fault, at the next call or at exit. So after the first
// failure all further writes go to pages in memory which reads see too; HDF5 finds a consistent
// file, closes it in order, and the writer learns of the failure from WriteFault.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>

#include "core/io/hdf5/hdf5.hpp"
#include "core/io/hdf5/hdf5_journal.hpp"

namespace spikeloom::hdf5 {
namespace {

struct DriverInfo {
  WriteFault* fault;
  int descriptor;  // of the new file, open; -1: a file is opened by its name, to be read
};

// HDF5 sees the base; the rest is ours.
struct DriverFile : H5FD_t {
  int descriptor = -1;
  haddr_t allocated = 0, size = 0;
  dev_t device = 0;
  ino_t inode = 0;
  WriteFault* fault = nullptr;
  std::string name;
  Pages pages;                 // what is not on the disk
  uint64_t flushed_pages = 0;  // of the file as of the last flush; they change through the journal
  bool writable = false;
};

DriverFile& file_of(H5FD_t* file) {
  return *static_cast<DriverFile*>(file);
}
const DriverFile& file_of(const H5FD_t* file) {
  return *static_cast<const DriverFile*>(file);
}

// Zeros beyond the end; false when the disk fails.
bool read_disk(const DriverFile& file, haddr_t address, size_t size, unsigned char* out) noexcept {
  while (size > 0) {
    const ssize_t got = pread(file.descriptor, out, size, static_cast<off_t>(address));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) {
      std::memset(out, 0, size);
      return true;
    }
    address += static_cast<haddr_t>(got);
    out += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool read_any(const DriverFile& file, haddr_t address, size_t size, unsigned char* out) noexcept {
  if (file.pages.empty()) return read_disk(file, address, size, out);
  return for_each_page(address, size, [&](haddr_t page, haddr_t offset, size_t part, size_t done) {
    const auto found = file.pages.find(page);
    if (found == file.pages.end()) return read_disk(file, address + done, part, out + done);
    std::memcpy(out + done, found->second.data() + offset, part);
    return true;
  });
}

bool write_memory(DriverFile& file, haddr_t address, size_t size, const unsigned char* bytes) {
  return for_each_page(address, size, [&](haddr_t page, haddr_t offset, size_t part, size_t done) {
    const auto [entry, fresh] = file.pages.try_emplace(page);
    if (fresh && !read_disk(file, page * kPageBytes, kPageBytes, entry->second.data())) {
      entry->second.fill(0);
    }
    std::memcpy(entry->second.data() + offset, bytes + done, part);
    return true;
  });
}

H5FD_t* driver_open(const char* name, unsigned flags, hid_t access, haddr_t maximum) {
  const auto* info = static_cast<const DriverInfo*>(H5Pget_driver_info(access));
  if (info == nullptr || maximum == 0) return nullptr;
  const bool made = info->descriptor >= 0;
  // HDF5 looks for an older file first; a new one is made by nobody but core/io.
  if (made != ((flags & H5F_ACC_CREAT) != 0)) return nullptr;
  const int descriptor = made ? ::fcntl(info->descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                              : ::open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status = {};
  if (descriptor < 0 || fstat(descriptor, &status) != 0) {
    if (made) info->fault->error = errno;
    if (descriptor >= 0) ::close(descriptor);
    return nullptr;
  }
  try {
    auto file = std::make_unique<DriverFile>();
    file->name = name;
    file->writable = made;
    if (!made) file->pages = load_journal(name);
    file->descriptor = descriptor;
    file->size = static_cast<haddr_t>(status.st_size);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->fault = info->fault;
    return file.release();
  } catch (...) {
    ::close(descriptor);
    return nullptr;
  }
}

// Makes the file on the disk what HDF5 flushed. A failure stays in the fault.
void commit(DriverFile& file) noexcept {
  if (!file.writable || file.fault->error != 0) return;
  try {
    file.fault->error = commit_pages(file.name, file.descriptor, file.pages, file.size);
  } catch (...) {
    file.fault->error = ENOMEM;
  }
  if (file.fault->error != 0) return;
  file.pages.clear();
  file.flushed_pages = (file.size + kPageBytes - 1) / kPageBytes;
}

herr_t driver_flush(H5FD_t* base, hid_t, hbool_t) {
  commit(file_of(base));
  return 0;
}

herr_t driver_close(H5FD_t* base) {
  DriverFile* file = &file_of(base);
  commit(*file);
  if (::close(file->descriptor) != 0 && file->fault->error == 0) file->fault->error = errno;
  delete file;
  return 0;
}

int driver_compare(const H5FD_t* a, const H5FD_t* b) {
  const DriverFile &x = file_of(a), &y = file_of(b);
  if (x.device != y.device) return x.device < y.device ? -1 : 1;
  if (x.inode != y.inode) return x.inode < y.inode ? -1 : 1;
  return 0;
}

herr_t driver_query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t driver_allocated(const H5FD_t* file, H5FD_mem_t) {
  return file_of(file).allocated;
}

herr_t driver_allocate(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  file_of(file).allocated = address;
  return 0;
}

haddr_t driver_size(const H5FD_t* file, H5FD_mem_t) {
  return file_of(file).size;
}

herr_t driver_read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t size, void* out) {
  return read_any(file_of(file), address, size, static_cast<unsigned char*>(out)) ? 0 : -1;
}

herr_t driver_write(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, size_t size,
                    const void* bytes) {
  DriverFile& file = file_of(base);
  const auto* from = static_cast<const unsigned char*>(bytes);
  const haddr_t flushed = file.flushed_pages * kPageBytes;
  file.size = std::max<haddr_t>(file.size, address + size);
  const size_t waits = address < flushed ? std::min<size_t>(size, flushed - address) : 0;
  size_t in_memory = waits;
  if (size > waits && file.fault->error == 0) {
    file.fault->error = write_fully(file.descriptor, from + waits, size - waits, address + waits);
  }
  if (file.fault->error != 0) in_memory = size;
  try {
    return write_memory(file, address, in_memory, from) ? 0 : -1;
  } catch (...) {
    return -1;  // out of memory as well: nothing left to do
  }
}

// The disk follows at the next flush: until then the flushed file needs all of its bytes.
herr_t driver_truncate(H5FD_t* base, hid_t, hbool_t) {
  file_of(base).size = file_of(base).allocated;
  return 0;
}

H5FD_class_t driver_class() {
  H5FD_class_t result = {};
#ifdef H5FD_CLASS_VERSION  // HDF5 1.14
  result.version = H5FD_CLASS_VERSION;
  result.value = static_cast<H5FD_class_value_t>(511);  // the range for testing and private use
#endif
  result.name = "spikeloom_trace";
  result.maxaddr = (haddr_t{1} << 63) - 1;
  result.fc_degree = H5F_CLOSE_WEAK;
  result.fapl_size = sizeof(DriverInfo);
  result.open = driver_open;
  result.close = driver_close;
  result.cmp = driver_compare;
  result.query = driver_query;
  result.get_eoa = driver_allocated;
  result.set_eoa = driver_allocate;
  result.get_eof = driver_size;
  result.read = driver_read;
  result.write = driver_write;
  result.flush = driver_flush;
  result.truncate = driver_truncate;
  const H5FD_mem_t types[] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(types), std::end(types), result.fl_map);
  return result;
}

// H5FD_close gives up its hold on the driver and only then calls it, so somebody else has to hold
// the driver until the last file is closed. It stays registered for the life of the library; what
// H5close() of a host program took away is registered again.
hid_t driver() {
  static const H5FD_class_t kClass = driver_class();
  static std::mutex mutex;  // several files may be opened at a time
  static hid_t registered = -1;
  const std::lock_guard lock(mutex);
  if (H5Iget_type(registered) != H5I_VFL) registered = H5FDregister(&kClass);
  check(registered < 0 ? -1 : 0, "register the file driver");
  return registered;
}

}  // namespace

Id driver_access(WriteFault* fault, int descriptor) {
  Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "make file properties");
  const DriverInfo info{fault, descriptor};  // copied by HDF5
  check(H5Pset_driver(access.get(), driver(), &info), "set the file driver");
  return access;
}

}  // namespace spikeloom::hdf5
