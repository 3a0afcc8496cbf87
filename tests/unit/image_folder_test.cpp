// image_folder: which files are samples, their labels, and what happens with bad ones.

#include <fstream>
#include <thread>

#include "datasets/image_decode.hpp"
#include "datasets/image_list.hpp"
#include "datasets/open.hpp"
#include "tests/catch.hpp"
#include "tests/unit/io_helpers.hpp"

using namespace spikeloom;
using io_test::error_of;
namespace fs = std::filesystem;

namespace {

// A scratch folder `images` that copies of the fixtures are put into.
struct ImageScratch {
  io_test::Scratch scratch;
  fs::path root = scratch / "images";
  DatasetSpec spec;
  ImageScratch() {
    fs::create_directories(root);
    spec.kind = "image_folder";
    spec.path = root;
    spec.crop = 4;
  }
  void put(const std::string& name, const std::string& source = "scaled.png") const {
    fs::create_directories((root / name).parent_path());
    fs::copy_file(io_test::data_file("images/" + source), root / name);
  }
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(scratch / name, std::ios::binary) << text;
    return scratch / name;
  }
  std::string refused(ErrorCode code = ErrorCode::kData) const {
    return error_of([&] { open_dataset(spec); }, code);
  }
};

std::vector<std::string> names_of(const ImageList& list) {
  std::vector<std::string> names;
  for (const ListedImage& image : list.images) {
    names.push_back(image.name + " " + std::to_string(image.label));
  }
  return names;
}

}  // namespace

TEST_CASE("class folders are ranked as bytes, other files are left out and named") {
  const ImageScratch folder;
  for (const char* name : {"b/2.JPEG", "b/10.png", "B/x.Jpg", "\xc3\xa9/a.PNG", "b/.hidden.png",
                           "b/notes.txt", ".git/x.png", "b/png", "b/z.BMP", "B/a.webp"}) {
    folder.put(name);
  }
  folder.put("readme.txt");
  const ImageList list = list_image_folder(folder.root);
  CHECK(names_of(list) ==
        std::vector<std::string>{"B/x.Jpg 0", "b/10.png 1", "b/2.JPEG 1", "\xc3\xa9/a.PNG 2"});
  CHECK(list.classes == 3);
  CHECK(list.warnings ==
        std::vector<std::string>{
            "left out, hidden: 2, the first .git",
            "left out, files that are no .jpg, .jpeg or .png: 3, the first readme.txt",
            "left out, images of formats that are not read (JPEG and PNG are): 2, the first "
            "B/a.webp"});
  CHECK(open_dataset(folder.spec)->info().warnings == list.warnings);
  CHECK(open_dataset(folder.spec)->info().classes == 3);
  CHECK(open_dataset(folder.spec)->load(3).label == 2);
}

// The order is that of torchvision.datasets.ImageFolder: sorted(os.walk(class)), sorted(names).
TEST_CASE("images below a class folder belong to the class, folder by folder") {
  const ImageScratch folder;
  for (const char* name : {"a/z.png", "a/b/c/1.png", "a/b/2.png", "a/b-x/3.png", "a/b/.h/4.png",
                           "c/only/deep/5.png"}) {
    folder.put(name);
  }
  const ImageList list = list_image_folder(folder.root);
  CHECK(names_of(list) == std::vector<std::string>{"a/z.png 0", "a/b/2.png 0", "a/b-x/3.png 0",
                                                   "a/b/c/1.png 0", "c/only/deep/5.png 1"});
  CHECK(list.warnings ==
        std::vector<std::string>{"images in folders below a class folder: 4, the first a/b/2.png; "
                                 "their class is the folder at the top",
                                 "left out, hidden: 1, the first a/b/.h"});
}

TEST_CASE("links that lead back do not go round") {
  ImageScratch folder;
  folder.put("a/1.png");
  folder.put("a/in/2.png");
  folder.put("b/3.png");
  fs::create_directory_symlink("..", folder.root / "a/in/up");
  fs::create_directory_symlink("../..", folder.root / "a/in/top");
  fs::create_directory_symlink(".", folder.root / "b/self");
  const ImageList list = list_image_folder(folder.root);
  CHECK(names_of(list) == std::vector<std::string>{"a/1.png 0", "a/in/2.png 0", "b/3.png 1"});
  REQUIRE(list.warnings.size() == 2);
  CHECK(list.warnings[1] ==
        "left out, links to a folder that is read already: 3, the first a/in/top/");
}

