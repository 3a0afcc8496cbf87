#include "run/export_features.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/io/file.hpp"
#include "core/io/folder_lock.hpp"
#include "core/io/npy.hpp"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

// One name a line: a name that holds a line break would shift all that follow.
std::string line_of(const std::string& name, int64_t index) {
  if (name.find_first_of("\r\n") != std::string::npos)
    throw Error(ErrorCode::kData, fmt::format("sample {}: its name has a line break", index));
  return (name.empty() ? std::to_string(index) : name) + "\n";
}

// [T, H, W, C] as [T, C, H, W], the order of PyTorch.
Tensor channels_first(const Tensor& frames) {
  const Shape& shape = frames.shape();
  const int64_t pixels = shape[1] * shape[2], channels = shape[3];
  Tensor result({shape[0], channels, shape[1], shape[2]});
  const auto from = frames.f32();
  const auto to = result.f32();
  for (int64_t i = 0; i < frames.size(); ++i) {
    const int64_t pixel = i % pixels, channel = i / pixels % channels, t = i / pixels / channels;
    to[static_cast<size_t>(i)] =
        from[static_cast<size_t>((t * pixels + pixel) * channels + channel)];
  }
  return result;
}

}  // namespace

ExportedFeatures export_features(const Experiment& experiment, const fs::path& folder,
                                 const Observer& observer, const CancelToken& cancel) {
  if (experiment.reads_tokens())
    throw experiment.error_at("model.family", "token networks read no features");
  const auto dataset = open_dataset(dataset_of(experiment));
  const DatasetInfo& info = dataset->info();
  const bool frames = info.height != 0;
  if (frames && experiment.dataset.kind != "events") {
    throw Error(ErrorCode::kUsage, "--features: the samples of " + experiment.dataset.kind +
                                       " are no sequences and no recordings");
  }
  const FolderLock lock(folder);
  const Shape row = frames ? Shape{info.frames, info.channels, info.height, info.width}
                           : Shape{info.frames, info.channels};
  NpyWriter features(folder / (frames ? "frames.npy" : "features.npy"), row);
  std::vector<int64_t> labels;
  std::string names;
  ExportedFeatures result{info.description, 0, info.size, row, {}};
  std::string first_fault;
  for (int64_t index = 0; index < info.size; ++index) {
    if (cancel.cancelled())
      throw Error(ErrorCode::kInterrupted, "interrupted; nothing was written");
    try {
      const Sample sample = dataset->load(index);
      names += line_of(sample.name, index);
      features.append(frames ? channels_first(sample.frames).f32() : sample.frames.f32());
      labels.push_back(sample.label);
    } catch (const Error& error) {
      if (!info.separate_files || error.code() != ErrorCode::kData) throw;
      if (result.left_out.empty()) first_fault = error.what();
      result.left_out.push_back(fmt::format("sample {} left out: {}", index, error.what()));
    }
    observer.report({"features", index + 1, info.size, ""});
  }
  if (labels.empty()) {
    throw Error(ErrorCode::kData, fmt::format("none of the {} samples can be read; the first: {}",
                                              info.size, first_fault));
  }
  Tensor label_row({static_cast<int64_t>(labels.size())}, DType::kI64);
  std::copy(labels.begin(), labels.end(), label_row.as<int64_t>().begin());
  save_npy(folder / "labels.npy", label_row);
  write_text_file(folder / "names.txt", names);
  features.finish();
  result.written = static_cast<int64_t>(labels.size());
  return result;
}

}  // namespace spikeloom
