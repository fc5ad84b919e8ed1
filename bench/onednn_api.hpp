// What differs between oneDNN 2 and 3: how primitives are described, and the accessors' names. The peers see
// neither version. Refuses to know what is measured.
#pragma once

#include <dnnl.hpp>

namespace clconv::bench::onednn {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;

// Of a convolution, as the constructors of both versions take it.
struct Geometry {
  Dims strides, dilates, before, after;
};

#if DNNL_VERSION_MAJOR >= 3

inline Dims dims_of(const Desc& desc) {
  return desc.get_dims();
}
inline void append_relu(dnnl::post_ops& operations) {
  operations.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
}
inline auto forward(const dnnl::engine& engine, dnnl::prop_kind kind, dnnl::algorithm algorithm,
                    const Desc& x, const Desc& w, const Desc& b, const Desc& y, const Geometry& g,
                    const dnnl::primitive_attr& attributes) {
  return dnnl::convolution_forward::primitive_desc(engine, kind, algorithm, x, w, b, y, g.strides,
                                                   g.dilates, g.before, g.after, attributes);
}
inline auto backward_data(const dnnl::engine& engine, dnnl::algorithm algorithm, const Desc& dx,
                          const Desc& w, const Desc& dy, const Geometry& g,
                          const dnnl::convolution_forward::primitive_desc& hint,
                          const dnnl::primitive_attr& attributes) {
  return dnnl::convolution_backward_data::primitive_desc(
      engine, algorithm, dx, w, dy, g.strides, g.dilates, g.before, g.after, hint, attributes);
}
inline auto backward_weights(const dnnl::engine& engine, dnnl::algorithm algorithm, const Desc& x,
                             const Desc& dw, const Desc& dy, const Geometry& g,
                             const dnnl::convolution_forward::primitive_desc& hint,
                             const dnnl::primitive_attr& attributes) {
  return dnnl::convolution_backward_weights::primitive_desc(
      engine, algorithm, x, dw, dy, g.strides, g.dilates, g.before, g.after, hint, attributes);
}

#else

inline Dims dims_of(const Desc& desc) {
  return desc.dims();
}
inline void append_relu(dnnl::post_ops& operations) {
  operations.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
}
inline auto forward(const dnnl::engine& engine, dnnl::prop_kind kind, dnnl::algorithm algorithm,
                    const Desc& x, const Desc& w, const Desc& b, const Desc& y, const Geometry& g,
                    const dnnl::primitive_attr& attributes) {
  const dnnl::convolution_forward::desc d(kind, algorithm, x, w, b, y, g.strides, g.dilates,
                                          g.before, g.after);
  return dnnl::convolution_forward::primitive_desc(d, attributes, engine);
}
inline auto backward_data(const dnnl::engine& engine, dnnl::algorithm algorithm, const Desc& dx,
                          const Desc& w, const Desc& dy, const Geometry& g,
                          const dnnl::convolution_forward::primitive_desc& hint,
                          const dnnl::primitive_attr& attributes) {
  const dnnl::convolution_backward_data::desc d(algorithm, dx, w, dy, g.strides, g.dilates,
                                                g.before, g.after);
  return dnnl::convolution_backward_data::primitive_desc(d, attributes, engine, hint);
}
inline auto backward_weights(const dnnl::engine& engine, dnnl::algorithm algorithm, const Desc& x,
                             const Desc& dw, const Desc& dy, const Geometry& g,
                             const dnnl::convolution_forward::primitive_desc& hint,
                             const dnnl::primitive_attr& attributes) {
  const dnnl::convolution_backward_weights::desc d(algorithm, x, dw, dy, g.strides, g.dilates,
                                                   g.before, g.after);
  return dnnl::convolution_backward_weights::primitive_desc(d, attributes, engine, hint);
}

#endif

}  // namespace clconv::bench::onednn