TEST_CASE("follow_links lets links lead out of the folder, never up by name") {
  ImageScratch folder;
  folder.put("a/1.png");
  fs::create_directories(folder.scratch / "pool/more");
  for (const char* name : {"pool/2.png", "pool/more/3.png"}) {
    fs::copy_file(folder.root / "a/1.png", folder.scratch / name);
  }
  fs::create_symlink("../../pool/2.png", folder.root / "a/2.png");
  CHECK(folder.refused() == (folder.root / "a/2.png").string() +
                                ": a link that leads out of the folder; dataset.follow_links = "
                                "true follows it");
  folder.spec.labels = folder.write("list", "a/2.png 0");
  CHECK_THAT(folder.refused(), Catch::EndsWith("; dataset.follow_links = true follows links"));
  folder.spec.follow_links = true;
  CHECK(open_dataset(folder.spec)->load(0).name == "a/2.png");
  folder.spec.labels = folder.write("list", "a/../../pool/2.png 0");
  CHECK_THAT(folder.refused(), Catch::EndsWith("leads out of " + folder.root.string()));
  folder.spec.labels.clear();
  fs::create_directory_symlink("../pool", folder.root / "b");
  CHECK(names_of(list_image_folder(folder.root, true)) ==
        std::vector<std::string>{"a/1.png 0", "a/2.png 0", "b/2.png 1", "b/more/3.png 1"});
  folder.spec.kind = "idx";
  CHECK(folder.refused(ErrorCode::kUsage) == "follow_links: an option of image_folder");
}

TEST_CASE("a list may have a byte order mark and line ends of any kind") {
  ImageScratch folder;
  folder.put("a.png");
  folder.put("b.png");
  const std::string text = "a.png 1\r\nb.png 0\r\n";
  folder.spec.labels = folder.write("list", "\xef\xbb\xbf" + text);
  CHECK(open_dataset(folder.spec)->load(0).label == 1);
  folder.spec.labels = folder.write("list", std::string("\xff\xfe"
                                                        "a\0.\0",
                                                        6));
  CHECK(folder.refused() ==
        folder.spec.labels.string() + ": is UTF-16 or UTF-32 text; save it as UTF-8");
}

TEST_CASE("samples are normalised RGB in fp32, of a window, whatever the extension says") {
  ImageScratch folder;
  folder.put("0/a.jpg", "c2-8.png");
  folder.put("1/a.png", "grey-smooth.jpg");
  folder.spec.mean = {0.485, 0.456, 0.406};
  folder.spec.std = {0.229, 0.224, 0.225};
  folder.spec.crop = 0;
  folder.spec.limit = 1;
  const auto first = open_dataset(folder.spec);
  CHECK(first->info().description == "image folder, 2 images with labels below 2");
  const RgbImage pixels = decode_image(read_file(folder.root / "0/a.jpg"));
  const Sample sample = first->load(0);
  REQUIRE(sample.frames.shape() == Shape{1, 5, 9, 3});
  const auto values = sample.frames.f32();
  const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
  for (size_t i = 0; i < values.size(); ++i) {
    REQUIRE(values[i] == (static_cast<float>(pixels.rgb[i]) / 255.0f - mean[i % 3]) / std[i % 3]);
  }
  folder.spec.skip = 1;
  const auto second = open_dataset(folder.spec);
  CHECK(second->info().width == 11);
  CHECK(second->load(0).label == 1);
  CHECK_THROWS_AS(second->load(1), Error);
  folder.spec.crop = 224;
  folder.spec.size = 256;
  const auto padded = open_dataset(folder.spec);
  CHECK(padded->info().height == 224);
  CHECK_THAT(padded->info().description,
             Catch::EndsWith("short side 256 (bicubic), centre crop 224"));
}

TEST_CASE("images of another size are named, unless a crop makes them equal") {
  ImageScratch folder;
  folder.put("a.png");
  folder.put("b.png", "c2-8.png");
  folder.spec.crop = 0;
  const auto data = open_dataset(folder.spec);
  CHECK(data->info().width == 13);
  CHECK(data->load(0).label == -1);
  CHECK(error_of([&] { data->load(1); }, ErrorCode::kUsage) ==
        (folder.root / "b.png").string() + ": an image of 9x5 among images of 13x8; give crop");
  folder.spec.size = 16;
  CHECK(open_dataset(folder.spec)->info().width == 26);
  folder.spec.crop = 20;
  open_dataset(folder.spec)->load(1);
}

