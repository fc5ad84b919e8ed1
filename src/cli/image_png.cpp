// libpng reports errors by longjmp(): every function that calls setjmp() has plain variables only, and what it fills
// belongs to its caller.
#include <csetjmp>
#include <cstring>

#include "cli/errors.hpp"
#include "cli/image.hpp"
#include "cli/image_codecs.hpp"
#include "text.hpp"

#ifdef CLCONV_HAS_PNG
#include <png.h>
#endif

namespace clconv::cli {

void check_pixels(const std::string& path, std::int64_t width, std::int64_t height) {
  if (width <= kMaxPixels && height <= kMaxPixels && width * height <= kMaxPixels) return;
  throw BadInput(path + ": has " + std::to_string(width) + "x" + std::to_string(height) +
                 " pixels, at most " + std::to_string(kMaxPixels) + " are read");
}

#ifdef CLCONV_HAS_PNG
namespace {

struct Reader {
  const unsigned char* bytes;
  std::size_t size, at;
  char error[160];
};

void read_some(png_structp png, png_bytep to, png_size_t count) {
  auto* const reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader->size - reader->at) png_error(png, "is truncated");
  std::memcpy(to, reader->bytes + reader->at, count);
  reader->at += count;
}

void keep_error(png_structp png, png_const_charp text) {
  auto* const reader = static_cast<Reader*>(png_get_error_ptr(png));
  std::snprintf(reader->error, sizeof(reader->error), "%s", text);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

// The header, and what its samples become. False: reader.error says why.
bool read_header(png_structp png, png_infop info, Samples& samples) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_user_limits(png, 1u << 20, 1u << 20);
  png_read_info(png, info);
  png_set_expand(png);  // palettes, fewer bits than 8, a transparent colour
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  samples.width = png_get_image_width(png, info);
  samples.height = png_get_image_height(png, info);
  samples.channels = png_get_channels(png, info);
  samples.bits = png_get_bit_depth(png, info);
  return true;
}

bool read_rows(png_structp png, png_infop info, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_read_image(png, rows);
  png_read_end(png, info);
  return true;
}

// Destroys what libpng made, whatever is thrown.
struct ReadHandles {
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~ReadHandles() { png_destroy_read_struct(&png, &info, nullptr); }
};

}  // namespace

Samples decode_png(const std::string& path, const std::vector<unsigned char>& file) {
  Reader reader{file.data(), file.size(), 0, {}};
  ReadHandles handles;
  handles.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, keep_error, ignore_warning);
  if (handles.png != nullptr) handles.info = png_create_info_struct(handles.png);
  if (handles.info == nullptr) throw std::bad_alloc();
  png_set_read_fn(handles.png, &reader, read_some);
  const auto bad = [&] {
    return BadInput(path + ": is no valid PNG: " + core::one_line(reader.error));
  };
  Samples samples;
  if (!read_header(handles.png, handles.info, samples)) throw bad();
  check_pixels(path, samples.width, samples.height);
  const auto row = static_cast<std::size_t>(samples.width * samples.channels * samples.bits / 8);
  samples.bytes.resize(row * static_cast<std::size_t>(samples.height));
  std::vector<png_bytep> rows(static_cast<std::size_t>(samples.height));
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = &samples.bytes[i * row];
  if (!read_rows(handles.png, handles.info, rows.data())) throw bad();
  return samples;
}

std::string encode_png(const std::string& path, const Samples& samples) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(samples.width);
  png.height = static_cast<png_uint_32>(samples.height);
  png.format = samples.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  std::string file(PNG_IMAGE_PNG_SIZE_MAX(png), '\0');
  png_alloc_size_t size = file.size();
  if (png_image_write_to_memory(&png, file.data(), &size, 0, samples.bytes.data(), 0, nullptr) ==
      0) {
    throw BadInput(path + ": cannot be written as PNG: " + core::one_line(png.message));
  }
  file.resize(size);
  return file;
}

#else

Samples decode_png(const std::string& path, const std::vector<unsigned char>&) {
  throw BadInput(path + ": is a PNG, and this clconv was built without libpng");
}

std::string encode_png(const std::string& path, const Samples&) {
  throw BadInput(path + ": cannot be written, this clconv was built without libpng");
}

#endif

}  // namespace clconv::cli
