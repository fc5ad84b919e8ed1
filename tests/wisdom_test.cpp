// Wisdom: the book, the file, and what happens when several processes write it or it is broken.
#include "planner/wisdom.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/errors.hpp"
#include "support/temp.hpp"
#include "support/wisdom.hpp"

using namespace clconv::core;
using namespace clconv::test;

TEST_CASE("a book reads back what it wrote: times, failures, trust, speeds") {
  WisdomBook book = book_of(record(kA, 12.5));
  WisdomRecord failed = record(kB, 1);
  failed.candidates[0].measured.reset();
  failed.candidates[0].status = Status::kFailedBuild;
  failed.candidates[0].text = "line \"3\"\nbroke";
  book.put(failed);
  book.put(TrustRecord{"alpha", "v=1", "forward dense", kScope, false, "wrong"});
  book.put(SpeedRecord{kScope, 500, 40, 3});
  WisdomBook again;
  CHECK(again.read(book.write()).empty());
  CHECK(again.write() == book.write());
  const WisdomRecord* a = again.find(parse_problem(kA), kScope);
  REQUIRE(a != nullptr);
  CHECK(a->candidates[0].measured->median_us == 12.5);
  CHECK(a->candidates[0].measured->from_wisdom);
  CHECK(again.find(parse_problem(kB), kScope)->candidates[0].text == "line \"3\"\nbroke");
  CHECK_FALSE(again.find_trust("alpha", "v=1", "forward dense", kScope)->trusted);
  CHECK(again.find_speed(kScope)->peak_gflops == 500);
}

TEST_CASE(
    "the key has problem, storage, device and driver, the epilogue and kernels are no part of it") {
  const WisdomBook book = book_of(record(kA, 1));
  Problem p = parse_problem(kA);
  p.bias = true;
  p.activation = Activation::kRelu;
  CHECK(book.find(p, kScope) != nullptr);
  CHECK(book.find(parse_problem(kB), kScope) == nullptr);
  Problem half = p;
  half.data_type = DataType::kFloat16;
  CHECK(book.find(half, kScope) == nullptr);
  CHECK(book.find_hint(half, kScope) == nullptr);
  WisdomRecord stored = record(kA, 3);
  stored.storage = storage_words(half);
  WisdomBook again;
  again.read(book_of(stored).write());
  CHECK(again.find(half, kScope) != nullptr);
  CHECK(again.find(p, kScope) == nullptr);
  for (const WisdomScope& other : {WisdomScope{"other", "1.0", "abc", "2 units"},
                                   WisdomScope{kScope.device, "2.0", "abc", "2 units"},
                                   WisdomScope{kScope.device, "1.0", "abc", "1 units"}}) {
    CHECK(book.find(p, other) == nullptr);
  }
  CHECK(book.find_hint(p, {kScope.device, "2.0", "def", "1 units"}) != nullptr);
  CHECK(book.find_hint(p, {"other", "1.0", "abc", "2 units"}) == nullptr);
  CHECK(book.find(p, {kScope.device, "1.0", "def", "2 units"}) != nullptr);
}

TEST_CASE("what was measured while float16 products were allowed is a record of its own") {
  const Problem p = parse_problem(kA);
  WisdomScope with_half = kScope;
  with_half.math = "f16";
  WisdomRecord asked = record(kA, 3);
  asked.scope.math = "f16";
  WisdomBook book;
  book.read(book_of(asked).write());
  REQUIRE(book.find(p, with_half) != nullptr);
  CHECK(book.find(p, with_half)->scope.math == "f16");
  CHECK(book.find(p, kScope) == nullptr);
  CHECK(book.find_hint(p, kScope) == nullptr);
  book.put(record(kA, 1));
  CHECK(book.size() == 2);
  CHECK(book.find(p, kScope)->scope.math.empty());
  CHECK(book_of(record(kA, 1)).write().find("math") == std::string::npos);
}

TEST_CASE("each candidate has the hash of its kernels, lines of earlier versions one for all") {
  WisdomRecord r = record(kA, 1);
  r.candidates[0].kernels = "123";
  WisdomBook again;
  again.read(book_of(r).write());
  CHECK(again.find(parse_problem(kA), kScope)->candidates[0].kernels == "123");
  std::string line = book_of(record(kA, 1)).write();
  const std::string own = R"("kernels":"abc",)";
  line.replace(line.find(own), own.size(), "");
  line.replace(line.find(R"("rigor")"), 0, R"("kernels":"old",)");
  WisdomBook earlier;
  CHECK(earlier.read(line).empty());
  CHECK(earlier.find(parse_problem(kA), kScope)->candidates[0].kernels == "old");
}

TEST_CASE("newer replaces older candidate by candidate") {
  WisdomBook book = book_of(record(kA, 10));
  book.put(record(kA, 20, "beta"));
  book.put(record(kA, 5));
  const WisdomRecord* r = book.find(parse_problem(kA), kScope);
  REQUIRE(r->candidates.size() == 2);
  CHECK(r->candidates[0].measured->median_us == 5);
  CHECK(r->candidates[1].measured->median_us == 20);
  // Of other kernels (another version of the library that shares the file): both stay.
  WisdomRecord other = record(kA, 7);
  other.candidates[0].kernels = "def";
  book.put(other);
  r = book.find(parse_problem(kA), kScope);
  REQUIRE(r->candidates.size() == 3);
  CHECK(r->candidates[0].measured->median_us == 5);
}

