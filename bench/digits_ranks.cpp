// Training speed of examples/digits over MPI ranks with one CPU each: images a second, and how much of the summing of
// gradients the backward pass hides. Runs mpirun (Open MPI's) and reads what digits prints.
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/words.hpp"
#include "svg.hpp"

namespace {

struct Run {
  int ranks, batch;
  double images_per_s = 0, hidden_percent = -1;  // below 0: nothing to hide
  std::string title() const {
    return std::to_string(ranks) + (ranks == 1 ? " rank, " : " ranks, ") + std::to_string(batch) +
           " images each a step";
  }
};

std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string text;
  char buffer[4096];
  for (std::size_t got; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
    text.append(buffer, got);
  const int status = ::pclose(pipe);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error("failed: " + command);
  return text;
}

// The number in front of `label`, from `at` on.
double number_before(const std::string& text, const std::string& label, std::size_t at) {
  std::size_t begin = text.find(label, at);
  while (begin > 0 && text[begin - 1] == ' ')
    --begin;
  while (begin > 0 &&
         (std::isdigit(static_cast<unsigned char>(text[begin - 1])) != 0 || text[begin - 1] == '.'))
    --begin;
  return std::strtod(text.c_str() + begin, nullptr);
}

// The median over the epochs but the first.
void measure(Run& run, const std::string& data, int epochs) {
  // The ranks divide the CPUs of the entire job among them (examples/digits_mpi.cpp).
  const std::string output =
      output_of("taskset -c 0-" + std::to_string(run.ranks - 1) +
                " mpirun --oversubscribe --bind-to none -np " + std::to_string(run.ranks) +
                " '" CLCONV_DIGITS "' --mpi --data '" + data + "' --batch " +
                std::to_string(run.batch) + " --epochs " + std::to_string(epochs + 1));
  std::vector<double> speeds;
  for (std::size_t at = 0; (at = output.find("\nepoch", at)) != std::string::npos; ++at)
    speeds.push_back(number_before(output, " images/s", at));
  if (speeds.size() != static_cast<std::size_t>(epochs) + 1)
    throw std::runtime_error("digits printed no speeds:\n" + output);
  std::sort(speeds.begin() + 1, speeds.end());
  run.images_per_s = speeds[1 + static_cast<std::size_t>(epochs) / 2];
  if (run.ranks > 1)
    run.hidden_percent = number_before(output, " % hidden", output.find("under way"));
}

std::string value_of(const Run& run, double one) {
  char text[96];
  std::snprintf(text, sizeof(text), "%.0f (%.2fx)", run.images_per_s, run.images_per_s / one);
  std::string result = text;
  if (run.hidden_percent >= 0) {
    std::snprintf(text, sizeof(text), ", %.0f %% of the sums hidden", run.hidden_percent);
    result += text;
  }
  return result;
}

std::string svg(const std::vector<Run>& runs) {
  constexpr int kBar = 22, kLabel = 220, kWidth = 260, kTop = 32;
  double most = 0;
  for (const Run& run : runs)
    most = std::max(most, run.images_per_s);
  clconv::bench::Svg chart(kLabel + kWidth + 240, kTop + kBar * static_cast<int>(runs.size()) + 14);
  chart.text(kLabel, 20, "digits, training: images/s, one CPU a rank", "font-weight=\"bold\"");
  int top = kTop;
  for (const Run& run : runs) {
    const double length = kWidth * run.images_per_s / most;
    chart.text(kLabel - 6, top + 15, run.title(), "text-anchor=\"end\"");
    chart.rect(kLabel, top + 3, length, kBar - 6, clconv::bench::kOurs);
    chart.text(kLabel + length + 6, top + 15, value_of(run, runs.front().images_per_s));
    top += kBar;
  }
  return chart.finished();
}

}  // namespace

int main(int argc, char** argv) {
  std::string data, picture;
  int epochs = 5, ranks = 2;
  CLI::App app{"Training speed of digits over MPI ranks with one CPU each", "digits-ranks"};
  app.add_option("--data", data, "folder with MNIST's t10k images and labels")->required();
  app.add_option("--epochs", epochs, "measured, after one that is not")
      ->check(clconv::cli::whole_number(1, 1000));
  app.add_option("--ranks", ranks, "the most, at least 2")->check(clconv::cli::whole_number(2, 64));
  app.add_option("--svg", picture, "file to draw the chart to");
  if (const auto status = clconv::cli::parse_words(app, argc, argv)) return *status;
  std::vector<Run> runs = {{1, 32}};
  for (int n = 2; n <= ranks; n *= 2) {
    runs.push_back({n, 32});
    if (32 % n == 0) runs.push_back({n, 32 / n});
  }
  try {
    for (Run& run : runs) {
      measure(run, data, epochs);
      std::printf("%-34s %s\n", run.title().c_str(),
                  value_of(run, runs.front().images_per_s).c_str());
      std::fflush(stdout);
    }
    if (!picture.empty()) {
      std::ofstream out(picture);
      out << svg(runs);
      if (!out.flush()) throw std::runtime_error("cannot write " + picture);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits-ranks: %s\n", error.what());
    return 1;
  }
}
