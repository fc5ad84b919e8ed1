// clconv.h's problem and plan options in Python: fields by name, values that have names as words.
#pragma once

#include <optional>
#include <string>

#include "errors.hpp"

namespace clconv_python {

// Words of Python to numbers of the ABI: `refuse`s what is none.
clconv_rigor rigor_of(const std::string& word);
clconv_math math_of(const std::string& word);
clconv_data_type data_type_of(const std::string& word);

// Plan options with the memory that they point to.
class PlanOptions {
 public:
  explicit PlanOptions(const nb::dict& given);
  PlanOptions(const PlanOptions&) = delete;
  PlanOptions& operator=(const PlanOptions&) = delete;
  const clconv_plan_options* get() const { return &options_; }

 private:
  clconv_plan_options options_{};
  std::optional<std::string> strategy_, config_, allow_, deny_;
};

void bind_problem(nb::module_& m);

}  // namespace clconv_python
