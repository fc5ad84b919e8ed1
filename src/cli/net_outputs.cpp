#include "cli/net_outputs.hpp"

#include <algorithm>
#include <set>

#include "cli/cli.hpp"
#include "cli/image.hpp"
#include "runtime/files.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

using Sizes = std::vector<std::int64_t>;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() > end.size() &&
         core::lowered(text).compare(text.size() - end.size(), end.size(), end) == 0;
}

// The axis of the channels, or 0 where this is no picture.
std::size_t picture_axis(const Sizes& sizes) {
  const auto colours = [](std::int64_t size) { return size == 1 || size == 3; };
  if (sizes.size() != 4 || sizes[0] != 1) return 0;
  const std::size_t axis = colours(sizes[1]) ? 1 : colours(sizes[3]) ? 3 : 0;
  const std::size_t rows = axis == 1 ? 2 : 1;
  const bool some = axis != 0 && sizes[rows] > 0 && sizes[rows + 1] > 0;
  return some ? axis : 0;
}

// A tensor's name may have any character; a file's gets those that no system and no shell minds.
std::string file_name(const std::string& name, std::set<std::string>& used) {
  std::string result;
  for (const char c : name) {
    const bool plain = core::ascii_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                       (c == '.' && !result.empty());
    result += plain ? c : '_';
  }
  if (result.empty()) result = "output";
  if (result.size() > 200) result.resize(200);
  std::string unique = result;
  for (int i = 2; !used.insert(unique).second; ++i)
    unique = result + "_" + std::to_string(i);
  return unique + ".npy";
}

Picture picture_of(const Array& array) {
  const Sizes& sizes = array.shape;
  const bool first = picture_axis(sizes) == 1;
  Picture picture;
  picture.channels = sizes[first ? 1 : 3];
  picture.height = sizes[first ? 2 : 1];
  picture.width = sizes[first ? 3 : 2];
  picture.values = array.values;
  const auto pixels = static_cast<std::size_t>(picture.width * picture.height);
  const auto channels = static_cast<std::size_t>(picture.channels);
  for (std::size_t i = 0; !first && i < array.values.size(); ++i)
    picture.values[i % channels * pixels + i / channels] = array.values[i];
  return picture;
}

// For messages, which stay a line that can be read, whatever a model calls its outputs and how many it has.
std::string list_of(const std::vector<TensorInfo>& outputs) {
  constexpr std::size_t kMost = 3;
  std::string list;
  for (std::size_t i = 0; i < outputs.size() && i < kMost; ++i) {
    list +=
        (i > 0 ? ", " : "") + core::cut_name(outputs[i].name) + " " + shape_text(outputs[i].sizes);
  }
  if (outputs.size() > kMost) list += " and " + std::to_string(outputs.size() - kMost) + " more";
  return list;
}

}  // namespace

NetOutputs::NetOutputs(std::string out, const std::vector<TensorInfo>& outputs,
                       const std::vector<std::string>& inputs)
    : out_(std::move(out)), outputs_(outputs), files_(outputs.size()) {
  if (out_.empty()) return;
  const std::string shapes = list_of(outputs);
  std::vector<std::size_t> pictures;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (picture_axis(outputs[i].sizes) != 0) pictures.push_back(i);
  }
  is_picture_ = ends_with(out_, ".png");
  if (is_picture_) {
    if (pictures.size() != 1) {
      throw BadInput("--out " + out_ + ": " +
                     (pictures.empty()
                          ? "no output is a picture (1 image of 1 or 3 channels)"
                          : "several outputs are pictures, --out DIR writes all as .npy") +
                     ": " + shapes);
    }
    picture_ = pictures.front();
    files_[picture_] = out_;
  } else if (ends_with(out_, ".npy")) {
    if (outputs.size() != 1) {
      throw BadInput("--out " + out_ + ": there are " + std::to_string(outputs.size()) +
                     " outputs, expected a folder: " + shapes);
    }
    files_.front() = out_;
  } else {
    std::set<std::string> used;
    for (std::size_t i = 0; i < outputs.size(); ++i)
      files_[i] = out_ + "/" + file_name(outputs[i].name, used);
  }
  for (const std::string& file : files_) {
    for (const std::string& input : inputs) {
      if (!file.empty() && !input.empty()) check_out(file, {input});
    }
  }
}

std::vector<std::string> NetOutputs::write(const std::vector<Array>& values) const {
  std::vector<std::string> lines;
  if (out_.empty()) return lines;
  if (!is_picture_ && !ends_with(out_, ".npy")) core::make_directories(out_);
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i].empty()) continue;
    if (is_picture_) {
      write_png(files_[i], picture_of(values[i]));
    } else {
      write_npy(files_[i], values[i]);
    }
    lines.push_back(
        files_[i] + " " + shape_text(values[i].shape) +
        (is_picture_ ? ", output " + outputs_[i].name + ", 0..1 as 0..255" : " float32"));
  }
  return lines;
}

}  // namespace clconv::cli
