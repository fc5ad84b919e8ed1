// Training by several processes: the sum of the ranks' gradients against one batch, and digits under mpirun as a user
// runs it, a killed rank included.
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

#include "digits_data.hpp"
#include "digits_ranks.hpp"
#include "doctest/doctest.h"
#include "npy.hpp"
#include "support/application.hpp"
#include "support/program.hpp"

using namespace clconv::test;
using example::DigitsNetwork;

namespace {

constexpr int kPixels = example::kPixels, kBatch = 8;

// ---- two ranks as two threads ---------------------------------------------------------------------

// What two ranks have started to sum up, in the order in which they did.
class Pair {
 public:
  void start(std::size_t rank, float* values, std::int64_t count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t at = started_[rank]++;
    if (at == sums_.size()) sums_.emplace_back();
    Sum& sum = sums_[at];
    sum.values[rank] = values;
    sum.count[rank] = count;
    if (sum.values[1 - rank] == nullptr) return;
    for (std::int64_t i = 0; i < std::min(sum.count[0], sum.count[1]); ++i)
      sum.values[0][i] = sum.values[1][i] = sum.values[0][i] + sum.values[1][i];
    ++ended_;
  }
  bool ended(std::size_t rank) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ended_ >= started_[rank];
  }
  struct Sum {
    std::array<float*, 2> values{};
    std::array<std::int64_t, 2> count{};
  };
  const std::vector<Sum>& sums() const { return sums_; }

 private:
  std::mutex mutex_;
  std::vector<Sum> sums_;
  std::array<std::size_t, 2> started_{};
  std::size_t ended_ = 0;
};

class ThreadRank : public example::Ranks {
 public:
  ThreadRank(Pair& pair, int rank) : pair_(pair), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return 2; }
  void start_sum(float* values, std::int64_t count) override {
    pair_.start(static_cast<std::size_t>(rank_), values, count);
  }
  bool progress() override { return pair_.ended(static_cast<std::size_t>(rank_)); }

 private:
  Pair& pair_;
  int rank_;
};

std::vector<float> noise(int count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& v : values)
    v = uniform(engine);
  return values;
}

// The network with the loss of its images behind it, up to the gradient of the logits.
void forward(DigitsNetwork& network, const cl::CommandQueue& queue, int first, int count,
             float gradient_scale) {
  const std::vector<float> x = noise(2 * kBatch * kPixels, 5);
  std::vector<std::int32_t> labels;
  for (int i = first; i < first + count; ++i)
    labels.push_back(i % DigitsNetwork::kClasses);
  const auto begin = x.begin() + first * kPixels;
  const cl::Buffer images = device_buffer({begin, begin + count * kPixels});
  const cl::Buffer answers(application_context(), CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                           labels.size() * 4, labels.data());
  network.forward(images);
  clconv::SoftmaxParams params;
  params.n = count;
  params.m = DigitsNetwork::kClasses;
  params.gradient_scale = gradient_scale;
  clconv::SoftmaxOperands operands;
  operands.logits = network.logits();
  operands.labels = answers;
  operands.dlogits = network.dlogits();
  context().softmax_cross_entropy(queue, params, operands);
}

std::vector<float> gradients(DigitsNetwork& network) {
  return network.get(network.gradients(), network.parameter_count());
}

// The distance of two vectors, relative to the size of the second.
double distance(const std::vector<float>& a, const std::vector<float>& b, std::size_t begin,
                std::size_t end) {
  double error = 0, size = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += difference * difference;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(error / size);
}

// ---- the program under mpirun ---------------------------------------------------------------------

// "" and a message where it cannot be run.
std::string mpirun() {
#ifdef CLCONV_MPIRUN
  const TempFolder folder;
  const std::string version = run_program(folder, CLCONV_MPIRUN, "--version").out;
  if (version.find("OpenRTE") != std::string::npos || version.find("Open MPI") != std::string::npos)
    return CLCONV_MPIRUN " -np 2 --oversubscribe";
  MESSAGE("skipped: " CLCONV_MPIRUN " is not Open MPI's");
#else
  MESSAGE("skipped: built without MPI (libopenmpi-dev, openmpi-bin)");
#endif
  return "";
}

// Also as root, as in a container, where processes may not read one another's memory. One that waits lets others run.
const std::string kEnvironment =
    "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PMIX_MCA_gds=hash "
    "OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1 "
    "CLCONV_WISDOM=off";

