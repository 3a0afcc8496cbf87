#pragma once
// Pages of a file that change together or not at all, whatever moment the process is killed at.
// Internal to sim/trace.
//
// "<file>.journal" holds the new pages and a checksum; once it is whole, the pages are written into
// the file and the journal is removed. Whoever opens the file with a whole journal beside it reads
// the journal's pages instead of the file's; a torn journal counts for nothing, the file is as it
// was. A killed process is covered, a power cut is not: nothing is forced to the disk.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace spikeloom::hdf5 {

constexpr uint64_t kPageBytes = 4096;
using Page = std::array<unsigned char, kPageBytes>;
using Pages = std::unordered_map<uint64_t, Page>;  // by address / kPageBytes

// Calls f(page number, offset in page, bytes, offset in the range) for every page of a range.
template <typename F>
bool for_each_page(uint64_t address, size_t size, F&& f) {
  for (size_t done = 0; done < size;) {
    const uint64_t offset = (address + done) % kPageBytes;
    const size_t part = std::min<size_t>(size - done, kPageBytes - offset);
    if (!f((address + done) / kPageBytes, offset, part, done)) return false;
    done += part;
  }
  return true;
}

std::string journal_of(const std::string& file);

// Writes all bytes at an offset; 0 or errno.
int write_fully(int descriptor, const void* bytes, size_t size, uint64_t offset) noexcept;

// Writes the journal, then the pages into `descriptor` (cut to `size` bytes afterwards), then
// removes the journal. 0 or errno; after a failed write of the journal the file is untouched.
int commit_pages(const std::string& file, int descriptor, const Pages& pages, uint64_t size);

// Writes the pages of a whole journal into the file, for good; removes the journal, whole or torn.
// 0 or errno.
int settle(const std::string& file);

// The pages of a whole journal; empty when there is none or it is torn.
Pages load_journal(const std::string& file);

}  // namespace spikeloom::hdf5
