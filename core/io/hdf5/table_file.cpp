#include "core/io/hdf5/table_file.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "core/error.hpp"
#include "core/io/hdf5/hdf5_journal.hpp"
#include "core/io/hdf5/row_dataset.hpp"

namespace spikeloom {
namespace {

using hdf5::Id;

constexpr int64_t kChunkValues = int64_t{1} << 16;

struct Table {
  hdf5::RowDataset data;
  int64_t width = 1;
  bool real = false;
};

}  // namespace

struct TableFile::Impl {
  explicit Impl(std::filesystem::path given) : path(std::move(given)), temporary(path) {}

  ~Impl() {
    if (published) return;
    close_file();
    std::error_code ignored;
    std::filesystem::remove(hdf5::journal_of(temporary.path().string()), ignored);
  }

  template <typename F>
  void guarded(F&& write) {
    const auto failure = hdf5::failure_of(path, fault, write);
    if (failure) throw *failure;
  }

  hid_t group_of(const std::string& name) {
    const size_t slash = name.find('/');
    if (slash == name.npos) return file.get();
    Id& group = groups[name.substr(0, slash)];
    if (!group) group = hdf5::create_group(file.get(), name.substr(0, slash));
    return group.get();
  }

  size_t add(const TableFormat& format, bool real) {
    const int64_t width = std::max<int64_t>(format.width, 1);
    guarded([&] {
      hdf5::RowFormat rows;
      rows.file_type = real ? H5T_IEEE_F64LE : H5T_STD_I64LE;
      rows.width = format.width;
      rows.chunk_rows = std::max<int64_t>(1, kChunkValues / width);
      rows.shuffle = true;
      tables.push_back({hdf5::RowDataset::create(group_of(format.name), link_of(format.name), rows),
                        width, real});
      describe(tables.back().data.get(), format);
    });
    return tables.size() - 1;
  }

  static std::string link_of(const std::string& name) { return name.substr(name.find('/') + 1); }

  static void describe(hid_t dataset, const TableFormat& format) {
    hdf5::write_text(dataset, "unit", format.unit);
    hdf5::write_text(dataset, "axes", format.axes);
  }

  void append(size_t at, bool real, size_t count, const void* values) {
    Table& table = tables.at(at);
    const auto width = static_cast<size_t>(table.width);
    if (table.real != real || count % width != 0)
      throw Error(ErrorCode::kInternal, "table file: values that are no rows of their table");
    guarded([&] {
      table.data.write(table.data.rows(), static_cast<int64_t>(count / width),
                       real ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64, values);
    });
  }

  void close_file() noexcept {
    tables.clear();
    groups.clear();
    file.reset();
  }

  std::filesystem::path path;
  TemporaryFile temporary;
  hdf5::WriteFault fault;
  bool published = false;
  Id file;
  std::map<std::string, Id> groups;
  std::vector<Table> tables;
};

TableFile::TableFile(std::filesystem::path path) : impl_(std::make_unique<Impl>(std::move(path))) {
  impl_->guarded([&] { impl_->file = hdf5::create_file(impl_->temporary, &impl_->fault); });
}

TableFile::~TableFile() = default;

void TableFile::attribute(const std::string& name, const std::string& text) {
  impl_->guarded([&] { hdf5::write_text(impl_->file.get(), name, text); });
}

void TableFile::attribute(const std::string& name, int64_t value) {
  impl_->guarded([&] {
    hdf5::write_integers(impl_->file.get(), name, H5T_STD_I64LE, {&value, 1}, true);
  });
}

size_t TableFile::add_integers(const TableFormat& format) {
  return impl_->add(format, false);
}

size_t TableFile::add_reals(const TableFormat& format) {
  return impl_->add(format, true);
}

void TableFile::append(size_t table, std::span<const int64_t> values) {
  impl_->append(table, false, values.size(), values.data());
}

void TableFile::append(size_t table, std::span<const double> values) {
  impl_->append(table, true, values.size(), values.data());
}

void TableFile::texts(const TableFormat& format, const std::vector<std::string>& values) {
  impl_->guarded([&] {
    const Id dataset =
        hdf5::write_texts(impl_->group_of(format.name), Impl::link_of(format.name), values);
    Impl::describe(dataset.get(), format);
  });
}

void TableFile::close() {
  Impl& it = *impl_;
  it.guarded([&] {
    it.close_file();
    if (it.fault.error == 0) it.fault.error = it.temporary.publish();
  });
  it.published = true;
}

}  // namespace spikeloom
