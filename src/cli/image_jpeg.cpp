// libjpeg reports errors by a function that must not return: it jumps, so that functions with setjmp() have plain
// variables only, and what they fill belongs to their caller.
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it
#include <cstring>

#include "cli/errors.hpp"
#include "cli/image_codecs.hpp"
#include "text.hpp"

#ifdef CLCONV_HAS_JPEG
#include <jpeglib.h>
// Its numbers of messages.
#include <jerror.h>
#endif

namespace clconv::cli {

#ifdef CLCONV_HAS_JPEG
namespace {

struct Errors {
  jpeg_error_mgr base;  // first: libjpeg hands out this address
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

Errors* errors_of(j_common_ptr jpeg) {
  return reinterpret_cast<Errors*>(jpeg->err);
}

void keep_error(j_common_ptr jpeg) {
  (*jpeg->err->format_message)(jpeg, errors_of(jpeg)->text);
  std::longjmp(errors_of(jpeg)->jump, 1);
}

// A warning (level -1) means that pixels are made up. Bytes too many between two parts harm nothing.
void judge_message(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA) keep_error(jpeg);
}

void print_nothing(j_common_ptr) {}

// Reads numbers of an EXIF block in its byte order, 0 behind its end.
struct Exif {
  const unsigned char* bytes;
  std::size_t size;
  bool little;
  unsigned number(std::size_t at, std::size_t count) const {
    unsigned value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t from = at + (little ? count - 1 - i : i);
      value = value << 8 | (from < size ? bytes[from] : 0u);
    }
    return value;
  }
};

// The tag 0x112 of the first directory; 1, upright, where there is none.
int exif_orientation(const unsigned char* marker, std::size_t size) {
  if (size < 14 || std::memcmp(marker, "Exif\0\0", 6) != 0) return 1;
  const Exif exif{marker + 6, size - 6, marker[6] == 'I'};
  const std::size_t directory = exif.number(4, 4);
  const unsigned entries = exif.number(directory, 2);
  for (unsigned i = 0; i < entries && directory + 2 + 12 * i < exif.size; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    const unsigned value = exif.number(entry + 8, 2);
    if (exif.number(entry, 2) == 0x112)
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

// False: errors.text says why.
bool read_header(jpeg_decompress_struct& jpeg, Errors& errors, const unsigned char* bytes,
                 unsigned long size, Samples& samples) {
  if (setjmp(errors.jump) != 0) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, bytes, size);
  jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&jpeg, TRUE);
  samples.width = jpeg.image_width, samples.height = jpeg.image_height;
  samples.channels = jpeg.num_components == 1 ? 1 : 3;
  jpeg.out_color_space = jpeg.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  for (const jpeg_marker_struct* m = jpeg.marker_list; m != nullptr; m = m->next) {
    if (samples.orientation == 1) samples.orientation = exif_orientation(m->data, m->data_length);
  }
  return true;
}

bool read_rows(jpeg_decompress_struct& jpeg, Errors& errors, unsigned char* to, std::size_t row) {
  if (setjmp(errors.jump) != 0) return false;
  jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW rows[] = {to + jpeg.output_scanline * row};
    jpeg_read_scanlines(&jpeg, rows, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

struct Handle {
  jpeg_decompress_struct jpeg{};
  ~Handle() { jpeg_destroy_decompress(&jpeg); }
};

}  // namespace

Samples decode_jpeg(const std::string& path, const std::vector<unsigned char>& file) {
  Errors errors{};
  Handle handle;
  handle.jpeg.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = keep_error;
  errors.base.emit_message = judge_message;
  errors.base.output_message = print_nothing;
  const auto bad = [&] {
    return BadInput(path + ": is no valid JPEG: " + core::one_line(errors.text));
  };
  Samples samples;
  if (!read_header(handle.jpeg, errors, file.data(), file.size(), samples)) throw bad();
  if (handle.jpeg.num_components == 4) {
    throw BadInput(path + ": has the colours of print (CMYK), expected grey or RGB");
  }
  check_pixels(path, samples.width, samples.height);
  const auto row = static_cast<std::size_t>(samples.width * samples.channels);
  samples.bytes.resize(row * static_cast<std::size_t>(samples.height));
  if (!read_rows(handle.jpeg, errors, samples.bytes.data(), row)) throw bad();
  return samples;
}

#else

Samples decode_jpeg(const std::string& path, const std::vector<unsigned char>&) {
  throw BadInput(path + ": is a JPEG, and this clconv was built without libjpeg");
}

#endif

}  // namespace clconv::cli
