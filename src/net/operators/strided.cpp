#include "net/operators/strided.hpp"

#include "problem.hpp"

namespace clconv::net {
namespace {

template <class T>
void copy_elements(const StridedCopy& copy, std::size_t dimension, const T* from, T* to) {
  const std::int64_t size = copy.sizes[dimension];
  const std::int64_t from_step = copy.from[dimension], to_step = copy.to[dimension];
  for (std::int64_t i = 0; i < size; ++i) {
    if (dimension + 1 == copy.sizes.size()) {
      to[i * to_step] = from[i * from_step];
    } else {
      copy_elements(copy, dimension + 1, from + i * from_step, to + i * to_step);
    }
  }
}

}  // namespace

std::vector<std::int64_t> dense_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;)
    strides[d - 1] = core::saturating_product(strides[d], shape[d]);
  return strides;
}

StridedCopy collapsed(const StridedCopy& copy) {
  StridedCopy result;
  result.from_first = copy.from_first;
  result.to_first = copy.to_first;
  for (std::size_t d = 0; d < copy.sizes.size(); ++d) {
    const std::int64_t size = copy.sizes[d];
    if (size == 1) continue;
    const bool merges = !result.sizes.empty() && result.from.back() == copy.from[d] * size &&
                        result.to.back() == copy.to[d] * size;
    if (merges) {
      result.sizes.back() *= size;
      result.from.back() = copy.from[d];
      result.to.back() = copy.to[d];
      continue;
    }
    result.sizes.push_back(size);
    result.from.push_back(copy.from[d]);
    result.to.push_back(copy.to[d]);
  }
  return result;
}

bool is_one_range(const StridedCopy& collapsed_copy) {
  const std::size_t rank = collapsed_copy.sizes.size();
  return rank == 0 || (rank == 1 && collapsed_copy.from[0] == 1 && collapsed_copy.to[0] == 1);
}

Constant zeros(Type type, const Shape& shape) {
  Constant constant;
  constant.type = type;
  constant.shape = shape;
  const auto count = static_cast<std::size_t>(elements(shape));
  if (is_floating(type)) {
    constant.floats.resize(count);
  } else {
    constant.integers.resize(count);
  }
  return constant;
}

void move_elements(const Constant& from, Constant& to, const StridedCopy& copy) {
  if (elements(copy.sizes) == 0) return;
  StridedCopy small = collapsed(copy);
  if (small.sizes.empty()) small = {{1}, {1}, {1}, small.from_first, small.to_first};
  if (is_floating(from.type)) {
    copy_elements(small, 0, from.floats.data() + small.from_first,
                  to.floats.data() + small.to_first);
  } else {
    copy_elements(small, 0, from.integers.data() + small.from_first,
                  to.integers.data() + small.to_first);
  }
}

ConstantPtr moved(const Constant& from, const Shape& shape, const StridedCopy& copy) {
  auto result = std::make_shared<Constant>(zeros(from.type, shape));
  move_elements(from, *result, copy);
  return result;
}

namespace {

// Is it a copy of images that each lie in one piece, one behind the other in the result?
bool is_range_of_channels(const StridedCopy& copy) {
  if (copy.sizes.size() < 2 || copy.sizes.front() < 2) return false;
  StridedCopy image = copy;
  image.sizes.front() = 1;
  return is_one_range(collapsed(image)) && copy.from.front() >= elements(image.sizes);
}

}  // namespace

void lower_part(Lowering& lowering, std::size_t i, const StridedCopy& copy) {
  if (!lowering.has_output(i)) return;
  const BufferId from = lowering.images_in(0).buffer;  // `copy` knows the distance of its images
  const Shape& shape = lowering.output_shape(i);
  const std::int64_t first_byte = copy.from_first * core::element_bytes(lowering.storage());
  const bool one_range = is_one_range(collapsed(copy));
  const bool apart = !one_range && is_range_of_channels(copy) && lowering.may_have_images_apart(i);
  if (elements(shape) > 0 && (one_range || apart) &&
      lowering.may_alias(from, first_byte, lowering.bytes_of(shape))) {
    lowering.alias(i, from, first_byte, apart ? copy.from.front() : 0);
    return;
  }
  launch_copy(lowering, from, lowering.out(i), copy);
}

}  // namespace clconv::net