std::string idx(std::uint32_t magic, const std::vector<std::uint32_t>& sizes,
                const std::string& bytes) {
  std::string file;
  const auto put = [&](std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
      file += static_cast<char>(value >> shift & 0xff);
  };
  put(magic);
  for (const std::uint32_t size : sizes)
    put(size);
  return file + bytes;
}

// A folder of `count` images of noise, of which four fifths are trained on.
void write_data(const TempFolder& folder, std::uint32_t count) {
  std::filesystem::create_directories(folder.path("d"));
  std::string pixels, labels;
  for (const float v : noise(static_cast<int>(count) * kPixels, 3))
    pixels += static_cast<char>(v * 255);
  for (std::uint32_t i = 0; i < count; ++i)
    labels += static_cast<char>(i % 10);
  std::ofstream(folder.path("d/t10k-images-idx3-ubyte"), std::ios::binary)
      << idx(0x803, {count, 28, 28}, pixels);
  std::ofstream(folder.path("d/t10k-labels-idx1-ubyte"), std::ios::binary)
      << idx(0x801, {count}, labels);
}

std::vector<float> saved(const TempFolder& folder, const std::string& name) {
  std::vector<float> all;
  const auto add = [&](const std::string& tensor, const std::vector<std::int64_t>& shape) {
    const auto values = example::read_npy(folder.path(name + "/" + tensor + ".npy"), shape);
    all.insert(all.end(), values.begin(), values.end());
  };
  add("conv1_w", {32, 1, 2, 2});
  add("conv2_w", {64, 32, 2, 2});
  add("full2_w", {10, 250, 1, 1});
  add("full2_b", {10});
  return all;
}

}  // namespace

TEST_CASE("two ranks' summed gradients are those of one batch, and are summed last layer first") {
  DigitsNetwork whole(context(), make_queue(), 2 * kBatch);
  whole.initialise(1);
  forward(whole, make_queue(), 0, 2 * kBatch, 1.0f);
  whole.backward();
  const std::vector<float> expected = gradients(whole);

  Pair pair;
  std::array<std::vector<float>, 2> found;
  std::array<std::size_t, 2> buckets{};
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank) {
    ranks.emplace_back([&, rank] {
      const auto at = static_cast<std::size_t>(rank);
      const cl::CommandQueue queue = own_queue();
      DigitsNetwork network(context(), queue, kBatch);
      network.initialise(1);
      ThreadRank self(pair, rank);
      example::GradientSum sum(self, queue, network);
      buckets[at] = sum.buckets();
      forward(network, queue, rank * kBatch, kBatch, 0.5f);
      sum.backward();
      found[at] = gradients(network);
    });
  }
  for (std::thread& rank : ranks)
    rank.join();
  CHECK(buckets[0] > 1);
  REQUIRE(pair.sums().size() == buckets[0]);
  // The two fully connected layers: nearly all parameters.
  CHECK(pair.sums().front().count[0] == whole.layers()[4].end - whole.layers()[3].begin);
  std::int64_t values = 0;
  for (std::size_t i = 0; i < pair.sums().size(); ++i) {
    const Pair::Sum& sum = pair.sums()[i];
    CHECK(sum.count[0] == sum.count[1]);
    values += sum.count[0];
  }
  CHECK(values == whole.parameter_count());
  CHECK(std::memcmp(found[0].data(), found[1].data(), found[0].size() * 4) == 0);
  for (const auto& layer : whole.layers()) {
    CAPTURE(layer.name);
    CHECK(distance(found[0], expected, static_cast<std::size_t>(layer.begin),
                   static_cast<std::size_t>(layer.end)) < 1e-5);
  }
}

TEST_CASE("ranks take each image of a step once, in the order of one process") {
  example::Data data;
  for (int i = 0; i < 11; ++i) {
    data.labels.push_back(i);
    data.images.insert(data.images.end(), kPixels, static_cast<float>(i));
  }
  const auto first = example::share_of(data, 2, 0, 2), second = example::share_of(data, 2, 1, 2);
  CHECK(first.labels == std::vector<std::int32_t>{0, 1, 4, 5});
  CHECK(second.labels == std::vector<std::int32_t>{2, 3, 6, 7});
  CHECK(second.images[2 * kPixels] == 6.0f);
  CHECK(second.images.size() == 4 * kPixels);
  CHECK(example::share_of(data, 4, 0, 1).labels.size() == 8);
}

