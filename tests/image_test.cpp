// Pictures of the program: what files of every kind become, and what is refused.
#include <cmath>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <functional>

#include "cli/cli.hpp"
#include "cli/image.hpp"
#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/temp.hpp"

#ifdef CLCONV_HAS_PNG
#include <png.h>
#endif
#ifdef CLCONV_HAS_JPEG
#include <jpeglib.h>
#endif

using namespace clconv::cli;
using clconv::core::read_file;
using clconv::core::write_file_atomically;
using clconv::test::TempFolder;

namespace {

Picture plain(std::int64_t width, std::int64_t height, std::int64_t channels) {
  Picture picture;
  picture.width = width, picture.height = height, picture.channels = channels;
  picture.values.resize(static_cast<std::size_t>(width * height * channels));
  for (std::size_t i = 0; i < picture.values.size(); ++i)
    picture.values[i] = static_cast<float>(i * 37 % 256) / 255.0f;
  return picture;
}

void check_near(const std::vector<float>& values, const std::vector<double>& expected,
                double most) {
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CAPTURE(i);
    CHECK(std::fabs(static_cast<double>(values[i]) - expected[i]) <= most);
  }
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const BadInput& error) {
    return error.what();
  }
  return "nothing was refused";
}

}  // namespace

TEST_CASE("what is no picture is refused by its first bytes") {
  const TempFolder folder;
  write_file_atomically(folder.path("a.png"), "GIF89a");
  write_file_atomically(folder.path("empty.png"), "");
  for (const char* name : {"a.png", "empty.png"}) {
    const std::string path = folder.path(name);
    CHECK(message_of([&] { read_picture(path); }) == path + ": is neither a PNG nor a JPEG");
  }
  CHECK_THROWS_AS(read_picture(folder.path("none.png")), FileFailure);
  CHECK_THROWS_AS(read_picture(folder.root()), FileFailure);
}

TEST_CASE("names of pictures") {
  for (const char* name : {"a.png", "b.JPG", "c.d.Jpeg"})
    CHECK(picture_name(name));
  for (const char* name : {"a.npy", ".png", "png", "a.png.npy", ""})
    CHECK_FALSE(picture_name(name));
}

TEST_CASE("grey becomes three equal channels, colours become their luma") {
  Picture grey = plain(3, 2, 1);
  const Picture three = with_channels(grey, 3);
  REQUIRE(three.values.size() == 18);
  for (std::size_t i = 0; i < 18; ++i)
    CHECK(three.values[i] == grey.values[i % 6]);
  Picture red = plain(1, 1, 3);
  red.values = {1, 0.5f, 0.25f};
  check_near(with_channels(red, 1).values, {0.299 + 0.587 * 0.5 + 0.114 * 0.25}, 1e-6);
  CHECK(with_channels(grey, 1).values == grey.values);
}

TEST_CASE("resizing: the mean of what becomes one pixel, straight lines between pixels") {
  Picture row;
  row.width = 4, row.height = 1, row.channels = 1, row.values = {0, 1, 0, 1};
  for (const auto& [width, height] : {std::pair{0, 1}, std::pair{2, 0}, std::pair{0, 0}})
    CHECK(resized(row, width, height).values.empty());
  // A triangle of 2 pixels to each side of the centre at 0.5: weights 3, 3, 1 of pixels 0, 1, 2.
  check_near(resized(row, 2, 1).values, {3.0 / 7, 4.0 / 7}, 1e-6);
  Picture two;
  two.width = 2, two.height = 1, two.channels = 1, two.values = {0, 1};
  check_near(resized(two, 4, 1).values, {0, 0.25, 0.75, 1}, 1e-6);
  Picture column = two;
  column.width = 1, column.height = 2;
  check_near(resized(column, 2, 4).values, {0, 0, 0.25, 0.25, 0.75, 0.75, 1, 1}, 1e-6);
  const Picture same = plain(5, 4, 3);
  check_near(resized(same, 5, 4).values, {same.values.begin(), same.values.end()}, 1e-6);
  // A checkerboard has no pattern left, and a constant stays what it is.
  Picture board;
  board.width = 64, board.height = 64, board.channels = 1;
  for (int i = 0; i < 64 * 64; ++i)
    board.values.push_back(static_cast<float>((i + i / 64) % 2));
  for (const float value : resized(board, 7, 5).values)
    CHECK(std::fabs(value - 0.5f) < 0.02f);
}

#ifdef CLCONV_HAS_PNG
namespace {

// Rows of samples as the type has them (16 bits: the upper byte first).
void put_png(const std::string& path, int width, int height, int bits, int type,
             std::vector<unsigned char> rows, int interlace = PNG_INTERLACE_NONE,
             const std::function<void(png_structp, png_infop)>& more = nullptr) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  png_init_io(png, file);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), bits,
               type, interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (more) more(png, info);
  png_write_info(png, info);
  const std::size_t size = rows.size() / static_cast<std::size_t>(height);
  std::vector<png_bytep> pointers;
  for (int i = 0; i < height; ++i)
    pointers.push_back(&rows[static_cast<std::size_t>(i) * size]);
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  std::fclose(file);
}

}  // namespace

