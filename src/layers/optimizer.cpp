#include "layers/optimizer.hpp"

#include <cmath>

#include "runtime/spans.hpp"

namespace clconv::core {

std::unique_ptr<Step> sgd(Device& device, std::int64_t count, const Region& w, const Region& dw,
                          const Region* velocity, const SgdNumbers& numbers) {
  const Runs runs(device.profile(), count);
  const std::string momentum = velocity != nullptr ? "-DMOMENTUM=1 " : "-DMOMENTUM=0 ";
  return std::make_unique<KernelStep>(
      "sgd", device.kernel("layers/optimizer", "sgd", momentum + runs.define()),
      std::vector<Argument>{{"w", w},
                            {"dw", dw},
                            {"velocity", velocity != nullptr ? *velocity : w},
                            {"count", cl_long{count}},
                            {"span", cl_long{runs.span}},
                            {"rate", numbers.rate},
                            {"momentum", numbers.momentum},
                            {"decay", numbers.decay}},
      runs.range);
}

void bind(Bindings& bindings, const AdamNumbers& numbers, const AdamStep& s) {
  // In double: 1 - beta2^t of the first steps has few digits in float.
  const auto remains = [&](float beta) {
    return 1.0 - std::pow(static_cast<double>(beta), static_cast<double>(s.step));
  };
  bindings.bind(numbers.rate,
                static_cast<cl_float>(static_cast<double>(s.rate) / remains(s.beta1)));
  bindings.bind(numbers.beta1, s.beta1);
  bindings.bind(numbers.beta2, s.beta2);
  bindings.bind(numbers.scale2, static_cast<cl_float>(1.0 / remains(s.beta2)));
  bindings.bind(numbers.epsilon, s.epsilon);
  bindings.bind(numbers.decay, s.decay);
}

std::unique_ptr<Step> adam(Device& device, std::int64_t count, const Region& w, const Region& dw,
                           const Region& moment1, const Region& moment2,
                           const AdamNumbers& numbers) {
  const Runs runs(device.profile(), count);
  return std::make_unique<KernelStep>(
      "adam", device.kernel("layers/optimizer", "adam", "-DMOMENTUM=1 " + runs.define()),
      std::vector<Argument>{{"w", w},
                            {"dw", dw},
                            {"moment1", moment1},
                            {"moment2", moment2},
                            {"count", cl_long{count}},
                            {"span", cl_long{runs.span}},
                            {"rate", numbers.rate},
                            {"beta1", numbers.beta1},
                            {"beta2", numbers.beta2},
                            {"scale2", numbers.scale2},
                            {"epsilon", numbers.epsilon},
                            {"decay", numbers.decay}},
      runs.range);
}

}  // namespace clconv::core
