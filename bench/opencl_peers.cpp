// clconv itself, and what CLBlast offers on the same device and queue: Convgemm, and its GEMM behind
// clconv's own im2col (strategy im2col_gemm, forced), with parameters as CLBlast comes and tuned.
#include "peers.hpp"

#include <clblast.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace clconv::bench {
namespace {

void check_cl(cl_int status, const char* call) {
  if (status == CL_SUCCESS) return;
  throw std::runtime_error(std::string(call) + " failed: OpenCL status " + std::to_string(status));
}

// ---- plans --------------------------------------------------------------------------------------

class Planned : public Contender {
 public:
  Planned(const Lab& lab, const Case& item, const PlanOptions& options)
      : lab_(lab),
        plan_(lab.context.plan(item.problem, options)),
        result_size_(item.result_size()),
        result_(lab.buffer(result_size_)) {
    if (!item.x.empty()) operands_.x = lab.buffer(item.x);
    if (!item.w.empty()) operands_.w = lab.buffer(item.w);
    if (!item.b.empty()) operands_.b = lab.buffer(item.b);
    if (!item.dy.empty()) operands_.dy = lab.buffer(item.dy);
    switch (item.problem.direction) {
      case CLCONV_FORWARD: operands_.y = result_; break;
      case CLCONV_BACKWARD_DATA: operands_.dx = result_; break;
      default: operands_.dw = result_;
    }
    if (!item.w.empty()) operands_.prepared = plan_.prepare(lab.queue, operands_.w);
  }
  std::string how() const override {
    const auto info = plan_.info();
    return std::string(info.strategy) + (*info.config != '\0' ? " " : "") + info.config;
  }
  void enqueue() override { plan_.execute(lab_.queue, operands_); }
  void finish() override { check_cl(lab_.queue.finish(), "clFinish"); }
  std::vector<float> result() override { return lab_.read(result_, result_size_); }

 private:
  const Lab& lab_;
  Plan plan_;
  std::size_t result_size_;
  cl::Buffer result_;
  Operands operands_;
};

// The variant of im2col_gemm with these parameters that the model holds for the fastest; "" if there is none.
std::string gemm_config(const Lab& lab, const Problem& problem, bool tuned) {
  PlanOptions options;
  options.rigor = CLCONV_ESTIMATE;
  options.strategy = "im2col_gemm";
  const auto report = nlohmann::json::parse(lab.context.explain(problem, options));
  const std::string wanted = tuned ? "tuned=1" : "tuned=0";
  std::string best;
  double best_us = std::numeric_limits<double>::infinity();
  for (const auto& candidate : report.at("candidates")) {
    const std::string status = candidate.at("status").get<std::string>();
    if (!candidate.at("config").is_string() || !candidate.at("predicted_us").is_number()) continue;
    const std::string config = candidate.at("config").get<std::string>();
    const double us = candidate.at("predicted_us").get<double>();
    if (status == "rejected" || config.find(wanted) == std::string::npos || us >= best_us) continue;
    best = config;
    best_us = us;
  }
  return best;
}

Peer gemm_peer(const Lab& lab, bool tuned) {
  Peer peer;
  peer.key = tuned ? "clblast_tuned" : "clblast_default";
  peer.title = tuned ? "im2col + CLBlast tuned" : "im2col + CLBlast";
  peer.about = std::string("CLBlast's GEMM ") +
               (tuned ? "with clconv's parameters" : "with its own parameters") +
               " between clconv's im2col and epilogue (strategy im2col_gemm, forced)";
  peer.prepare = [&lab, tuned](const Case& item) -> ContenderPtr {
    const std::string config = gemm_config(lab, item.problem, tuned);
    if (config.empty()) return nullptr;
    PlanOptions options;
    options.strategy = "im2col_gemm";
    options.config = config.c_str();
    return std::make_unique<Planned>(lab, item, options);
  };
  return peer;
}

// ---- Convgemm -----------------------------------------------------------------------------------

class Convgemm : public Contender {
 public:
  Convgemm(const Lab& lab, const Case& item)
      : lab_(lab),
        problem_(item.problem),
        x_(lab.buffer(item.x)),
        w_(lab.buffer(item.w)),
        y_(lab.buffer(item.result_size())),
        result_size_(item.result_size()) {}
  void enqueue() override {
    const auto size = [](std::int64_t v) { return static_cast<std::size_t>(v); };
    const Problem& p = problem_;
    cl_command_queue queue = lab_.queue();
    const auto status = clblast::Convgemm<float>(
        clblast::KernelMode::kCrossCorrelation, size(p.c), size(p.h), size(p.w), size(p.kh),
        size(p.kw), size(p.pt), size(p.pl), size(p.sh), size(p.sw), size(p.dh), size(p.dw),
        size(p.k), size(p.n), x_(), 0, w_(), 0, y_(), 0, &queue);
    if (status != clblast::StatusCode::kSuccess) {
      throw std::runtime_error("clblast::Convgemm failed: status " +
                               std::to_string(static_cast<int>(status)));
    }
  }
  void finish() override { check_cl(lab_.queue.finish(), "clFinish"); }
  std::vector<float> result() override { return lab_.read(y_, result_size_); }

