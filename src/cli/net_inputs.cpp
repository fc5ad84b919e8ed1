#include "cli/net_inputs.hpp"

#include <algorithm>
#include <cmath>
#include <locale>
#include <random>
#include <sstream>

#include "cli/cli.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

using Sizes = std::vector<std::int64_t>;

std::string sizes_text(const Sizes& sizes) {
  std::string text;
  for (const std::int64_t size : sizes)
    text += (text.empty() ? "" : "x") + (size < 0 ? "?" : std::to_string(size));
  return sizes.empty() ? "no sizes" : text;
}

// For messages, which stay a line that can be read, whatever a model calls its inputs and how many it has.
template <class Text>
std::string list_of(const std::vector<NetInput>& inputs, Text&& text_of) {
  constexpr std::size_t kMost = 3;
  std::string list;
  for (std::size_t i = 0; i < inputs.size() && i < kMost; ++i)
    list += (i == 0 ? "" : ", ") + text_of(inputs[i]);
  if (inputs.size() > kMost) list += " and " + std::to_string(inputs.size() - kMost) + " more";
  return list;
}

std::string quoted(const NetInput& input) {
  return "'" + core::cut_name(input.name) + "'";
}

// A name may have any character: the longest one that fits in front of a '=' is meant. With one input, no name is
// needed.
NetInput& named_input(std::vector<NetInput>& inputs, const std::string& option,
                      std::string& value) {
  NetInput* found = nullptr;
  for (NetInput& input : inputs) {
    const bool fits = option.compare(0, input.name.size() + 1, input.name + "=") == 0;
    if (fits && (found == nullptr || found->name.size() < input.name.size())) found = &input;
  }
  if (found != nullptr) {
    value = option.substr(found->name.size() + 1);
    return *found;
  }
  if (inputs.size() == 1 && option.find('=') == std::string::npos) {
    value = option;
    return inputs.front();
  }
  throw BadInput("--input '" + option + "': expected NAME=SHAPE or NAME=FILE, the inputs are " +
                 list_of(inputs, [](const NetInput& one) { return core::cut_name(one.name); }));
}

bool is_shape(const std::string& value) {
  return !value.empty() && value.find_first_not_of("0123456789,-") == std::string::npos;
}

void check_rank(const NetInput& input, const std::string& what, const Sizes& sizes) {
  if (sizes.size() == input.model_sizes.size()) return;
  throw BadInput(what + " has " + counted(static_cast<std::int64_t>(sizes.size()), "size") + " (" +
                 sizes_text(sizes) + "), input " + quoted(input) + " takes " +
                 std::to_string(input.model_sizes.size()) + " (" + sizes_text(input.model_sizes) +
                 ")");
}

void set_file(NetInput& input, const std::string& file) {
  if (!input.file.empty()) {
    throw BadInput("input " + quoted(input) + " is given twice: " + input.file + " and " + file);
  }
  input.file = file;
}

void apply_option(std::vector<NetInput>& inputs, const std::string& option) {
  std::string value;
  NetInput& input = named_input(inputs, option, value);
  if (!is_shape(value)) return set_file(input, value);
  const auto count = static_cast<std::size_t>(std::count(value.begin(), value.end(), ',')) + 1;
  const Sizes sizes = parse_shape("--input", value, count);
  check_rank(input, "--input '" + option + "'", sizes);
  for (const std::int64_t size : sizes) {
    if (size < 0) throw BadInput("--input '" + option + "': sizes must not be negative");
  }
  if (!input.sizes.empty()) throw BadInput("input " + quoted(input) + " has two shapes");
  input.sizes = sizes;
}

bool takes_colours(std::int64_t size) {
  return size == 1 || size == 3;
}

// Where the channels of a picture lie: axis 1 or 3, or 0 where this input takes none.
std::size_t channel_axis(const Sizes& sizes, bool nhwc) {
  if (sizes.size() != 4) return 0;
  if (nhwc) return takes_colours(sizes[3]) || sizes[3] < 0 ? 3 : 0;
  if (takes_colours(sizes[1])) return 1;
  if (takes_colours(sizes[3])) return 3;
  return sizes[1] < 0 ? 1 : 0;
}

