// What every function of a C ABI of this project stands on: exceptions into statuses, structs of any version into
// values.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "clconv/clconv.h"
#include "error.hpp"
#include "runtime/opencl.hpp"

namespace clconv::core::api {

// ---- errors -------------------------------------------------------------------------------------

// Remembers the text for clconv_last_error().
inline clconv_status fail(Code code, const char* text, const char* detail) noexcept {
  return clconv_set_last_error(static_cast<clconv_status>(code), text, detail);
}

// Runs `body`; no exception gets past here.
template <class Body>
clconv_status guarded(Body&& body) noexcept {
  try {
    body();
    return CLCONV_OK;
  } catch (const Error& error) {
    return fail(error.code(), error.what(), error.detail().c_str());
  } catch (const cl::Error& error) {
    const Error converted = opencl_error(error.what(), error.err());
    return fail(converted.code(), converted.what(), "");
  } catch (const std::bad_alloc&) {
    return fail(Code::kOutOfMemory, "out of host memory", "");
  } catch (const std::exception& error) {
    return fail(Code::kInternal, error.what(), "");
  } catch (...) {
    return fail(Code::kInternal, "unknown exception", "");
  }
}

[[noreturn]] inline void bad(const std::string& text) {
  throw Error(Code::kInvalidArgument, text);
}

template <class T>
T& required(T* pointer, const char* name) {
  if (pointer == nullptr) bad(std::string(name) + " is NULL");
  return *pointer;
}

// ---- structs ------------------------------------------------------------------------------------

// Writes `value` into the caller's struct, of which it knows `size` bytes. The first member of all
// structs is their struct_size.
template <class T>
void copy_out(T* out, const T& value, std::size_t size) {
  T copy = value;
  copy.struct_size = size;
  std::memcpy(out, &copy, std::min(size, sizeof(T)));
  if (size > sizeof(T)) std::memset(reinterpret_cast<char*>(out) + sizeof(T), 0, size - sizeof(T));
}

inline std::size_t known_size(std::size_t size, const char* name) {
  if (size < sizeof(size) || size > 4096) {
    bad(std::string(name) + ".struct_size is " + std::to_string(size) + ": initialise it first");
  }
  return size;
}

// The caller's struct over our defaults. What an older, shorter one lacks keeps its default; what a
// newer, longer one asks for beyond our fields must be nothing.
template <class T>
T versioned(const T* given, const T& defaults, const char* name) {
  T value = defaults;
  if (given == nullptr) return value;
  const std::size_t size = known_size(given->struct_size, name);
  std::memcpy(&value, given, std::min(size, sizeof(T)));
  const char* bytes = reinterpret_cast<const char*>(given);
  for (std::size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) {
      bad(std::string(name) + " has fields that this version (" CLCONV_VERSION ") does not know");
    }
  }
  return value;
}

template <class T>
void write_defaults(T* out, std::size_t size, const T& defaults) noexcept {
  if (out != nullptr && size >= sizeof(size)) copy_out(out, defaults, size);
}

// ---- texts --------------------------------------------------------------------------------------

inline std::string text_of(const char* text) {
  return text != nullptr ? text : "";
}

// A string that a function gives: its pointer is looked at before anything is done.
class TextOut {
 public:
  TextOut(char** out, const char* name) : out_(required(out, name)) {}
  void put(const std::string& text) {
    char* copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (copy == nullptr) throw std::bad_alloc();
    std::memcpy(copy, text.c_str(), text.size() + 1);
    out_ = copy;
  }

 private:
  char*& out_;
};

}  // namespace clconv::core::api
