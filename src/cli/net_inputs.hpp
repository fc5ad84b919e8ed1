// What `clconv net` feeds a network: shapes from the command line, files, pictures, random numbers.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "clconv/net.hpp"
#include "cli/image.hpp"
#include "cli/npy.hpp"

namespace clconv::cli {

// --image, --scale, --mean, --std, --nhwc: a value is (pixel - mean) / std * scale, with pixels in 0..1.
struct PictureOptions {
  std::string image, mean, std;
  double scale = 1;
  bool nhwc = false;
};

struct NetInput {
  std::string name;
  std::vector<std::int64_t> model_sizes;  // -1: open
  std::vector<std::int64_t> sizes;        // as they are asked for; empty: the model's
  std::string file;                       // .npy or a picture; "": random numbers
  std::optional<Array> array;
  std::optional<Picture> picture;
  std::size_t channel_axis = 1;  // of a picture
  std::string source;            // for people: where the values come from
  std::vector<std::string> notes;
};

// The model's inputs (as clconv_net_model_describe() has them) with what --input NAME=SHAPE|FILE, --image and --batch
// say of them. Reads the files. Throws BadInput or FileFailure.
std::vector<NetInput> net_inputs(const nlohmann::json& description,
                                 const std::vector<std::string>& options,
                                 const PictureOptions& pictures, std::int64_t batch);

// The sizes to compile for: those that are asked for.
InputShapes input_shapes(const std::vector<NetInput>& inputs);

// The values for the shape that was compiled; `index` seeds random numbers. A picture is resized if it has to be, which
// becomes a note.
Array input_values(NetInput& input, const TensorInfo& info, const PictureOptions& pictures,
                   std::size_t index);

}  // namespace clconv::cli
