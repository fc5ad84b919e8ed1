// How the bodies for CPUs see the input of a correlation.
#pragma once

#include <algorithm>
#include <vector>

#include "ops/pack.hpp"
#include "strategies/cost_model.hpp"
#include "strategies/implicit_gemm/correlation_bodies.hpp"

namespace clconv::core::implicit_gemm {

// As it lies in memory, or as a float copy with padding (and mask) written out, from the window's origin on. The copy
// is made for some images at a time: written by one core, read by all once per block of filters, it stays in their L2.
struct InputView {
  bool copied = false;
  PaddedPlanes planes;  // of all images
  std::int64_t images, chunk;
  std::int64_t image, plane, pitch, step, top = 0, left = 0;
  std::int64_t rows, columns;  // of pixels

  // kOutside: the body itself takes what is outside the input for zero.
  enum class Padding { kWrittenOut, kOutside };

  // `wanted`: columns of the window that may be read, which can be more than the taps reach. `floats`: the body
  // reads nothing else.
  InputView(const Case& all, std::int64_t wanted, bool floats,
            Padding padding = Padding::kWrittenOut) {
    const Problem& p = all.problem;
    const std::vector<Correlation>& correlations = all.correlations;
    const Correlation& c = correlations.front();
    Window window = window_of(correlations);
    window.w = std::max(window.w, wanted);
    images = chunk = c.images;
    image = c.in_image;
    plane = c.in_plane;
    pitch = c.in_pitch;
    step = c.in_step;
    rows = c.in_h;
    columns = c.in_w;
    const bool convert = floats && c.data_type != DataType::kFloat32;
    const bool pads = padding == Padding::kWrittenOut && !window.inside(c);
    copied = window.h > 0 && (p.mask || convert || pads);
    if (!copied) return;
    rows = window.h;
    columns = window.w;
    const std::int64_t channels = c.groups * c.channels;
    top = window.top;
    left = window.left;
    pitch = window.w * step;
    image = c.channels_last ? window.h * pitch : channels * window.h * pitch;
    if (!c.channels_last) plane = window.h * pitch;
    planes = {c.channels_last ? images : images * channels,
              c.in_h,
              c.in_w * step,
              top,
              left * step,
              window.h,
              pitch,
              0,
              c.data_type};
    if (!c.channels_last) {
      planes.image_planes = channels;
      planes.gap = c.in_image - channels * c.in_plane;
    }
    if (c.channels_last && c.in_h != p.h) {  // flattened: its rows are more to divide
      planes.in_h = planes.hp = p.h;
      planes.in_w = planes.wp = pitch / p.h;
    }
    const std::int64_t fitting =
        all.machine.l2_blocking_bytes * all.profile.compute_units / (image * Problem::kFloatBytes);
    chunk = ceil_div(images, ceil_div(images, std::clamp<std::int64_t>(fitting, 1, images)));
  }

  std::int64_t offset(const Correlation& c) const {
    return c.reduction() == 0 ? 0 : (c.top - top) * pitch + (c.left - left) * step;
  }
  std::int64_t chunks() const { return ceil_div(images, chunk); }
  std::int64_t workspace_bytes(const DeviceProfile& profile) const {
    return copied ? aligned(part(0, chunk).bytes(), profile) : 0;
  }
  PaddedPlanes part(std::int64_t first, std::int64_t count) const {
    PaddedPlanes part = planes;
    part.first = first * (planes.planes / images);
    part.planes = count * (planes.planes / images);
    return part;
  }
  Pass pass() const {
    Pass pass;
    if (copied) {
      pass.bytes = static_cast<double>(planes.planes * planes.in_h * planes.in_w *
                                       element_bytes(planes.data_type)) +
                   static_cast<double>(planes.bytes()) * (chunks() > 1 ? 0.5 : 1.0);
      pass.work_groups = static_cast<double>(planes.planes * planes.hp);
      pass.launches = static_cast<double>(chunks());
    } else {
      pass.launches = 0;
    }
    return pass;
  }
  // Calls multiply(x, first image, images): x begins with that image.
  template <class Multiply>
  void add_to(Executable& executable, Device& device, const Problem& p, Multiply&& multiply) const {
    const Operands operands(p);
    if (!copied) return multiply(operands.input, std::int64_t{0}, images);
    WorkspaceLayout layout(device.profile());
    const Region padded = layout.add(part(0, chunk).bytes());
    executable.workspace_bytes = layout.bytes();
    for (std::int64_t first = 0; first < images; first += chunk) {
      const std::int64_t count = std::min(chunk, images - first);
      executable.run.add(
          pad_planes(device, part(first, count), operands.input, mask_of(p), padded));
      multiply(padded, first, count);
    }
  }
};
}  // namespace clconv::core::implicit_gemm
