#pragma once
// Prophesee's files: a header of lines "% key value", then RAW words (EVT2, EVT2.1, EVT3) or DAT
// records.

#include <memory>

#include "datasets/events/decoders.hpp"

namespace spikeloom {

struct PropheseeHeader {
  std::vector<std::pair<std::string, std::string>> lines{};  // key and the rest
  bool has_end = false;                                      // "% end"
  int64_t width = 0, height = 0;                             // 0: not there

  // The value of the last line with the key; nullptr: none has it.
  const std::string* find(std::string_view key) const noexcept;
};

// Lines "% ..." of printable text, to "% end" or the first that is none; `in` then stands behind
// them. Throws Error(kData) for a header without an end within 64 KiB and for sizes that contradict
// each other.
PropheseeHeader read_prophesee_header(ByteReader& in);

// A header that says how words are encoded belongs to RAW, others to DAT.
bool is_raw(const PropheseeHeader& header) noexcept;

// `info` gets the sensor's size and the finer name of the format. Throws Error(kData) by name for
// encodings that are not read.
EventDecoder decode_raw(std::shared_ptr<ByteReader> in, const PropheseeHeader& header,
                        RecordingInfo& info);
EventDecoder decode_dat(std::shared_ptr<ByteReader> in, const PropheseeHeader& header,
                        RecordingInfo& info);

// The words of an encoding; `start`: microseconds to be added.
EventDecoder decode_evt2(std::shared_ptr<ByteReader> in, int64_t start);
// `swapped`: the halves of a word are exchanged, as old cameras did.
EventDecoder decode_evt21(std::shared_ptr<ByteReader> in, int64_t start, bool swapped);
EventDecoder decode_evt3(std::shared_ptr<ByteReader> in, int64_t start);

}  // namespace spikeloom