TEST_CASE("a broken file is an error of its own sample, named with the reason") {
  ImageScratch folder;
  const auto whole = read_file(io_test::data_file("images/420-smooth.jpg"));
  folder.put("c.png");
  folder.write("images/a.jpg", std::string(as_text(whole).substr(0, whole.size() - 30)));
  folder.write("images/b.png", "GIF89a");
  folder.spec.crop = 0;
  const auto data = open_dataset(folder.spec);  // the header of a.jpg is whole
  CHECK(data->info().width == 11);
  CHECK_THAT(error_of([&] { data->load(0); }),
             Catch::StartsWith((folder.root / "a.jpg").string() + ": JPEG: the file is cut off"));
  CHECK(error_of([&] { data->load(1); }) ==
        (folder.root / "b.png").string() + ": neither JPEG nor PNG, but GIF");
  folder.spec.skip = 1;
  const auto rest = open_dataset(folder.spec);
  CHECK(rest->info().width == 13);
  CHECK(rest->load(1).frames.size() == 13 * 8 * 3);
  folder.spec.limit = 1;
  CHECK(folder.refused() == "no image can be read; the first: " + (folder.root / "b.png").string() +
                                ": neither JPEG nor PNG, but GIF");
  fs::remove(folder.root / "c.png");
  CHECK_THAT(error_of([&] { rest->load(1); }), Catch::Contains("c.png: cannot be opened"));
}

TEST_CASE("a list gives names, labels and their order") {
  ImageScratch folder;
  folder.put("a b.png");
  folder.put("n01/x.dat");
  folder.spec.labels = folder.write("list.txt", "# a comment\n\n  n01/x.dat\t7 \r\na b.png 0");
  const auto data = open_dataset(folder.spec);
  CHECK(data->info().size == 2);
  CHECK(data->info().classes == 8);
  CHECK(data->load(0).label == 7);
  CHECK(data->load(1).label == 0);
}

TEST_CASE("every fault of a list carries its line") {
  ImageScratch folder;
  folder.put("a.png");
  folder.put("b.png");
  fs::create_symlink("/dev/null", folder.root / "out.png");
  folder.spec.classes = 10;
  const auto fault = [&](const std::string& line) {
    folder.spec.labels = folder.write("list", "a.png 1\n# x\n" + line + "\nnot reached");
    const std::string message = folder.refused(), where = folder.spec.labels.string() + ":3: ";
    CHECK_THAT(message, Catch::StartsWith(where));
    return message.substr(std::min(message.size(), where.size()));
  };
  const std::string root = folder.root.string();
  CHECK(fault("b.png") == "expected a file name and a label, found \"b.png\"");
  CHECK(fault("b.png one") == "expected an integer label at the end, found \"one\"");
  CHECK(fault("b.png 1.0") == "expected an integer label at the end, found \"1.0\"");
  CHECK(fault("b.png 10") == "label 10, expected 0 to 9");
  CHECK(fault("b.png -1") == "label -1, expected 0 to 9");
  CHECK(fault("b.png 99999999999999999999") == "label 99999999999999999999, expected 0 to 9");
  CHECK(fault("c.png 1") == "\"c.png\" is not in " + root);
  CHECK(fault("a.png 2") == "\"a.png\" is there twice");
  CHECK(fault("../list 1") == "\"../list\" leads out of " + root);
  CHECK(fault("out.png 1") ==
        "\"out.png\" leads out of " + root + "; dataset.follow_links = true follows links");
  CHECK(fault("/dev/null 1") == "\"/dev/null\" must be relative to " + root);
  CHECK_THAT(fault(std::string("b\0.png 1", 8)), Catch::Contains("control"));
  folder.spec.labels = folder.write("list", "\n# nothing\n");
  CHECK(folder.refused() == folder.spec.labels.string() + ": lists no image");
  folder.spec.labels = folder.scratch / "absent";
  CHECK_THAT(folder.refused(), Catch::Contains("absent: cannot be opened"));
}

TEST_CASE("folders that have no clear samples are refused") {
  ImageScratch folder;
  const std::string root = folder.root.string();
  folder.put("readme.txt");
  CHECK(folder.refused() == root + ": no image (.jpg, .jpeg or .png) in this folder");
  folder.put("one/a.png");
  fs::create_directories(folder.root / "two");
  CHECK(folder.refused() == root + "/two: no image (.jpg, .jpeg or .png) in this class folder");
  folder.put("loose.png");
  CHECK(folder.refused() ==
        root + ": has class folders (\"one\") and, beside them, images (\"loose.png\")");
  folder.spec.path = folder.root / "absent";
  CHECK(folder.refused() == root + "/absent: cannot be opened: No such file or directory");
  folder.spec.path = folder.root / "loose.png";
  CHECK(folder.refused() == root + "/loose.png: is not a folder");
}