TEST_CASE("digits --mpi: two ranks of 16 are one of 32, and give the same bits each time") {
  const std::string mpi = mpirun();
  if (mpi.empty()) return;
  const TempFolder folder;
  write_data(folder, 41);
  const std::string common = " --data d --epochs 1 --deterministic --seed 4 --save ";
  const auto two = [&](const std::string& name) {
    const ProgramResult result =
        run_program(folder, "timeout 100 " + mpi, CLCONV_DIGITS " --mpi --batch 16" + common + name,
                    kEnvironment);
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    CHECK(result.out.find("2 ranks, 16 images each a step; gradients in 3 buckets") !=
          std::string::npos);
    CHECK(result.out.find(" of 9)") != std::string::npos);  // the test set, each image once
    return saved(folder, name);
  };
  const std::vector<float> once = two("once"), again = two("again");
  CHECK(std::memcmp(once.data(), again.data(), once.size() * 4) == 0);
  REQUIRE(run_program(folder, CLCONV_DIGITS, "--batch 32" + common + "one", "CLCONV_WISDOM=off")
              .status == 0);
  const std::vector<float> one = saved(folder, "one");
  // The first step of Adam moves a weight by the learning rate, up or down, or less where the gradient is about 1e-8:
  // there rounding decides.
  std::size_t apart = 0, moved = 0;
  const std::vector<float> before = [&] {
    run_program(folder, CLCONV_DIGITS,
                "--data d --epochs 0 --deterministic --seed 4 --batch 8 --save before");
    return saved(folder, "before");
  }();
  for (std::size_t i = 0; i < one.size(); ++i) {
    const float distance_i = std::fabs(one[i] - once[i]);
    CHECK(distance_i <= 4.1e-3f);
    if (distance_i > 1e-6f) ++apart;
    if (std::fabs(one[i] - before[i]) > 1e-3f) ++moved;
  }
  CHECK(apart < one.size() / 100);
  CHECK(moved > one.size() / 2);
}

TEST_CASE("digits --mpi: what is wrong is said once, by the first rank that it is wrong for") {
  const std::string mpi = mpirun();
  if (mpi.empty()) return;
  const TempFolder folder;
  write_data(folder, 41);
  const auto refused = [&](const std::string& arguments) {
    const ProgramResult result = run_program(folder, "timeout 100 " + mpi + " -q",
                                             CLCONV_DIGITS " --mpi " + arguments, kEnvironment);
    CHECK(result.status == 1);
    return result.err;
  };
  CHECK(refused("--data nowhere") ==
        "digits: rank 0: cannot read nowhere/t10k-images-idx3-ubyte.gz\n");
  CHECK(refused("--data d --batch 17") ==
        "digits: rank 0: --batch 17 on each of 2 ranks: there are 32 images to train on\n");
}

TEST_CASE("digits --mpi: a killed rank ends all of them, and mpirun says which") {
  const std::string mpi = mpirun();
  if (mpi.empty()) return;
  const TempFolder folder;
  write_data(folder, 41);
  // Both ranks leave their number; rank 1 is killed in the middle of training.
  std::ofstream(folder.path("rank.sh")) << "echo $$ >pid$OMPI_COMM_WORLD_RANK\nexec " CLCONV_DIGITS
                                           " --mpi --batch 4 --data d --epochs 1000000\n";
  std::ofstream(folder.path("job.sh"))
      << "timeout 100 " << mpi << " sh rank.sh >out 2>err &\n"
      << "while kill -0 $! && ! grep -q 'epoch  3' out; do sleep 0.05; done\n"
      << "kill -9 $(cat pid1)\ndate +%s >killed\nwait $!\nstatus=$?\ndate +%s >ended\n"
      // Gone, or a zombie that nobody has waited for.
      << "grep -q '^State:.[^Z]' /proc/$(cat pid0)/status 2>/dev/null && exit 1\nexit $status\n";
  CHECK(run_program(folder, "sh", "job.sh", kEnvironment).status == 128 + 9);
  const auto text = [&](const std::string& name) {
    std::ifstream in(folder.path(name));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  CHECK(std::stol(text("ended")) - std::stol(text("killed")) < 30);
  const std::string err = text("err");
  CAPTURE(err);
  const std::string line = " noticed that process rank 1 with PID ";
  const std::size_t at = err.find(line);
  REQUIRE(at != std::string::npos);
  CHECK(err.substr(at, err.find('\n', at) - at).find("exited on signal 9 (Killed).") !=
        std::string::npos);
  CHECK(err.find(line, at + 1) == std::string::npos);
  CHECK(err.find("digits:") == std::string::npos);
}
