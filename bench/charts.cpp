#include "charts.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "cli/cli.hpp"
#include "svg.hpp"

namespace clconv::bench {
namespace {

using cli::fixed;

constexpr double kPi = 3.14159265358979;
// Lines end before letters begin.
const std::string kHalo = "stroke=\"white\" stroke-width=\"3\" paint-order=\"stroke\"";
const std::string kEnd = "text-anchor=\"end\"", kMiddle = "text-anchor=\"middle\"";
const std::string kBold = "font-weight=\"bold\"";

std::string colour(const std::string& fill) {
  return " fill=\"" + fill + "\"";
}

// Maps [low, high] to [from, to] by logarithm.
struct LogScale {
  double low, high, from, to;
  double operator()(double value) const {
    return from + (to - from) * std::log(value / low) / std::log(high / low);
  }
};

std::string device_line(const Json& document) {
  return document.at("device").get<std::string>() + ", " +
         std::to_string(document.at("threads").get<int>()) + " threads, " +
         document.at("direction").get<std::string>();
}

// ---- labels that keep out of each other's way ----------------------------------------------------

struct Box {
  double left, top, right, bottom;
  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

class Labels {
 public:
  explicit Labels(const Box& inside) : inside_(inside) {}
  void keep_clear(const Box& box) { taken_.push_back(box); }
  // Only crossed where there is no other place nearby.
  void rather_clear(const Box& box) { thin_.push_back(box); }

  // At the free place that is nearest to the mark; nowhere if there is none.
  void put(Svg& svg, double x, double y, const std::string& words) {
    constexpr double kNear = 56, kFar = 160;  // px
    const auto place = find(x, y, words, kNear, true);
    if (const auto box = place ? place : find(x, y, words, kFar, false)) {
      const double end_x = std::clamp(x, box->left, box->right);
      const double end_y = std::clamp(y, box->top, box->bottom);
      if (std::hypot(end_x - x, end_y - y) > 13) {
        svg.line(x, y, end_x, end_y, kTheirs, "stroke-width=\"0.7\"");
      }
      svg.text(box->left, box->bottom - 2, words, "font-size=\"11\" " + kHalo);
      taken_.push_back(*box);
    }
  }

 private:
  std::optional<Box> find(double x, double y, const std::string& words, double most,
                          bool careful) const {
    constexpr double kHeight = 12, kCharacter = 6.4;  // px; the mean of a sans-serif's letters
    const double width = kCharacter * static_cast<double>(words.size());
    for (double away = 8; away < most; away += 4) {
      for (int turn = 0; turn < 24; ++turn) {
        // Right first, then by turns up and down round to the left.
        const double angle = kPi / 12 * (turn % 2 == 0 ? turn / 2 : -(turn + 1) / 2);
        const double dx = std::cos(angle) * away, dy = -std::sin(angle) * away;
        const double left = dx > 3 ? x + dx : dx < -3 ? x + dx - width : x - width / 2;
        const Box box{left, y + dy - kHeight / 2, left + width, y + dy + kHeight / 2};
        const auto meets = [&](const Box& other) { return other.meets(box); };
        if (box.left >= inside_.left && box.right <= inside_.right && box.top >= inside_.top &&
            box.bottom <= inside_.bottom && std::none_of(taken_.begin(), taken_.end(), meets) &&
            !(careful && std::any_of(thin_.begin(), thin_.end(), meets))) {
          return box;
        }
      }
    }
    return std::nullopt;
  }

  Box inside_;
  std::vector<Box> taken_, thin_;
};

// ---- roofline -----------------------------------------------------------------------------------

// A contender's place in the picture: filled or hollow.
struct Mark {
  const char* key;
  const char* fill;
  const char* stroke;
  double radius;
};

// Like for like first: what is drawn last lies on top.
std::vector<Mark> marks_of(const Json& document) {
  std::vector<Mark> marks;
  const auto takes_part = [&](const std::string& key) {
    const Json& peers = document.at("peers");
    return std::any_of(peers.begin(), peers.end(),
                       [&](const Json& peer) { return peer.at("key") == key; });
  };
  for (const Mark& mark :
       {Mark{"onednn_blocked", "white", "#3b6fc4", 3.5},
        Mark{"onednn_nchw", "#3b6fc4", "white", 4.5}, Mark{"onednn_plain", "#3b6fc4", "white", 4.5},
        Mark{"clconv", kOurs, "white", 5.5}}) {
    const bool instead =
        mark.key == std::string("onednn_plain") && !marks.empty() &&
        marks.back().key == std::string("onednn_nchw");  // whose worse half it would be
    if (takes_part(mark.key) && !instead) marks.push_back(mark);
  }
  return marks;
}

struct Roofline {
  static constexpr double kWidth = 1000, kHeight = 640;
  Box plot{62, 74, kWidth - 24, kHeight - 54};
  double peak, bandwidth;
  LogScale x, y;