 private:
  const Lab& lab_;
  Problem problem_;
  cl::Buffer x_, w_, y_;
  std::size_t result_size_;
};

Peer convgemm_peer(const Lab& lab) {
  Peer peer;
  peer.key = "clblast_convgemm";
  peer.title = "CLBlast Convgemm";
  peer.about = "clblast::Convgemm with its own parameters, without bias and ReLU (in its favour)";
  peer.adds_bias = peer.adds_relu = false;
  peer.prepare = [&lab](const Case& item) -> ContenderPtr {
    const Problem& p = item.problem;
    if (p.direction != CLCONV_FORWARD || p.g != 1 || p.pt != p.pb || p.pl != p.pr) return nullptr;
    return std::make_unique<Convgemm>(lab, item);
  };
  return peer;
}

ContextOptions without_wisdom() {
  ContextOptions options;
  options.wisdom_path = "off";
  return options;
}

}  // namespace

// ---- the device ---------------------------------------------------------------------------------

Lab::Lab(const std::string& device)
    : context(device, without_wisdom()),
      cl(context.opencl_context()),
      queue(cl, context.device()) {}

cl::Buffer Lab::buffer(std::size_t elements) const {
  cl_int status = CL_SUCCESS;
  cl::Buffer result(cl, CL_MEM_READ_WRITE, elements * sizeof(float), nullptr, &status);
  check_cl(status, "clCreateBuffer");
  return result;
}

cl::Buffer Lab::buffer(const std::vector<float>& values) const {
  cl::Buffer result = buffer(values.size());
  check_cl(
      queue.enqueueWriteBuffer(result, CL_TRUE, 0, values.size() * sizeof(float), values.data()),
      "clEnqueueWriteBuffer");
  return result;
}

std::vector<float> Lab::read(const cl::Buffer& buffer, std::size_t elements) const {
  std::vector<float> values(elements);
  check_cl(queue.enqueueReadBuffer(buffer, CL_TRUE, 0, elements * sizeof(float), values.data()),
           "clEnqueueReadBuffer");
  return values;
}

Peer clconv_peer(const Lab& lab, clconv_rigor rigor) {
  Peer peer;
  peer.key = peer.title = "clconv";
  peer.about = "the planner's choice, NCHW in and out, weights prepared once";
  peer.prepare = [&lab, rigor](const Case& item) -> ContenderPtr {
    PlanOptions options;
    options.rigor = rigor;
    return std::make_unique<Planned>(lab, item, options);
  };
  return peer;
}

std::vector<Peer> clblast_peers(const Lab& lab) {
  return {convgemm_peer(lab), gemm_peer(lab, false), gemm_peer(lab, true)};
}

}  // namespace clconv::bench
