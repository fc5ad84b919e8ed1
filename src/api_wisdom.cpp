// Wisdom files of clconv.h.
#include "api_json.hpp"
#include "api_support.hpp"
#include "planner/wisdom_file.hpp"
#include "runtime/files.hpp"

using namespace clconv::core;
using namespace clconv::core::api;

namespace {

std::string existing_path(const char* path) {
  const std::string result = wisdom_path(text_of(path));
  if (result.empty()) {
    bad(text_of(path) == "off" || environment("CLCONV_WISDOM") == "off"
            ? "wisdom is off, there is no file"
            : "there is no place for the wisdom: HOME is not set; CLCONV_WISDOM names a file");
  }
  return result;
}

}  // namespace

clconv_status clconv_wisdom_path(char** path) {
  return guarded([&] {
    TextOut out(path, "path");
    out.put(wisdom_path(""));
  });
}

clconv_status clconv_wisdom_read(const char* path, char** json) {
  return guarded([&] {
    TextOut out(json, "json");
    const std::string file = existing_path(path);
    const WisdomBook book = read_wisdom(file).value_or(WisdomBook());
    const Json records = Json::parse(book.records_json());
    out.put(dump({{"path", file},
                  {"records", records},
                  {"other_records", book.size() - records.size()},
                  {"unreadable_lines", book.unreadable()}}));
  });
}

clconv_status clconv_wisdom_check(const char* path) {
  return guarded([&] { check_wisdom(existing_path(path)); });
}

clconv_status clconv_wisdom_export(const char* path, const char* to) {
  return guarded([&] {
    const std::string file = existing_path(path);
    required(to, "to");
    const auto book = read_wisdom(file);
    if (!book) throw Error(Code::kIo, "cannot read " + file + ": No such file or directory");
    write_file_atomically(to, book->write());
  });
}

clconv_status clconv_wisdom_import(const char* path, const char* from, int64_t* count) {
  return guarded([&] {
    const std::string file = existing_path(path);
    std::string text;
    if (!read_file(&required(from, "from"), text)) {
      throw Error(Code::kIo, "cannot read " + std::string(from) + ": No such file or directory");
    }
    WisdomBook imported;
    std::vector<int> bad_lines;
    if (text.compare(0, 6, "SQLite") == 0) {
      imported = read_wisdom(from).value_or(WisdomBook());
    } else {
      bad_lines = imported.read(text);
    }
    if (!bad_lines.empty()) {
      bad("wisdom file " + std::string(from) + ": line " + std::to_string(bad_lines.front()) +
          " cannot be read, nothing was imported");
    }
    import_wisdom(file, imported);
    if (count != nullptr) *count = static_cast<int64_t>(imported.size());
  });
}

clconv_status clconv_wisdom_forget(const char* path, const char* problem, const char* device,
                                   int64_t* count) {
  return guarded([&] {
    const std::string file = existing_path(path);
    const std::string text =
        problem != nullptr && *problem != '\0' ? to_text(parse_problem(problem)) : "";
    const std::size_t forgotten = forget_wisdom(file, text, text_of(device));
    if (count != nullptr) *count = static_cast<int64_t>(forgotten);
  });
}

clconv_status clconv_wisdom_forget_unreadable(const char* path, int64_t* count) {
  return guarded([&] {
    const std::size_t forgotten = forget_unreadable_wisdom(existing_path(path));
    if (count != nullptr) *count = static_cast<int64_t>(forgotten);
  });
}
