// The wisdom files of clconv.h in Python. A path of None is the user's own file.
#include "wisdom.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <string>

namespace clconv_python {
namespace {

using Text = std::optional<std::string>;

const char* pointer(const Text& text) {
  return text ? text->c_str() : nullptr;
}

}  // namespace

void bind_wisdom(nb::module_& m) {
  m.def("wisdom_path", [] {
    char* path = nullptr;
    check(clconv_wisdom_path(&path));
    return take(path);
  });
  m.def(
      "wisdom_read",
      [](const Text& path) {
        char* json = nullptr;
        check(clconv_wisdom_read(pointer(path), &json));
        return take(json);
      },
      nb::arg("path").none());
  m.def(
      "wisdom_check", [](const Text& path) { check(clconv_wisdom_check(pointer(path))); },
      nb::arg("path").none());
  m.def(
      "wisdom_export",
      [](const std::string& to, const Text& path) {
        check(clconv_wisdom_export(pointer(path), to.c_str()));
      },
      nb::arg("to"), nb::arg("path").none());
  m.def(
      "wisdom_import",
      [](const std::string& from, const Text& path) {
        std::int64_t count = 0;
        check(clconv_wisdom_import(pointer(path), from.c_str(), &count));
        return count;
      },
      nb::arg("from_file"), nb::arg("path").none());
  m.def(
      "wisdom_forget",
      [](const Text& problem, const Text& device, const Text& path) {
        std::int64_t count = 0;
        check(clconv_wisdom_forget(pointer(path), pointer(problem), pointer(device), &count));
        return count;
      },
      nb::arg("problem").none(), nb::arg("device").none(), nb::arg("path").none());
  m.def(
      "wisdom_forget_unreadable",
      [](const Text& path) {
        std::int64_t count = 0;
        check(clconv_wisdom_forget_unreadable(pointer(path), &count));
        return count;
      },
      nb::arg("path").none());
}

}  // namespace clconv_python
