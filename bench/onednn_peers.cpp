// oneDNN in four forms: plain NCHW, its own layouts with and without the reorders that NCHW takes, and its
// Winograd. Weights are reordered once, scratch memory is allocated once, bias and ReLU are fused.
#include <cstdio>
#include <cstring>

#include "onednn_api.hpp"
#include "peers.hpp"
#include "threads.hpp"

namespace clconv::bench {
namespace {

using Tag = dnnl::memory::format_tag;
using Desc = dnnl::memory::desc;

enum class Form { kPlain, kReordered, kBlocked };

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream& stream() {
  static dnnl::stream s(engine());
  return s;
}

// A dense description of a tensor of the problem, in the layout that users have.
Desc plain(const dnnl::memory::dims& dims) {
  static constexpr Tag kTags[] = {Tag::a, Tag::a, Tag::ab, Tag::abc, Tag::abcd, Tag::abcde};
  return Desc(dims, dnnl::memory::data_type::f32, kTags[dims.size()]);
}

Desc free_layout(const dnnl::memory::dims& dims) {
  return Desc(dims, dnnl::memory::data_type::f32, Tag::any);
}

dnnl::memory filled(const Desc& desc, const std::vector<float>& values) {
  dnnl::memory result(desc, engine());
  std::memcpy(result.get_data_handle(), values.data(), values.size() * sizeof(float));
  return result;
}

class OneDnn : public Contender {
 public:
  // Throws dnnl::error (unimplemented) where the algorithm does not apply.
  OneDnn(const Case& item, Form form, dnnl::algorithm algorithm);
  bool computes_here() const override { return true; }
  std::string how() const override { return how_; }
  void enqueue() override {
    for (const Step& step : steps_)
      step.primitive.execute(stream(), step.arguments);
    stream().wait();
  }
  std::vector<float> result() override;

 private:
  struct Step {
    dnnl::primitive primitive;
    std::unordered_map<int, dnnl::memory> arguments;
  };

  struct Geometry {
    dnnl::memory::dims x, w, b, y;
    onednn::Geometry window;
    explicit Geometry(const Case& item);
  };

  // The operand as the primitive wants it: converted now, or in every call.
  dnnl::memory operand(const std::vector<float>& values, const dnnl::memory::dims& dims,
                       const Desc& wanted, bool every_call);
  void add_reorder(const dnnl::memory& from, const dnnl::memory& to) {
    steps_.push_back({dnnl::reorder(from, to), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}});
  }
  template <class Descriptor>
  void add_convolution(const Descriptor& descriptor, const dnnl::primitive& primitive,
                       std::unordered_map<int, dnnl::memory> arguments, int result,
                       const Desc& result_desc, const dnnl::memory::dims& result_dims);

  Form form_;
  std::string how_;
  std::vector<Step> steps_;
  dnnl::memory computed_;
};

OneDnn::Geometry::Geometry(const Case& item) {
  const Problem& p = item.problem;
  x = {p.n, p.c, p.h, p.w};
  w = {p.k / p.g, p.c / p.g, p.kh, p.kw};
  if (p.g > 1)
    w.insert(w.begin(), p.g);
  else
    w.front() = p.k;
  b = {p.k};
  y = {p.n, p.k, item.info.oh, item.info.ow};
  window.strides = {p.sh, p.sw};
  window.dilates = {p.dh - 1, p.dw - 1};
  window.before = {p.pt, p.pl};
  window.after = {p.pb, p.pr};
}

dnnl::memory OneDnn::operand(const std::vector<float>& values, const dnnl::memory::dims& dims,
                             const Desc& wanted, bool every_call) {
  dnnl::memory given = filled(plain(dims), values);
  if (wanted == given.get_desc()) return given;
  dnnl::memory converted(wanted, engine());
  if (every_call && form_ == Form::kReordered) {
    add_reorder(given, converted);
  } else {
    dnnl::reorder(given, converted).execute(stream(), given, converted);
    stream().wait();
  }
  return converted;
}

template <class Descriptor>
void OneDnn::add_convolution(const Descriptor& descriptor, const dnnl::primitive& primitive,
                             std::unordered_map<int, dnnl::memory> arguments, int result,
                             const Desc& result_desc, const dnnl::memory::dims& result_dims) {
  computed_ = dnnl::memory(result_desc, engine());
  arguments.emplace(result, computed_);
  arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(descriptor.scratchpad_desc(), engine()));
  steps_.push_back({primitive, std::move(arguments)});
  how_ = descriptor.impl_info_str();
  if (form_ != Form::kReordered || result_desc == plain(result_dims)) return;
  const dnnl::memory nchw(plain(result_dims), engine());
  add_reorder(computed_, nchw);
  computed_ = nchw;
}