TEST_CASE("links are followed inside the folder only") {
  ImageScratch folder;
  folder.put("a/1.png");
  fs::create_symlink("1.png", folder.root / "a/2.png");
  fs::create_directory_symlink("a", folder.root / "b");
  CHECK(names_of(list_image_folder(folder.root)) ==
        std::vector<std::string>{"a/1.png 0", "a/2.png 0", "b/1.png 1", "b/2.png 1"});
  fs::create_directory_symlink(folder.root, folder.scratch / "alias");
  CHECK(list_image_folder(folder.scratch / "alias").images.size() == 4);
  for (const char* target : {"/dev/null", "absent.png", "loop.png", "../../alias.png"}) {
    fs::create_symlink(target, folder.root / "a/loop.png");
    CHECK_THAT(folder.refused(),
               Catch::StartsWith((folder.root / "a/loop.png").string() + ": a link that leads " +
                                 (target[0] == '/' ? "out of the folder" : "nowhere")));
    fs::remove(folder.root / "a/loop.png");
  }
  fs::create_directory_symlink("/", folder.root / "c");
  CHECK_THAT(folder.refused(), Catch::Contains("out of the folder"));
}

TEST_CASE("options that do not fit are refused") {
  ImageScratch folder;
  folder.put("a/1.png");
  const auto with = [&](auto change) {
    ImageScratch& other = folder;
    const DatasetSpec before = other.spec;
    change(other.spec);
    const std::string message = other.refused(ErrorCode::kUsage);
    other.spec = before;
    return message;
  };
  CHECK(with([](auto& s) { s.pad = 1; }) == "pad: image_folder has size and crop");
  CHECK(with([](auto& s) { s.split = "train"; }) == "split: image_folder names its folder by path");
  CHECK(with([](auto& s) { s.size = 4097; }) == "size: expected 0 to 4096, found 4097");
  CHECK(with([](auto& s) { s.crop = -1; }) == "crop: expected 0 to 4096, found -1");
  CHECK(with([](auto& s) {
          s.mean = {1, 2};
        }) == "mean: expected one value or one per channel (3), found 2");
  CHECK_THAT(with([](auto& s) {
               s.crop = 0;
               s.crop_rule = CropRule::kFloorPlusHalf;
             }),
             Catch::StartsWith("crop_rule: "));
  for (const char* kind : {"idx", "cifar10", "npy"}) {
    const std::string rest = std::string(": only image_folder resizes and crops, ") + kind;
    CHECK_THAT(with([&](auto& s) { s.kind = kind; }), Catch::StartsWith("crop" + rest));
    CHECK_THAT(with([&](auto& s) {
                 s.kind = kind;
                 s.size = 1;
               }),
               Catch::StartsWith("size" + rest));
  }
  folder.put("b/1.png");
  folder.spec.classes = 1;
  CHECK(folder.refused() == folder.root.string() + ": 2 class folders, expected at most 1");
}

TEST_CASE("samples may be loaded from many threads") {
  ImageScratch folder;
  for (const char* name :
       {"420-smooth.jpg", "c3-4-adam7-trns.png", "cmyk-smooth.jpg", "c2-8.png"}) {
    folder.put(name, name);
  }
  folder.write("images/broken.png", "\x89PNG\r\n\x1a\n");
  const auto data = open_dataset(folder.spec);
  const auto sums = [&] {
    std::vector<float> result;
    for (int64_t i = 0; i < data->info().size; ++i) {
      float sum = -1;
      try {
        const Sample sample = data->load(i);
        for (const float value : sample.frames.f32()) sum += value;
      } catch (const Error&) {
      }
      result.push_back(sum);
    }
    return result;
  };
  const std::vector<float> expected = sums();
  REQUIRE(std::count(expected.begin(), expected.end(), -1.0f) == 1);
  std::vector<int> equal(4);
  {
    std::vector<std::jthread> threads;
    for (int& flag : equal) {
      threads.emplace_back([&] {
        flag = 1;
        for (int round = 0; round < 20; ++round) flag &= sums() == expected ? 1 : 0;
      });
    }
  }
  CHECK(equal == std::vector<int>{1, 1, 1, 1});
}