// The input that --image means: the only one that has no values yet and could take a picture.
NetInput& picture_input(std::vector<NetInput>& inputs, const PictureOptions& pictures) {
  std::vector<NetInput*> fitting;
  for (NetInput& input : inputs) {
    const Sizes& sizes = input.sizes.empty() ? input.model_sizes : input.sizes;
    if (input.file.empty() && channel_axis(sizes, pictures.nhwc) != 0) fitting.push_back(&input);
  }
  if (fitting.size() == 1) return *fitting.front();
  const std::string shapes = list_of(inputs, [](const NetInput& one) {
    return core::cut_name(one.name) + " " + sizes_text(one.model_sizes);
  });
  throw BadInput("--image: " +
                 std::string(fitting.empty()
                                 ? "no input takes a picture (4 sizes, 1 or 3 channels)"
                                 : "several inputs take a picture, name one by --input NAME=FILE") +
                 ": " + shapes);
}

void read_file(NetInput& input, const PictureOptions& pictures, std::int64_t batch) {
  if (!picture_name(input.file)) {
    input.array = read_npy(input.file, "");
    check_rank(input, input.file, input.array->shape);
    if (!input.sizes.empty() && input.sizes != input.array->shape) {
      throw BadInput(input.file + ": has shape " + shape_text(input.array->shape) +
                     ", --input says " + shape_text(input.sizes));
    }
    input.sizes = input.array->shape;
    input.source = input.file;
    return;
  }
  Sizes sizes = input.sizes.empty() ? input.model_sizes : input.sizes;
  const std::size_t axis = channel_axis(sizes, pictures.nhwc);
  if (axis == 0) {
    throw BadInput(input.file + ": input " + quoted(input) + " has shape " + sizes_text(sizes) +
                   ", which takes no picture: expected 4 sizes, 1 or 3 channels" +
                   (pictures.nhwc ? " at the end (--nhwc)" : ""));
  }
  input.picture = read_picture(input.file);
  input.channel_axis = axis;
  input.source = input.file;
  if (input.picture->orientation != 1) {
    input.notes.push_back(input.file + ": its EXIF orientation (" +
                          std::to_string(input.picture->orientation) + ") is ignored");
  }
  if (sizes[0] < 0) sizes[0] = std::max<std::int64_t>(1, batch);
  if (sizes[axis] < 0) sizes[axis] = 3;
  const std::size_t rows = axis == 1 ? 2 : 1;
  if (sizes[rows] < 0) sizes[rows] = input.picture->height;
  if (sizes[rows + 1] < 0) sizes[rows + 1] = input.picture->width;
  input.sizes = sizes;
}

// --mean, --std: one number, or one for each channel.
std::vector<float> per_channel(const char* option, const std::string& text, float missing,
                               std::int64_t channels) {
  std::vector<float> values;
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  const auto bad = [&] {
    return BadInput(std::string(option) + " '" + text + "': expected " +
                    (channels == 1 ? "1 number" : "1 or " + counted(channels, "number")) +
                    ", comma-separated" + (missing != 0 ? ", none of them 0" : ""));
  };
  for (std::string item; std::getline(in, item, ',');) {
    std::istringstream number(item);
    number.imbue(std::locale::classic());
    float value = 0;
    if (!(number >> value) || number.peek() != std::istringstream::traits_type::eof()) throw bad();
    if (missing != 0 && value == 0) throw bad();
    values.push_back(value);
  }
  if (text.empty()) values.push_back(missing);
  if (values.size() == 1) values.resize(static_cast<std::size_t>(channels), values.front());
  if (values.size() != static_cast<std::size_t>(channels) || (!text.empty() && text.back() == ','))
    throw bad();
  return values;
}

// The picture in the network's layout, for every image of the batch.
void fill_from_picture(NetInput& input, Array& array, const PictureOptions& options) {
  const Sizes& sizes = array.shape;
  const bool first = input.channel_axis == 1;
  const std::int64_t channels = sizes[input.channel_axis], height = sizes[first ? 2 : 1],
                     width = sizes[first ? 3 : 2];
  const auto mean = per_channel("--mean", options.mean, 0, channels);
  const auto deviation = per_channel("--std", options.std, 1, channels);
  Picture picture = with_channels(*input.picture, channels);
  const auto size_text = [](std::int64_t w, std::int64_t h) {
    return std::to_string(w) + "x" + std::to_string(h);
  };
  if (picture.width != width || picture.height != height) {
    input.notes.push_back(input.file + ": resized from " +
                          size_text(picture.width, picture.height) + " to " +
                          size_text(width, height) + " pixels (bilinear), the input's size");
    picture = resized(picture, width, height);
  }
  const auto pixels = static_cast<std::size_t>(width * height);
  const auto colours = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    const std::size_t at = i % (pixels * colours);
    const std::size_t channel = first ? at / pixels : at % colours;
    const std::size_t pixel = first ? at % pixels : at / colours;
    array.values[i] = (picture.values[channel * pixels + pixel] - mean[channel]) /
                      deviation[channel] * static_cast<float>(options.scale);
  }
  if (sizes[0] > 1) {
    input.notes.push_back(input.file + ": fills all " + std::to_string(sizes[0]) +
                          " images of the batch");
  }
}

