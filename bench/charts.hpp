// Pictures of a run's document, as SVG.
#pragma once

#include "report.hpp"

namespace clconv::bench {

// GFLOP/s against arithmetic intensity under the measured roofs: clconv and oneDNN.
std::string roofline_svg(const Json& document);

// How many times faster than each peer, problem by problem.
std::string speedup_svg(const Json& document);

}  // namespace clconv::bench
