#include "cli/report.hpp"

#include <algorithm>
#include <limits>

#include "cli/cli.hpp"

namespace clconv::cli {
namespace {

using Json = nlohmann::json;

std::string time_or_dash(const Json& us) {
  return us.is_number() ? format_us(us.get<double>()) : "-";
}

std::string config_text(const Json& candidate) {
  const Json& config = candidate.at("config");
  if (config.is_string()) return config.get<std::string>();
  const Json& body = candidate.at("body");
  return body.is_string() ? "body=" + body.get<std::string>() : "";
}

}  // namespace

std::string problem_line(const Problem& p) {
  const auto info = p.info();
  const auto size = [](std::initializer_list<std::int64_t> sizes) {
    std::string text;
    for (const std::int64_t s : sizes)
      text += (text.empty() ? "" : "x") + std::to_string(s);
    return text;
  };
  const std::string x = size({p.c, p.h, p.w}), y = size({p.k, info.oh, info.ow});
  std::string what;
  switch (p.direction) {
    case CLCONV_BACKWARD_WEIGHTS:
      what = x + " and " + y + " -> " + size({p.k, p.c / p.g, p.kh, p.kw});
      break;
    case CLCONV_BACKWARD_BIAS: what = y + " -> " + size({p.k}); break;
    case CLCONV_FORWARD: what = x + " -> " + y; break;
    default: what = y + " -> " + x;
  }
  return p.text() +
         (p.direction != CLCONV_FORWARD ? std::string(", ") + direction_word(p.direction) : "") +
         (p.bias != 0 ? " + bias" : "") + (p.residual != 0 ? " + residual" : "") +
         (p.activation != 0 ? std::string(" + ") + clconv_activation_name(p.activation) : "") +
         (p.mask != 0 ? " + mask" : "") + (p.accumulate != 0 ? " + accumulate" : "") +
         (p.data_type != 0 ? std::string(", ") + clconv_data_type_name(p.data_type) : "") +
         (p.layout == CLCONV_NHWC ? ", nhwc" : "") +
         (p.weights_layout == CLCONV_KRSC ? ", krsc" : "") + ": " +
         (p.n > 1    ? std::to_string(p.n) + " images of "
          : p.n == 0 ? "no images of "
                     : "") +
         what + ", " + fixed(info.flops * 1e-9, info.flops < 1e8 ? 4 : 3) + " GFLOP";
}

std::string environment_text(const Json& report) {
  std::string text;
  for (const auto& [name, value] : report.at("environment").items()) {
    text += (text.empty() ? "" : ", ") + name + "=" + value.get<std::string>();
  }
  return text;
}

std::string variant_name(const Json& candidate) {
  const std::string strategy = candidate.at("strategy").get<std::string>();
  const std::string config = config_text(candidate);
  return config.empty() ? strategy : strategy + " (" + config + ")";
}

double ranking_us(const Json& candidate) {
  const Json& measured = candidate.at("measured");
  if (measured.is_object()) return measured.at("median_us").get<double>();
  const Json& predicted = candidate.at("predicted_us");
  return predicted.is_number() ? predicted.get<double>() : std::numeric_limits<double>::infinity();
}

std::string candidates_table(const Json& report) {
  std::vector<const Json*> order;
  for (const Json& candidate : report.at("candidates"))
    order.push_back(&candidate);
  const auto tier = [](const Json& c) {  // measured, then predicted, then what cannot run
    const std::string status = c.at("status").get<std::string>();
    if (status == "chosen") return 0;
    if (status == "applicable") return c.at("measured").is_object() ? 1 : 2;
    return status == "pruned" || status == "not_tried" ? 3 : 4;
  };
  std::stable_sort(order.begin(), order.end(), [&](const Json* a, const Json* b) {
    return std::pair(tier(*a), ranking_us(*a)) < std::pair(tier(*b), ranking_us(*b));
  });
  Table table({"", "strategy", "config", "predicted", "median", "min", "setup", "workspace",
               "weights", "det", "status"});
  for (const Json* c : order) {
    const std::string status = c->at("status").get<std::string>();
    const Json& measured = c->at("measured");
    const bool real = c->at("config").is_string();
    std::string why = status;
    if (c->at("reason").is_object()) {
      why += ": " + c->at("reason").at("text").get<std::string>();
    } else if (measured.is_object() && measured.at("source") == "wisdom") {
      why += " (wisdom)";
    }
    const auto bytes = [&](const char* name) {
      return real ? format_bytes(c->at(name).get<std::int64_t>()) : std::string("-");
    };
    table.add(
        {status == "chosen" ? "*" : "", c->at("strategy").get<std::string>(),
         real || c->at("body").is_string() ? config_text(*c) : "-",
         time_or_dash(c->at("predicted_us")),
         measured.is_object() ? time_or_dash(measured.at("median_us")) : "-",
         measured.is_object() ? time_or_dash(measured.at("min_us")) : "-",
         time_or_dash(c->at("setup_us")), bytes("workspace_bytes"), bytes("prepared_weights_bytes"),
         real ? (c->at("deterministic").get<bool>() ? "yes" : "no") : "-", why},
        status == "chosen"               ? kGreen
        : status.rfind("failed", 0) == 0 ? kRed
        : status == "applicable"         ? ""
                                         : kDim);
  }
  return table.text();
}

}  // namespace clconv::cli