  explicit Roofline(const Json& document);
  double roof(double intensity) const { return std::min(peak, bandwidth * intensity); }
  void draw_axes(Svg& svg) const;
  void draw_roofs(Svg& svg, Labels& labels) const;
  void draw_legend(Svg& svg, const Json& document, const std::vector<Mark>& marks) const;
  void draw_problems(Svg& svg, const Json& document, const std::vector<Mark>& marks,
                     Labels& labels) const;
};

double intensity_of(const Json& result) {
  return result.at("flops").get<double>() / result.at("bytes").get<double>();
}

Roofline::Roofline(const Json& document)
    : peak(document.at("peak_gflops").get<double>()),
      bandwidth(document.at("bandwidth_gbs").get<double>()) {
  double left = peak / bandwidth / 2, right = 2 * peak / bandwidth, low = peak, high = peak;
  for (const Json& result : document.at("results")) {
    left = std::min(left, intensity_of(result));
    right = std::max(right, intensity_of(result));
    for (const Mark& mark : marks_of(document)) {
      const Json* one = find_contender(result, mark.key);
      if (one == nullptr) continue;
      low = std::min(low, one->at("gflops").get<double>());
      high = std::max(high, one->at("gflops").get<double>());
    }
  }
  x = {left / 1.5, right * 1.7, plot.left, plot.right};
  y = {low / 1.4, high * 1.5, plot.bottom, plot.top};
}

void Roofline::draw_axes(Svg& svg) const {
  const auto ticks = [](double low, double high, auto&& draw) {
    for (double decade = 1e-3; decade < 1e7; decade *= 10) {
      for (const double step : {1.0, 2.0, 5.0}) {
        if (decade * step >= low && decade * step <= high) draw(decade * step);
      }
    }
  };
  const auto words = [](double v) { return fixed(v, v < 0.1 ? 2 : v < 1 ? 1 : 0); };
  ticks(x.low, x.high, [&](double v) {
    svg.line(x(v), plot.top, x(v), plot.bottom, kGrid);
    svg.text(x(v), plot.bottom + 17, words(v), kMiddle + colour(kFaintInk));
  });
  ticks(y.low, y.high, [&](double v) {
    svg.line(plot.left, y(v), plot.right, y(v), kGrid);
    svg.text(plot.left - 7, y(v) + 4, words(v), kEnd + colour(kFaintInk));
  });
  svg.text((plot.left + plot.right) / 2, kHeight - 16,
           "arithmetic intensity, FLOP per byte of operands and result", kMiddle);
  svg.text(-(plot.top + plot.bottom) / 2, 18, "GFLOP/s of the direct algorithm",
           kMiddle + " transform=\"rotate(-90)\"");
}

void Roofline::draw_roofs(Svg& svg, Labels& labels) const {
  const double ridge = peak / bandwidth;
  const double start = std::max(x.low, y.low / bandwidth);  // where the slope enters the picture
  const std::string style = "stroke-width=\"2\" stroke-linecap=\"round\"";
  svg.line(x(start), y(bandwidth * start), x(ridge), y(peak), kFaintInk, style);
  svg.line(x(ridge), y(peak), plot.right, y(peak), kFaintInk, style);
  svg.text(x(ridge) + 4, y(peak) - 7, "FMA peak " + fixed(peak, 0) + " GFLOP/s",
           kBold + colour(kFaintInk));
  labels.keep_clear({x(ridge), y(peak) - 20, x(ridge) + 165, y(peak) + 1});
  labels.rather_clear({x(ridge), y(peak) - 1, plot.right, y(peak) + 1});
  const double angle = std::atan2(y(peak) - y(bandwidth * start), x(ridge) - x(start)) * 180 / kPi;
  const double at = std::sqrt(start * ridge);
  svg.text(x(at), y(bandwidth * at) - 7, "copy " + fixed(bandwidth, 0) + " GB/s",
           kMiddle + " " + kBold + colour(kFaintInk) + " transform=\"rotate(" + fixed(angle, 1) +
               " " + fixed(x(at), 1) + " " + fixed(y(bandwidth * at), 1) + ")\"");
  for (double v = start; v < ridge; v *= 1.03)
    labels.keep_clear({x(v) - 4, y(roof(v)) - 4, x(v) + 4, y(roof(v)) + 4});
  labels.keep_clear({x(at) - 45, y(bandwidth * at) - 40, x(at) + 25, y(bandwidth * at) + 12});
}

void Roofline::draw_legend(Svg& svg, const Json& document, const std::vector<Mark>& marks) const {
  svg.text(plot.left, 28, "Roofline: " + device_line(document), "font-size=\"15\" " + kBold);
  double at = plot.left;
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    std::string title;
    for (const Json& peer : document.at("peers")) {
      if (peer.at("key") == mark->key) title = peer.at("title").get<std::string>();
    }
    if (title == "clconv") title = "clconv (NCHW)";
    svg.circle(at + 6, 50, mark->radius, mark->fill,
               "stroke=\"" + std::string(mark->stroke) + "\" stroke-width=\"1.2\"");
    svg.text(at + 16, 54, title);
    at += 40 + 7 * static_cast<double>(title.size());
  }
  svg.text(at, 54, "above the roofs: Winograd multiplies less, and small operands stay in caches",
           colour(kFaintInk));
}

void Roofline::draw_problems(Svg& svg, const Json& document, const std::vector<Mark>& marks,
                             Labels& labels) const {
  const auto place = [&](const Json& result, const Json& one) {
    return std::pair(x(intensity_of(result)), y(one.at("gflops").get<double>()));
  };
  for (const Json& result : document.at("results")) {  // stems, below all marks
    double top = plot.bottom, bottom = plot.top;
    for (const Mark& mark : marks) {
      const Json* one = find_contender(result, mark.key);
      if (one == nullptr) continue;
      top = std::min(top, place(result, *one).second);
      bottom = std::max(bottom, place(result, *one).second);
    }
    if (top < bottom) {
      svg.line(x(intensity_of(result)), top, x(intensity_of(result)), bottom, "#c3c8d4",
               "stroke-width=\"1.2\"");
      labels.rather_clear({x(intensity_of(result)) - 1, top, x(intensity_of(result)) + 1, bottom});
    }
  }
  for (const Mark& mark : marks) {
    for (const Json& result : document.at("results")) {
      const Json* one = find_contender(result, mark.key);
      if (one == nullptr) continue;
      const auto [px, py] = place(result, *one);
      svg.circle(px, py, mark.radius, mark.fill,
                 "stroke=\"" + std::string(mark.stroke) + "\" stroke-width=\"1.2\"");
      labels.keep_clear({px - mark.radius, py - mark.radius, px + mark.radius, py + mark.radius});
    }
  }
  for (const Json& result : document.at("results")) {
    const auto [px, py] = place(result, *find_contender(result, "clconv"));
    labels.put(svg, px, py, result.at("name").get<std::string>());
  }
}

// ---- speed-up -----------------------------------------------------------------------------------

struct Bar {
  std::string key, title;
  const char* fill;
};

// Whether the better of it and another is there to stand for it.
bool is_implied(const Json& peers, const std::string& key) {
  for (const Json& peer : peers) {
    if (!peer.contains("of")) continue;
    for (const Json& one : peer.at("of")) {
      if (one == key) return true;
    }
  }
  return false;
}

// One family of colours for each family of peers.
std::vector<Bar> bars_of(const Json& document) {
  struct Style {
    const char* key;
    const char* fill;
    bool even_if_implied;
  };
  static constexpr Style kStyles[] = {
      {"clblast_convgemm", "#f4a261", true}, {"clblast_default", "#e07a2f", true},
      {"clblast_tuned", "#b4530f", true},    {"openblas", "#8e5ea8", true},
      {"pytorch", "#d1495b", false},         {"pytorch_tuned", "#d1495b", false},
      {"pytorch_best", "#d1495b", true},     {"onednn_plain", "#a9c6ee", true},
      {"onednn_reorder", "#7da7e0", false},  {"onednn_nchw", "#4f86d3", true},
      {"onednn_best", "#4f86d3", true},      {"onednn_blocked", "#2c5aa0", true},
      {"onednn_winograd", "#16305c", true}};
  const Json& peers = document.at("peers");
  std::vector<Bar> bars;
  for (const Style& style : kStyles) {
    for (const Json& peer : peers) {
      if (peer.at("key") != style.key || !document.at("summary").contains(style.key)) continue;
      if (style.even_if_implied || !is_implied(peers, style.key)) {
        bars.push_back({style.key, peer.at("title").get<std::string>(), style.fill});
      }
    }
  }
  return bars;
}

struct Speedup {
  static constexpr double kWidth = 1000, kLabel = 158, kBar = 5, kMeanBar = 13, kGap = 11;
  std::vector<Bar> bars;
  double top, mean_height, group_height, height;
  LogScale x;

