#pragma once
// HDF5 files as JSON, for what reads them through a confined process: a thread answers in its place,
// also what no sound process would.
//
// {"/": {"attributes": {"version": "1"}}, "/a": null, "/a/times": {"type": "f8", "shape": [4],
// "values": [0.5, 1]}, "/a/lists": {"type": "o", "item": "i2", "values": [[1, 2], []]}}
// null: a group. Types: i, u, f with their bytes; t: texts; o: others. Without a shape, as many as
// there are values. Where there are fewer values than the shape says, a request for more of them is
// refused, as it is where they are stored nowhere, or with "rest" the last one is given again and
// again, as packed chunks would; "short" sends a byte less than was asked for.

namespace spikeloom::fuzz {

// What hdf5::answer_in_thread() takes. Eight bytes stand before the text: HDF5's mark.
void answer_from_json(int socket, int file);
inline constexpr char kHdf5Mark[] = "\x89HDF\r\n\x1a\n";

}  // namespace spikeloom::fuzz
