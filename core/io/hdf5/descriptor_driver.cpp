#include "core/io/hdf5/descriptor_driver.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

namespace spikeloom::hdf5 {
namespace {

struct DescriptorFile : H5FD_t {
  int descriptor = -1;
  haddr_t allocated = 0, size = 0;
};

DescriptorFile& of(H5FD_t* file) {
  return *static_cast<DescriptorFile*>(file);
}
const DescriptorFile& of(const H5FD_t* file) {
  return *static_cast<const DescriptorFile*>(file);
}

H5FD_t* open_descriptor(const char*, unsigned flags, hid_t access, haddr_t) {
  const auto* descriptor = static_cast<const int*>(H5Pget_driver_info(access));
  if (descriptor == nullptr || flags != H5F_ACC_RDONLY) return nullptr;
  const off_t end = lseek(*descriptor, 0, SEEK_END);
  auto* file = new (std::nothrow) DescriptorFile;
  if (end < 0 || file == nullptr) return nullptr;
  file->descriptor = *descriptor;
  file->size = static_cast<haddr_t>(end);
  return file;
}

herr_t close_descriptor(H5FD_t* file) {
  delete &of(file);
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_ACCUMULATE_METADATA_READ | H5FD_FEAT_DATA_SIEVE;
  return 0;
}

haddr_t get_allocated(const H5FD_t* file, H5FD_mem_t) {
  return of(file).allocated;
}
herr_t set_allocated(H5FD_t* file, H5FD_mem_t, haddr_t address) {
  of(file).allocated = address;
  return 0;
}
haddr_t get_size(const H5FD_t* file, H5FD_mem_t) {
  return of(file).size;
}

herr_t read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t address, size_t size, void* out) {
  auto* to = static_cast<unsigned char*>(out);
  while (size > 0) {
    const ssize_t got = pread(of(file).descriptor, to, size, static_cast<off_t>(address));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return -1;  // structures end where the file does
    address += static_cast<haddr_t>(got);
    to += got;
    size -= static_cast<size_t>(got);
  }
  return 0;
}

herr_t write(H5FD_t*, H5FD_mem_t, hid_t, haddr_t, size_t, const void*) {
  return -1;
}

H5FD_class_t descriptor_class() {
  H5FD_class_t result = {};
#ifdef H5FD_CLASS_VERSION  // HDF5 1.14
  result.version = H5FD_CLASS_VERSION;
  result.value = static_cast<H5FD_class_value_t>(510);  // the range for testing and private use
#endif
  result.name = "spikeloom_descriptor";
  result.maxaddr = (haddr_t{1} << 63) - 1;
  result.fc_degree = H5F_CLOSE_WEAK;
  result.fapl_size = sizeof(int);
  result.open = open_descriptor;
  result.close = close_descriptor;
  result.query = query;
  result.get_eoa = get_allocated;
  result.set_eoa = set_allocated;
  result.get_eof = get_size;
  result.read = read;
  result.write = write;
  const H5FD_mem_t types[] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(types), std::end(types), result.fl_map);
  return result;
}

}  // namespace

Id descriptor_access(int descriptor) {
  static const H5FD_class_t kClass = descriptor_class();
  // Registered for the life of the library: H5FD_close looks at the class after giving it up.
  const hid_t driver = H5FDregister(&kClass);
  check(driver < 0 ? -1 : 0, "register the file driver");
  Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "make file properties");
  check(H5Pset_driver(access.get(), driver, &descriptor), "set the file driver");
  return access;
}

}  // namespace spikeloom::hdf5
