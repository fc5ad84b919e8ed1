// Tables, units, colours and the progress bar.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "cli/cli.hpp"
#include "text.hpp"

namespace clconv::cli {
namespace {

bool colours_wanted() {
  static const bool wanted = [] {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0') &&
           (term == nullptr || std::string(term) != "dumb");
  }();
  return wanted;
}

// Right-aligned: starts with a digit, a sign or a dot.
bool numeric(const std::string& cell) {
  return !cell.empty() && (std::isdigit(static_cast<unsigned char>(cell[0])) != 0 ||
                           ((cell[0] == '-' || cell[0] == '+') && cell.size() > 1));
}

std::string padded(const std::string& cell, std::size_t width, bool right) {
  const std::string space(width - std::min(width, cell.size()), ' ');
  return right ? space + cell : cell + space;
}

}  // namespace

const char* const kBold = "\033[1m";
const char* const kGreen = "\033[32m";
const char* const kDim = "\033[2m";
const char* const kRed = "\033[31m";

std::string coloured(const char* colour, const std::string& text) {
  return colours_wanted() && *colour != '\0' ? colour + text + "\033[0m" : text;
}

void Table::add(std::vector<std::string> row, const char* colour) {
  for (std::string& cell : row)
    cell = core::one_line(cell);
  rows_.push_back(std::move(row));
  colours_.resize(rows_.size());
  colours_.back() = colour;
}

std::string Table::text() const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> widths(columns, 0);
  std::vector<bool> right(columns, true);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      widths[c] = std::max(widths[c], rows_[r][c].size());
      if (r > 0 && !rows_[r][c].empty() && rows_[r][c] != "-") {
        right[c] = right[c] && numeric(rows_[r][c]);
      }
    }
  }
  std::string text;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      line += (c > 0 ? "  " : "") + padded(rows_[r][c], widths[c], right[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += coloured(r == 0 ? kBold : colours_[r].c_str(), line) + "\n";
  }
  return text;
}

std::FILE* report_stream(const std::string& out) {
  struct stat file {
  }, standard{};
  const bool same = ::stat(out.c_str(), &file) == 0 && ::fstat(STDOUT_FILENO, &standard) == 0 &&
                    file.st_dev == standard.st_dev && file.st_ino == standard.st_ino;
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  return same && (terminal || !S_ISCHR(standard.st_mode)) ? stderr : stdout;  // not of /dev/null
}

std::string fixed(double value, int digits) {
  return core::fixed_text(value, digits);
}

std::string counted(std::int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string format_us(double us) {
  const auto three = [](double v) { return fixed(v, v < 9.995 ? 2 : v < 99.95 ? 1 : 0); };
  if (us < 999.5) return three(us) + " us";
  if (us < 999.5e3) return three(us / 1e3) + " ms";
  return three(us / 1e6) + " s";
}

std::string format_bytes(std::int64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + (bytes == 0 ? "" : " B");
  static const char* const kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return fixed(value, 1) + " " + kUnits[unit];
}

std::string format_gflops(double flops, double us) {
  const double gflops = flops / us * 1e-3;
  return fixed(gflops, gflops < 10 ? 1 : 0);
}

Progress::Progress(std::string what, std::size_t total)
    : what_(std::move(what)), total_(total), visible_(::isatty(STDERR_FILENO) != 0) {}

void Progress::step(const std::string& label) {
  if (visible_) {
    constexpr std::size_t kWidth = 24;
    const std::size_t filled = total_ == 0 ? kWidth : done_ * kWidth / total_;
    std::fprintf(stderr, "\r\033[K%s [%s%s] %zu/%zu %s", what_.c_str(),
                 std::string(filled, '#').c_str(), std::string(kWidth - filled, '.').c_str(), done_,
                 total_, label.c_str());
    std::fflush(stderr);
  }
  ++done_;
}

void Progress::end() {
  if (visible_) std::fprintf(stderr, "\r\033[K");
  visible_ = false;
}

Progress::~Progress() {
  end();
}

}  // namespace clconv::cli
