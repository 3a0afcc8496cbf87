#pragma once
// What an untrusted HDF5 file holds, by HDF5's own word. For the confined process only. Internal to
// core/io/hdf5.

#include <functional>
#include <string>
#include <vector>

#include "core/io/hdf5/id.hpp"
#include "core/io/hdf5/objects.hpp"

namespace spikeloom::hdf5 {

// An integer or real of up to 8 bytes, an enumeration, a text; else kOther.
ValueType type_of(hid_t type);
// What lists of variable length hold; kOther: it is no such list of numbers.
ValueType item_of(hid_t type);
// HDF5's type in memory for numbers of that type.
hid_t memory_type(ValueType type);
// Extents of a dataspace; one without elements has the shape [0].
Shape shape_of(hid_t space);

// `count` texts of fixed or variable length, each up to its first NUL; `read` is called once, with
// a type and memory for that many of them. Throws Error(kData) starting with `what`.
std::vector<std::string> collect_texts(hid_t type, int64_t count, const std::string& what,
                                       const std::function<void(hid_t type, void* values)>& read);

// All objects in order of their paths, the root first. A group that has several names is listed
// under the first it is met by. Throws Error(kData), naming the object, for links to other files
// and links of a program's own, data in other files, virtual datasets, groups deeper than 32, and
// for more than protocol.hpp allows.
std::vector<Object> list_objects(hid_t file);

}  // namespace spikeloom::hdf5
