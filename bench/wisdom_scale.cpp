// What a large wisdom file costs: making a context on it, and keeping one more record.
//
//     build/bench/wisdom_scale [RECORDS]        (50000)
#include <algorithm>
#include <chrono>
#include <clconv/clconv.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

// Ten candidates a record, about what `tune` leaves: 2 KB.
std::string line(long number) {
  std::string text =
      R"({"clconv_wisdom":1,"kind":"plan","problem":"n1c64h)" + std::to_string(number % 499 + 8) +
      "w" + std::to_string(number / 499 + 8) +
      R"(k64kh3kw3","direction":"forward","device":"platform / device","driver":"1.0","kernels":"abc",)"
      R"("machine":"2 units","rigor":"measure","candidates":[)";
  for (int i = 0; i < 10; ++i) {
    text +=
        std::string(i > 0 ? "," : "") + R"({"strategy":"implicit_gemm","config":"kv=)" +
        std::to_string(i) +
        R"(,th=1,tw=14,vw=16","status":"applicable","median_us":212.5,"min_us":201.25,"p90_us":240.125,)"
        R"("runs":35,"setup_us":51234.5,"predicted_us":199.75,"bytes":147456,"deterministic":true})";
  }
  return text + "]}\n";
}

template <class Work>
double median_ms(int times, Work&& work) {
  std::vector<double> taken;
  for (int i = 0; i < times; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work(i);
    taken.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  std::sort(taken.begin(), taken.end());
  return taken[taken.size() / 2];
}

void run(long records, const std::string& folder) {
  const std::string many = folder + "/many.jsonl", one = folder + "/one.jsonl",
                    file = folder + "/w.sqlite";
  {
    std::ofstream out(many);
    for (long i = 0; i < records; ++i)
      out << line(i);
  }
  const double import_ms = median_ms(1, [&](int) { clconv::wisdom_import(file, many); });
  clconv::ContextOptions options;
  options.wisdom_path = file.c_str();
  const clconv::Context warm("", options);  // the driver starts here
  const double open_ms = median_ms(21, [&](int) { const clconv::Context context("", options); });
  const double keep_ms = median_ms(21, [&](int i) {
    std::ofstream(one) << line(records + i);
    clconv::wisdom_import(file, one);
  });
  std::printf(
      "%ld records, %.1f MB: import %.0f ms, making a context %.2f ms, keeping one record %.2f "
      "ms\n",
      records, static_cast<double>(std::filesystem::file_size(file)) * 1e-6, import_ms, open_ms,
      keep_ms);
}

}  // namespace

int main(int argc, char** argv) {
  const long records = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 50000;
  std::string folder = (std::filesystem::temp_directory_path() / "clconv-wisdom-XXXXXX").string();
  if (records < 1 || ::mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "usage: wisdom_scale [RECORDS]\n");
    return 2;
  }
  int status = 0;
  try {
    run(records, folder);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wisdom_scale: %s\n", error.what());
    status = 1;
  }
  std::filesystem::remove_all(folder);
  return status;
}