  explicit Speedup(const Json& document);
  void draw_bar(Svg& svg, double y, double thickness, const Bar& bar, double ratio) const;
  void draw(Svg& svg, const Json& document) const;
};

Speedup::Speedup(const Json& document) : bars(bars_of(document)) {
  const auto count = static_cast<double>(bars.size());
  top = 62;
  mean_height = count * kMeanBar + 22;
  group_height = count * kBar + kGap;
  height =
      top + mean_height + group_height * static_cast<double>(document.at("results").size()) + 40;
  double low = 0.8, high = 2;
  for (const Json& result : document.at("results")) {
    for (const Bar& bar : bars) {
      if (const Json* one = find_contender(result, bar.key)) {
        low = std::min(low, one->at("ratio").get<double>());
        high = std::max(high, one->at("ratio").get<double>());
      }
    }
  }
  x = {low / 1.1, high * 1.1, kLabel, kWidth - 22};
}

void Speedup::draw_bar(Svg& svg, double y, double thickness, const Bar& bar, double ratio) const {
  const double one = x(1), end = x(ratio);
  svg.rect(std::min(one, end), y, std::max(std::fabs(end - one), 1.0), thickness, bar.fill);
}

void Speedup::draw(Svg& svg, const Json& document) const {
  svg.text(16, 28, "Times as fast as the peer: " + device_line(document),
           "font-size=\"15\" " + kBold);
  const double bottom = height - 34;
  for (double v = 1.0 / 64; v < 5000; v *= 2) {
    if (v < x.low || v > x.high) continue;
    svg.line(x(v), top - 4, x(v), bottom, v == 1 ? kInk : kGrid);
    for (const double y : {top - 10, bottom + 16}) {
      svg.text(x(v), y, v < 1 ? "1/" + fixed(1 / v, 0) : fixed(v, 0) + "x",
               kMiddle + colour(kFaintInk));
    }
  }
  svg.text(kLabel - 10, top + mean_height / 2 - 6, "geometric mean", kEnd + " " + kBold);
  double y = top;
  for (const Bar& bar : bars) {
    const Json& median = document.at("summary").at(bar.key).at("by_median");
    const double ratio = median.at("geomean").get<double>();
    const auto of = median.at("problems").get<std::size_t>();
    draw_bar(svg, y, kMeanBar - 2, bar, ratio);
    const double at = std::max(x(ratio), x(1)) + 6;
    svg.text(at, y + kMeanBar - 3.5,
             bar.title + " " + fixed(ratio, ratio < 10 ? 2 : 1) + "x" +
                 (of < document.at("results").size() ? " (over " + std::to_string(of) + ")" : ""),
             "font-size=\"11\" " + kHalo);
    y += kMeanBar;
  }
  y = top + mean_height;
  for (const Json& result : document.at("results")) {
    svg.line(16, y - kGap / 2, kWidth - 22, y - kGap / 2, kGrid);
    svg.text(kLabel - 10, y + (group_height - kGap) / 2 + 4, result.at("name").get<std::string>(),
             kEnd);
    for (const Bar& bar : bars) {
      if (const Json* one = find_contender(result, bar.key)) {
        draw_bar(svg, y, kBar - 1, bar, one->at("ratio").get<double>());
      }
      y += kBar;
    }
    y += kGap;
  }
  svg.line(x(1), top - 4, x(1), bottom, kInk);
}

}  // namespace

std::string roofline_svg(const Json& document) {
  const Roofline chart(document);
  const auto marks = marks_of(document);
  Svg svg(Roofline::kWidth, Roofline::kHeight);
  Labels labels(chart.plot);
  chart.draw_axes(svg);
  chart.draw_roofs(svg, labels);
  chart.draw_legend(svg, document, marks);
  chart.draw_problems(svg, document, marks, labels);
  return svg.finished();
}

std::string speedup_svg(const Json& document) {
  const Speedup chart(document);
  Svg svg(Speedup::kWidth, chart.height);
  chart.draw(svg, document);
  return svg.finished();
}

}  // namespace clconv::bench
