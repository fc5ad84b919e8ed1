// Wisdom: the book, the file, and what happens when several processes write it or it is broken.
#include "planner/wisdom.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctest/doctest.h"
#include "runtime/files.hpp"
#include "support/errors.hpp"
#include "support/temp.hpp"

using namespace clconv::core;
using clconv::test::error_of;
using clconv::test::TempFolder;

namespace {

const WisdomScope kScope = {"platform / device", "1.0", "abc"};

WisdomRecord record(const std::string& problem, double us, const std::string& strategy = "alpha") {
  WisdomRecord r;
  r.problem = problem;
  r.direction = "forward";
  r.scope = kScope;
  WisdomCandidate c;
  c.strategy = strategy;
  c.config = "v=1";
  c.measured = Measured{us, us, us, 7, true};
  r.candidates.push_back(c);
  return r;
}

const char* const kA = "n1c8h8w8k8kh3kw3p1";
const char* const kB = "n2c8h8w8k8kh3kw3p1";

WisdomBook book_of(const WisdomRecord& r) {
  WisdomBook book;
  book.put(r);
  return book;
}

}  // namespace

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
    "the key has problem, storage, device, driver and kernels, the epilogue is no part of it") {
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
  for (const WisdomScope& other :
       {WisdomScope{"other", "1.0", "abc"}, WisdomScope{kScope.device, "2.0", "abc"},
        WisdomScope{kScope.device, "1.0", "def"}}) {
    CHECK(book.find(p, other) == nullptr);
  }
  CHECK(book.find_hint(p, {kScope.device, "2.0", "def"}) != nullptr);
  CHECK(book.find_hint(p, {"other", "1.0", "abc"}) == nullptr);
}

TEST_CASE("newer replaces older candidate by candidate") {
  WisdomBook book = book_of(record(kA, 10));
  book.put(record(kA, 20, "beta"));
  book.put(record(kA, 5));
  const WisdomRecord* r = book.find(parse_problem(kA), kScope);
  REQUIRE(r->candidates.size() == 2);
  CHECK(r->candidates[0].measured->median_us == 5);
  CHECK(r->candidates[1].measured->median_us == 20);
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

TEST_CASE("a file that is missing, a folder, or not writable never fails, the note says so") {
  const TempFolder folder;
  Wisdom missing(folder.path("deep/er/wisdom.jsonl"));
  CHECK(missing.notes().empty());
  missing.add(book_of(record(kA, 1)));
  CHECK(missing.notes().empty());  // the folders are made
  CHECK(Wisdom(missing.path()).ask([](const WisdomBook& b) { return b.size(); }) == 1);

  make_directories(folder.path("taken"));
  Wisdom taken(folder.path("taken"));
  taken.add(book_of(record(kA, 1)));
  REQUIRE(taken.notes().size() == 1);
  CHECK(taken.notes()[0].find("wisdom is not kept: ") == 0);
  CHECK(taken.notes()[0].find(folder.path("taken")) != std::string::npos);
  CHECK(taken.ask([](const WisdomBook& b) { return b.size(); }) == 1);  // kept in memory

  Wisdom nowhere("/proc/nowhere/wisdom.jsonl");  // read-only also for root
  nowhere.add(book_of(record(kA, 1)));
  CHECK(nowhere.notes().size() == 1);
  nowhere.add(book_of(record(kB, 1)));
  CHECK(nowhere.notes().size() == 1);  // said once
}

TEST_CASE("a corrupt line is noted with its number and survives a write by us") {
  const TempFolder folder;
  const std::string path = folder.path("wisdom.jsonl");
  write_file_atomically(path, book_of(record(kA, 1)).write() + "garbage\n");
  Wisdom wisdom(path);
  REQUIRE(wisdom.notes().size() == 1);
  CHECK(wisdom.notes()[0] == "wisdom " + path + ": line 2 cannot be read and is ignored");
  wisdom.add(book_of(record(kB, 1)));
  std::string text;
  REQUIRE(read_file(path, text));
  CHECK(text.find("garbage\n") != std::string::npos);
  WisdomBook book;
  book.read(text);
  CHECK(book.size() == 2);
}

TEST_CASE("many processes that write at once lose nothing") {
  const TempFolder folder;
  const std::string path = folder.path("wisdom.jsonl");
  constexpr int kProcesses = 6;
  constexpr int kEach = 8;
  for (int p = 0; p < kProcesses; ++p) {
    if (::fork() == 0) {
      Wisdom wisdom(path);
      for (int i = 0; i < kEach; ++i) {
        wisdom.add(book_of(record(
            "n1c1h" + std::to_string(10 + p) + "w" + std::to_string(10 + i) + "k1kh3kw3", 1)));
      }
      ::_exit(wisdom.notes().empty() ? 0 : 1);
    }
  }
  for (int p = 0; p < kProcesses; ++p) {
    int status = 0;
    ::wait(&status);
    CHECK(status == 0);
  }
  CHECK(Wisdom(path).ask([](const WisdomBook& b) { return b.size(); }) == kProcesses * kEach);
  CHECK(folder.files() ==
        std::vector<std::string>{"wisdom.jsonl", "wisdom.jsonl.lock"});  // no temp files
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