OneDnn::OneDnn(const Case& item, Form form, dnnl::algorithm algorithm) : form_(form) {
  const Geometry g(item);
  const Problem& p = item.problem;
  const auto activations = [&](const dnnl::memory::dims& dims) {
    return form == Form::kPlain ? plain(dims) : free_layout(dims);
  };
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  if (p.direction == CLCONV_FORWARD) {
    if (p.activation != CLCONV_NO_ACTIVATION) {
      dnnl::post_ops relu;
      onednn::append_relu(relu);
      attributes.set_post_ops(relu);
    }
    const auto pd = onednn::forward(
        engine(), dnnl::prop_kind::forward_inference, algorithm, activations(g.x), free_layout(g.w),
        p.bias != 0 ? plain(g.b) : Desc(), activations(g.y), g.window, attributes);
    std::unordered_map<int, dnnl::memory> arguments = {
        {DNNL_ARG_SRC, operand(item.x, g.x, pd.src_desc(), true)},
        {DNNL_ARG_WEIGHTS, operand(item.w, g.w, pd.weights_desc(), false)}};
    if (p.bias != 0) arguments.emplace(DNNL_ARG_BIAS, filled(plain(g.b), item.b));
    add_convolution(pd, dnnl::convolution_forward(pd), arguments, DNNL_ARG_DST, pd.dst_desc(), g.y);
    return;
  }
  const auto hint =
      onednn::forward(engine(), dnnl::prop_kind::forward_training, algorithm, activations(g.x),
                      free_layout(g.w), Desc(), activations(g.y), g.window, dnnl::primitive_attr());
  if (p.direction == CLCONV_BACKWARD_DATA) {
    const auto pd = onednn::backward_data(engine(), algorithm, activations(g.x), free_layout(g.w),
                                          activations(g.y), g.window, hint, attributes);
    add_convolution(pd, dnnl::convolution_backward_data(pd),
                    {{DNNL_ARG_DIFF_DST, operand(item.dy, g.y, pd.diff_dst_desc(), true)},
                     {DNNL_ARG_WEIGHTS, operand(item.w, g.w, pd.weights_desc(), false)}},
                    DNNL_ARG_DIFF_SRC, pd.diff_src_desc(), g.x);
    return;
  }
  const Desc weights = form == Form::kPlain ? plain(g.w) : free_layout(g.w);
  const auto pd = onednn::backward_weights(engine(), algorithm, activations(g.x), weights,
                                           activations(g.y), g.window, hint, attributes);
  add_convolution(pd, dnnl::convolution_backward_weights(pd),
                  {{DNNL_ARG_DIFF_DST, operand(item.dy, g.y, pd.diff_dst_desc(), true)},
                   {DNNL_ARG_SRC, operand(item.x, g.x, pd.src_desc(), true)}},
                  DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc(), g.w);
}

std::vector<float> OneDnn::result() {
  dnnl::memory dense(plain(onednn::dims_of(computed_.get_desc())), engine());
  dnnl::reorder(computed_, dense).execute(stream(), computed_, dense);
  stream().wait();
  const auto* values = static_cast<const float*>(dense.get_data_handle());
  return {values, values + dense.get_desc().get_size() / sizeof(float)};
}

Peer onednn_peer(const char* key, const char* title, const std::string& about, Form form,
                 dnnl::algorithm algorithm) {
  const dnnl_version_t* v = dnnl_version();
  Peer peer;
  peer.key = key;
  peer.title = title;
  peer.about = "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
               std::to_string(v->patch) + ", " + about;
  peer.prepare = [form, algorithm](const Case& item) -> ContenderPtr {
    try {
      return std::make_unique<OneDnn>(item, form, algorithm);
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_unimplemented) return nullptr;
      throw std::runtime_error("oneDNN: " + std::string(error.message) + ", status " +
                               std::to_string(static_cast<int>(error.status)));
    }
  };
  return peer;
}

}  // namespace

std::vector<Peer> onednn_peers() {
  using dnnl::algorithm;
  // A library of another major version than the headers has another interface.
  if (dnnl_version()->major != DNNL_VERSION_MAJOR) return {};
  // Its threads start with its first call, which must not be made on a pinned thread: it counts the cores
  // that it may use.
  const auto known = threads();
  try {
    OneDnn(Case("", Problem("n1c64h28w28k64kh3kw3p1")), Form::kBlocked,
           algorithm::convolution_direct)
        .enqueue();
  } catch (const dnnl::error& error) {
    // E.g. a build for SYCL where SYCL has no CPU. The other peers are measured all the same.
    std::fprintf(stderr, "clconv-bench: oneDNN is left out: %s\n", error.message);
    return {};
  }
  pin_threads(known);
  return {
      onednn_peer("onednn_plain", "oneDNN plain NCHW",
                  "NCHW in and out, as it dispatches by itself", Form::kPlain,
                  algorithm::convolution_auto),
      onednn_peer("onednn_reorder", "oneDNN reordered",
                  "NCHW in and out, reordered to its own layouts and back in every call",
                  Form::kReordered, algorithm::convolution_direct),
      onednn_peer("onednn_blocked", "oneDNN blocked",
                  "its own layouts in and out (the reorders are not timed), direct algorithm",
                  Form::kBlocked, algorithm::convolution_direct),
      onednn_peer("onednn_winograd", "oneDNN blocked Winograd",
                  "as blocked, its Winograd where asked for and able", Form::kBlocked,
                  algorithm::convolution_winograd),
  };
}

}  // namespace clconv::bench