// An input without a shape whose model leaves more than the batch open: names the option, with the sizes that are
// known.
void check_open_sizes(const NetInput& input, bool nhwc, std::int64_t batch) {
  const Sizes& sizes = input.model_sizes;
  const auto open = [](std::int64_t size) { return size < 0; };
  if (!input.sizes.empty() || sizes.empty() || std::none_of(sizes.begin() + 1, sizes.end(), open)) {
    return;
  }
  const std::string letters = channel_axis(sizes, nhwc) == 3 ? "NHWC" : "NCHW";
  std::string wanted = std::to_string(batch > 0 ? batch : open(sizes[0]) ? 1 : sizes[0]);
  for (std::size_t i = 1; i < sizes.size(); ++i) {
    const std::string letter =
        sizes.size() == letters.size() ? letters.substr(i, 1) : "SIZE" + std::to_string(i);
    wanted += "," + (open(sizes[i]) ? letter : std::to_string(sizes[i]));
  }
  throw BadInput("input " + quoted(input) + " is " + sizes_text(sizes) +
                 ": the model leaves sizes open, give them by --input " +
                 core::cut_name(input.name) + "=" + wanted);
}

}  // namespace

std::vector<NetInput> net_inputs(const nlohmann::json& description,
                                 const std::vector<std::string>& options,
                                 const PictureOptions& pictures, std::int64_t batch) {
  std::vector<NetInput> inputs;
  for (const auto& described : description.at("inputs")) {
    NetInput input;
    input.name = described.at("name").get<std::string>();
    for (const auto& size : described.at("shape"))
      input.model_sizes.push_back(size.is_number_integer() ? size.get<std::int64_t>() : -1);
    inputs.push_back(std::move(input));
  }
  for (const std::string& option : options)
    apply_option(inputs, option);
  if (!pictures.image.empty()) {
    if (!picture_name(pictures.image)) {
      throw BadInput("--image " + pictures.image + ": expected a .png, .jpg or .jpeg file");
    }
    set_file(picture_input(inputs, pictures), pictures.image);
  }
  bool any_picture = false;
  for (NetInput& input : inputs) {
    if (!input.file.empty()) read_file(input, pictures, batch);
    any_picture = any_picture || input.picture.has_value();
    if (batch > 0 && !input.sizes.empty()) {
      if (input.array && input.sizes.front() != batch) {
        throw BadInput(input.file + ": has shape " + shape_text(input.sizes) + ", --batch is " +
                       std::to_string(batch));
      }
      input.sizes.front() = batch;
    }
  }
  for (const NetInput& input : inputs)
    check_open_sizes(input, pictures.nhwc, batch);
  const bool words =
      !pictures.mean.empty() || !pictures.std.empty() || pictures.scale != 1 || pictures.nhwc;
  if (words && !any_picture) {
    throw BadInput("--mean, --std, --scale and --nhwc have no part in it without --image");
  }
  return inputs;
}

InputShapes input_shapes(const std::vector<NetInput>& inputs) {
  InputShapes shapes;
  for (const NetInput& input : inputs) {
    if (!input.sizes.empty()) shapes.push_back({input.name, input.sizes});
  }
  return shapes;
}

Array input_values(NetInput& input, const TensorInfo& info, const PictureOptions& pictures,
                   std::size_t index) {
  Array array;
  if (input.array) {
    array = *input.array;
    array.type = CLCONV_FLOAT32;
    return array;
  }
  array.shape = info.sizes;
  array.values.resize(static_cast<std::size_t>(info.bytes) / sizeof(float));
  if (input.picture) {
    fill_from_picture(input, array, pictures);
    return array;
  }
  // The generator's numbers are the same everywhere; the library's distributions are not.
  const auto seed = static_cast<std::uint32_t>(index + 1);
  std::mt19937 generator(seed);
  for (float& value : array.values)
    value = static_cast<float>(generator() >> 8) * 0x1p-24f;
  input.source = "random numbers in [0,1), seed " + std::to_string(seed);
  return array;
}

}  // namespace clconv::cli