TEST_CASE("PNG: written and read again, grey and RGB, clamped") {
  const TempFolder folder;
  for (const std::int64_t channels : {1, 3}) {
    const Picture picture = plain(7, 5, channels);
    write_png(folder.path("a.png"), picture);
    const Picture read = read_picture(folder.path("a.png"));
    CHECK(read.width == 7);
    CHECK(read.height == 5);
    CHECK(read.channels == channels);
    CHECK(read.values == picture.values);
  }
  Picture wild = plain(4, 1, 1);
  wild.values = {-3, 7, std::nanf(""), 0.5f};
  write_png(folder.path("b.png"), wild);
  check_near(read_picture(folder.path("b.png")).values, {0, 1, 0, 128.0 / 255}, 1e-6);
}

TEST_CASE("PNG: 16 bits, palette, two grey levels, interlaced rows") {
  const TempFolder folder;
  const std::string path = folder.path("a.png");
  put_png(path, 2, 1, 16, PNG_COLOR_TYPE_GRAY, {0x12, 0x34, 0xff, 0xff});
  check_near(read_picture(path).values, {0x1234 / 65535.0, 1}, 1e-7);
  put_png(path, 3, 1, 8, PNG_COLOR_TYPE_PALETTE, {1, 0, 1}, PNG_INTERLACE_NONE,
          [](png_structp png, png_infop info) {
            const png_color colours[] = {{255, 0, 51}, {0, 102, 255}};
            png_set_PLTE(png, info, colours, 2);
          });
  const Picture palette = read_picture(path);
  CHECK(palette.channels == 3);
  check_near(palette.values, {0, 1, 0, 0.4, 0, 0.4, 1, 0.2, 1}, 1e-6);
  put_png(path, 8, 1, 1, PNG_COLOR_TYPE_GRAY, {0xa5});
  check_near(read_picture(path).values, {1, 0, 1, 0, 0, 1, 0, 1}, 0);
  std::vector<unsigned char> rows;
  for (int i = 0; i < 9 * 7 * 3; ++i)
    rows.push_back(static_cast<unsigned char>(i));
  put_png(path, 9, 7, 8, PNG_COLOR_TYPE_RGB, rows, PNG_INTERLACE_ADAM7);
  const Picture interlaced = read_picture(path);
  REQUIRE(interlaced.values.size() == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    CHECK(interlaced.values[i % 3 * 63 + i / 3] == static_cast<float>(rows[i]) / 255.0f);
}

TEST_CASE("PNG: what is transparent lies on white") {
  const TempFolder folder;
  const std::string path = folder.path("a.png");
  put_png(path, 2, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {255, 0, 0, 0, 0, 51, 255, 102});
  const Picture colours = read_picture(path);
  CHECK(colours.channels == 3);
  check_near(colours.values, {1, 0.6, 1, 0.2 * 0.4 + 0.6, 1, 0.4 + 0.6}, 1e-6);
  put_png(path, 2, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, {0, 255, 0, 0});
  const Picture grey = read_picture(path);
  CHECK(grey.channels == 1);
  check_near(grey.values, {0, 1}, 0);
  // A colour that is transparent.
  put_png(path, 2, 1, 8, PNG_COLOR_TYPE_GRAY, {10, 20}, PNG_INTERLACE_NONE,
          [](png_structp png, png_infop info) {
            png_color_16 clear{};
            clear.gray = 10;
            png_set_tRNS(png, info, nullptr, 0, &clear);
          });
  check_near(read_picture(path).values, {1, 20 / 255.0}, 1e-6);
}

TEST_CASE("PNG: a damaged file is one line, wherever it ends") {
  const TempFolder folder;
  const std::string path = folder.path("a.png");
  write_png(path, plain(20, 10, 3));
  std::string file;
  REQUIRE(read_file(path, file));
  for (std::size_t size = 8; size < file.size(); size += 5) {
    write_file_atomically(path, file.substr(0, size));
    const std::string message = message_of([&] { read_picture(path); });
    CAPTURE(size);
    CHECK(message.find(path + ": is no valid PNG: ") == 0);
    CHECK(message.find('\n') == std::string::npos);
  }
  std::string flipped = file;
  flipped[file.size() / 2] = static_cast<char>(flipped[file.size() / 2] ^ 0x40);
  write_file_atomically(path, flipped);
  CHECK(message_of([&] { read_picture(path); }).find(path + ": is no valid PNG: ") == 0);
}

TEST_CASE("PNG: one of more pixels than are read is refused before it is unpacked") {
  const TempFolder folder;
  const std::string path = folder.path("a.png");
  put_png(path, 20000, 1, 1, PNG_COLOR_TYPE_GRAY, std::vector<unsigned char>(2500));
  std::string file;
  REQUIRE(read_file(path, file));
  // The header's height and its checksum.
  const unsigned char height[] = {0, 0, 0x4e, 0x20};
  std::memcpy(&file[20], height, 4);
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = 12; i < 29; ++i) {
    crc ^= static_cast<unsigned char>(file[i]);
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  for (std::size_t i = 0; i < 4; ++i)
    file[29 + i] = static_cast<char>(~crc >> (24 - 8 * i) & 0xff);
  write_file_atomically(path, file);
  CHECK(message_of([&] { read_picture(path); }) ==
        path + ": has 20000x20000 pixels, at most 67108864 are read");
}
#else
TEST_CASE("PNG: a build without libpng says so") {
  const TempFolder folder;
  const std::string path = folder.path("a.png");
  write_file_atomically(path, "\x89PNG\r\n\x1a\n");
  CHECK(message_of([&] { read_picture(path); }) ==
        path + ": is a PNG, and this clconv was built without libpng");
}
#endif

#ifdef CLCONV_HAS_JPEG
namespace {

void put_jpeg(const std::string& path, int width, int height, int channels,
              std::vector<unsigned char> rows, int exif_orientation = 0,
              J_COLOR_SPACE space = JCS_UNKNOWN) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  jpeg_stdio_dest(&jpeg, file);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.input_components = channels;
  jpeg.in_color_space = space != JCS_UNKNOWN ? space : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 100, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  if (exif_orientation != 0) {
    unsigned char exif[] = {'E', 'x',  'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                            1,   0x12, 0,   3,   0, 0, 0,   1,   0, 0,  0, 0, 0, 0, 0, 0};
    exif[25] = static_cast<unsigned char>(exif_orientation);
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, exif, sizeof(exif));
  }
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row[] = {&rows[jpeg.next_scanline * static_cast<std::size_t>(width * channels)]};
    jpeg_write_scanlines(&jpeg, row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  std::fclose(file);
}

}  // namespace

TEST_CASE("JPEG: grey and colours, close to what was written") {
  const TempFolder folder;
  const std::string path = folder.path("a.jpg");
  std::vector<unsigned char> grey;
  for (int i = 0; i < 16 * 8; ++i)
    grey.push_back(static_cast<unsigned char>(i));
  put_jpeg(path, 16, 8, 1, grey);
  const Picture read = read_picture(path);
  CHECK(read.channels == 1);
  CHECK(read.width == 16);
  CHECK(read.height == 8);
  CHECK(read.orientation == 1);
  for (std::size_t i = 0; i < grey.size(); ++i)
    CHECK(std::fabs(read.values[i] * 255.0f - static_cast<float>(grey[i])) < 3);
  std::vector<unsigned char> red;
  for (int i = 0; i < 64; ++i)
    red.insert(red.end(), {200, 30, 90});
  put_jpeg(path, 8, 8, 3, red);
  const Picture colours = read_picture(path);
  REQUIRE(colours.channels == 3);
  for (std::size_t i = 0; i < 192; ++i)
    CHECK(std::fabs(colours.values[i] * 255.0f - (i < 64 ? 200.0f : i < 128 ? 30.0f : 90.0f)) < 3);
}

TEST_CASE("JPEG: the EXIF orientation is told, the colours of print are refused") {
  const TempFolder folder;
  const std::string path = folder.path("a.jpg");
  put_jpeg(path, 8, 8, 1, std::vector<unsigned char>(64, 100), 6);
  CHECK(read_picture(path).orientation == 6);
  put_jpeg(path, 8, 8, 1, std::vector<unsigned char>(64, 100), 9);  // there are 8
  CHECK(read_picture(path).orientation == 1);
  put_jpeg(path, 8, 8, 4, std::vector<unsigned char>(256, 100), 0, JCS_CMYK);
  CHECK(message_of([&] { read_picture(path); }) ==
        path + ": has the colours of print (CMYK), expected grey or RGB");
}

TEST_CASE("JPEG: a damaged file is one line, wherever it ends") {
  const TempFolder folder;
  const std::string path = folder.path("a.jpg");
  std::vector<unsigned char> rows;
  for (int i = 0; i < 40 * 30 * 3; ++i)
    rows.push_back(static_cast<unsigned char>(i * 7));
  put_jpeg(path, 40, 30, 3, rows);
  std::string file;
  REQUIRE(read_file(path, file));
  for (std::size_t size = 3; size < file.size() - 2; size += 13) {
    write_file_atomically(path, file.substr(0, size));
    const std::string message = message_of([&] { read_picture(path); });
    CAPTURE(size);
    CHECK(message.find(path + ": is no valid JPEG: ") == 0);
    CHECK(message.find('\n') == std::string::npos);
  }
}
#else
TEST_CASE("JPEG: a build without libjpeg says so") {
  const TempFolder folder;
  const std::string path = folder.path("a.jpg");
  write_file_atomically(path, "\xff\xd8\xff");
  CHECK(message_of([&] { read_picture(path); }) ==
        path + ": is a JPEG, and this clconv was built without libjpeg");
}
#endif