TEST_CASE("the best of a record is the planner's: within a tie the model's favourite") {
  WisdomRecord r = record(kA, 100, "fastest");
  r.candidates[0].predicted_us = 90;
  r.candidates.push_back(record(kA, 102, "favourite").candidates[0]);
  r.candidates[1].predicted_us = 60;
  r.candidates.push_back(record(kA, 200, "slow").candidates[0]);
  WisdomBook book;
  book.read(book_of(r).write());
  CHECK(book.records_json().find(R"("best":{"strategy":"favourite","config":"v=1"})") !=
        std::string::npos);
  r.candidates[1].measured->median_us = 104;
  CHECK(book_of(r).records_json().find(R"("best":{"strategy":"fastest","config":"v=1"})") !=
        std::string::npos);
  r.candidates.resize(1);
  r.candidates[0].measured.reset();
  r.candidates[0].status = Status::kFailedRun;
  CHECK(book_of(r).records_json().find("\"best\":null") != std::string::npos);
}

TEST_CASE("what earlier versions did not write is not missed") {
  WisdomRecord r = record(kA, 12.5);
  r.candidates[0].setup_us = 77;
  std::string text = book_of(r).write();
  const auto from = text.find(",\"predicted_us\"");
  REQUIRE(from != std::string::npos);
  text.erase(from, text.find('}', from) - from);
  WisdomBook book;
  CHECK(book.read(text).empty());
  CHECK(book.find(parse_problem(kA), kScope)->candidates[0].setup_us == 77);
}

TEST_CASE("lines that cannot be read are counted, kept, and removed only when asked") {
  const std::string good = book_of(record(kA, 1)).write();
  WisdomBook book;
  const std::vector<int> bad =
      book.read("{ broken\n" + good + "\n{\"clconv_wisdom\":99,\"kind\":\"plan\"}\n" +
                "{\"clconv_wisdom\":1,\"kind\":\"plan\",\"problem\":\"n0\"}\n[1,2]\n\xff\xfe\n");
  CHECK(bad == std::vector<int>{1, 4, 5, 6, 7});
  CHECK(book.size() == 1);
  CHECK(book.write().find("{ broken") != std::string::npos);
  CHECK(book.forget_unreadable() == 5);
  CHECK(book.write() == good);
}

TEST_CASE("negative, zero and missing times are not believed") {
  const std::string good = book_of(record(kA, 12.5)).write();
  for (const char* value : {"-12.5", "0", "\"x\"", "null"}) {
    std::string text = good;
    text.replace(text.find("12.5"), 4, value);
    WisdomBook book;
    CAPTURE(value);
    CHECK(book.read(text) == std::vector<int>{1});
  }
}

TEST_CASE("forget by problem and by device") {
  WisdomBook book = book_of(record(kA, 1));
  book.put(record(kB, 1));
  book.put(SpeedRecord{kScope, 1, 1, 1});
  CHECK(book.forget(kA, "nowhere") == 0);
  CHECK(book.forget(kA, "") == 1);
  CHECK(book.find(parse_problem(kA), kScope) == nullptr);
  CHECK(book.forget("", "device") == 2);
  CHECK(book.size() == 0);
}

TEST_CASE("a failed write leaves the old file and no temp file") {
  const TempFolder folder;
  const std::string path = folder.path("file");
  write_file_atomically(path, "old");
  make_directories(folder.path("target/child"));
  CHECK(error_of(Code::kIo, [&] {
          write_file_atomically(folder.path("target"), "new");
        }).find("cannot write " + folder.path("target")) == 0);
  CHECK(folder.files() == std::vector<std::string>{"file", "target"});
  CHECK(error_of(Code::kIo, [] {
          write_file_atomically("/dev/full/x", "new");
        }).find("/dev/full") != std::string::npos);
  CHECK(error_of(Code::kIo, [] { write_file_atomically("/dev/full", "new"); }) ==
        "cannot write /dev/full: No space left on device");
}

TEST_CASE("files keep their mode, new ones follow the umask, links stay links") {
  const TempFolder folder;
  const auto mode = [](const std::string& path) {
    struct stat known {};
    REQUIRE(::stat(path.c_str(), &known) == 0);
    return known.st_mode & 07777;
  };
  const mode_t before = ::umask(002);
  write_file_atomically(folder.path("new"), "1");
  ::umask(before);
  CHECK(mode(folder.path("new")) == 0664);
  ::chmod(folder.path("new").c_str(), 0640);
  write_file_atomically(folder.path("new"), "2");
  CHECK(mode(folder.path("new")) == 0640);
  make_directories(folder.path("store"));
  REQUIRE(::symlink("store/target", folder.path("link").c_str()) ==
          0);  // of a file that is not there yet
  write_file_atomically(folder.path("link"), "3");
  write_file_atomically(folder.path("link"), "4");
  CHECK(std::filesystem::is_symlink(folder.path("link")));
  std::string text;
  CHECK(read_file(folder.path("store/target"), text));
  CHECK(text == "4");
  REQUIRE(::symlink("loop", folder.path("loop").c_str()) == 0);
  CHECK(error_of(Code::kIo, [&] { write_file_atomically(folder.path("loop"), "x"); }) ==
        "cannot resolve " + folder.path("loop") + ": Too many levels of symbolic links");
}

TEST_CASE("only what does not exist is absent: what cannot be read is an error") {
  const TempFolder folder;
  std::string text = "old";
  CHECK_FALSE(read_file(folder.path("nothing"), text));
  CHECK_FALSE(read_file(folder.path("no/folder/either"), text));
  CHECK(text == "old");
  CHECK(error_of(Code::kIo, [&] { read_file(folder.root(), text); }) ==
        "cannot read " + folder.root() + ": Is a directory");
}
