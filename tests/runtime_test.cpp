// The runtime on a device: profiles, program cache, launches, scratch memory.
#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

#include "doctest/doctest.h"
#include "ops/pack.hpp"
#include "runtime/launch.hpp"
#include "runtime/probe.hpp"
#include "support/device.hpp"
#include "support/errors.hpp"
#include "support/queues.hpp"
#include "support/reference.hpp"
#include "support/temp.hpp"

using namespace clconv::core;
using namespace clconv::test;
namespace fs = std::filesystem;

namespace {

const char* const kOptions = "-DBIAS=0 -DRELU=0";

ProgramCache cache_in(const std::string& directory, std::int64_t max_bytes = 0,
                      const std::string& device_key = "key") {
  return ProgramCache(device().context(), device().cl(), device_key,
                      cache_options(directory, max_bytes));
}

std::vector<std::string> entries(const TempFolder& folder) {
  std::vector<std::string> result;
  for (const std::string& name : folder.files()) {
    if (fs::path(name).extension() == ".clbin") result.push_back(folder.path(name));
  }
  return result;
}

std::string content(const std::string& path) {
  std::string text;
  REQUIRE(read_file(path, text));
  return text;
}

// One plane of 64 x 64, nothing padded.
const PaddedPlanes kPlane = {1, 64, 64, 0, 0, 64, 64};

// A sequence of `steps` copies of 4096 floats, slot 0 -> 1 -> 0 -> ...; odd `steps` end in slot 1.
Sequence copies(int steps) {
  Sequence sequence;
  for (int i = 0; i < steps; ++i) {
    sequence.add(pad_planes(device(), kPlane, Region{i % 2}, Mask{}, Region{1 - i % 2}));
  }
  return sequence;
}

}  // namespace

TEST_CASE("a profile survives JSON, and a broken one is refused with the field") {
  const DeviceProfile profile = device().profile();
  const std::string json = to_json(profile);
  CHECK(to_json(profile_from_json(json)) == json);
  const auto broken = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), from.size(), to);
    return error_of(Code::kInvalidArgument, [&] { profile_from_json(text); });
  };
  CHECK(broken("\"family\"", "\"familie\"") == "device profile: field 'family' is missing");
  CHECK(broken("\"family\": \"", "\"family\": \"x").find("expected cpu or gpu") !=
        std::string::npos);
  CHECK(broken("\"compute_units\": ", "\"compute_units\": -") ==
        "device profile: field 'compute_units' is not a non-negative integer");
  CHECK(error_of(Code::kInvalidArgument, [] { profile_from_json("[1"); }) ==
        "device profile: not a JSON object");
}

TEST_CASE(
    "devices: one default, found by index and by part of its name, others are refused with what "
    "there is") {
  const auto list = list_devices();
  REQUIRE_FALSE(list.empty());
  int defaults = 0;
  for (const DeviceEntry& entry : list)
    defaults += entry.is_default ? 1 : 0;
  CHECK(defaults == 1);
  CHECK(select_device(list.front().index)() == list.front().device());
  const std::string name = query_profile(list.front().device).name;
  CHECK_NOTHROW(select_device(name.substr(0, name.size() / 2)));
  CHECK(error_of(Code::kNoDevice, [] {
          select_device("7:9");
        }).find("no device matches '7:9'; there is 0:0") == 0);
}

TEST_CASE(
    "a program is its parts in the order named, each once and behind its own, then its file") {
  std::map<std::string, std::string> files = {
      {"strategy/body", "// parts: vectors activation storage\nbody\n"},
      {"plain", "// What has no parts.\n"},
      {"lost", "// parts: vectors missing\n"},
      {"parts/vectors", "// parts: storage\nvectors\n"},
      {"parts/storage", "storage\n"},
      {"parts/activation", "activation\n"},
      {"parts/unused", "unused\n"},
  };
  const KernelSources sources = [&](const std::string& name) -> const char* {
    const auto found = files.find(name);
    return found == files.end() ? nullptr : found->second.c_str();
  };
  const std::string program = program_source("strategy/body", sources);
  CHECK(program ==
        "#line 1 \"kernels/parts/storage.cl\"\nstorage\n\n"
        "#line 1 \"kernels/parts/vectors.cl\"\n// parts: storage\nvectors\n\n"
        "#line 1 \"kernels/parts/activation.cl\"\nactivation\n\n"
        "#line 1 \"kernels/strategy/body.cl\"\n// parts: vectors activation storage\nbody\n\n");
  CHECK(program_source("plain", sources) ==
        "#line 1 \"kernels/plain.cl\"\n// What has no parts.\n\n");
  CHECK(error_of(Code::kInternal, [&] { program_source("lost", sources); }) ==
        "kernels/lost.cl uses the part 'missing', but there is no kernels/parts/missing.cl");
  CHECK(error_of(Code::kInternal, [&] { program_source("nowhere", sources); }) ==
        "no kernel source named 'nowhere' is embedded");

  files["parts/unused"] = files["plain"] = "changed\n";
  CHECK(program_source("strategy/body", sources) == program);
  files["parts/storage"] = "changed\n";  // used by a part only
  CHECK(program_source("strategy/body", sources) != program);
}

TEST_CASE("the hash of a program is that of all it consists of") {
  CHECK(program_hash("naive") == fnv1a(program_source("naive")));
  CHECK(program_hash("naive") != program_hash("probe"));
}

TEST_CASE(
    "a program is built once, then read from disk, under a key with options, device and source") {
  const TempFolder folder;
  {
    ProgramCache cache = cache_in(folder.path("made/by/us"));
    cache.get("naive", kOptions);
    cache.get("naive", kOptions);
    CHECK(cache.stats().built == 1);
    CHECK(cache.stats().from_memory == 1);
    CHECK(cache.stats().last_disk_failure.empty());
  }
  ProgramCache second = cache_in(folder.path("made/by/us"));
  const cl::Kernel kernel(second.get("naive", kOptions), "naive_forward");
  CHECK(second.stats().built == 0);
  CHECK(second.stats().from_disk == 1);
  second.get("naive", "-DBIAS=0 -DRELU=1");
  CHECK(second.stats().built == 1);
  ProgramCache other_driver = cache_in(folder.path("made/by/us"), 0, "other key");
  other_driver.get("naive", kOptions);
  CHECK(other_driver.stats().built == 1);
}

TEST_CASE("a truncated, corrupt, foreign or empty entry is rebuilt and replaced, never an error") {
  const TempFolder folder;
  cache_in(folder.root()).get("naive", kOptions);
  REQUIRE(entries(folder).size() == 1);
  const std::string path = entries(folder)[0];
  const std::string good = content(path);
  std::string flipped = good;
  flipped[good.size() - 10] = static_cast<char>(flipped[good.size() - 10] ^ 1);
  std::string foreign = good;
  foreign.replace(foreign.find("key"), 3, "kex");
  for (const std::string& bad :
       {good.substr(0, good.size() / 2), flipped, foreign, std::string(), std::string("junk")}) {
    write_file_atomically(path, bad);
    ProgramCache cache = cache_in(folder.root());
    cache.get("naive", kOptions);
    CHECK(cache.stats().built == 1);
    CHECK(cache.stats().from_disk == 0);
    CHECK(content(path).size() == good.size());
  }
}

TEST_CASE("beyond its size the cache drops what was used longest ago, and old temp files") {
  const TempFolder folder;
  cache_in(folder.root()).get("naive", kOptions);
  REQUIRE(entries(folder).size() == 1);
  const std::string oldest = entries(folder)[0];
  const auto size = static_cast<std::int64_t>(fs::file_size(oldest));
  fs::last_write_time(oldest, fs::file_time_type::clock::now() - std::chrono::hours(5));
  const std::string litter = oldest + ".tmp.1.1";
  write_file_atomically(litter, "x");
  fs::last_write_time(litter, fs::file_time_type::clock::now() - std::chrono::hours(5));
  ProgramCache cache = cache_in(folder.root(), size * 3 / 2);
  cache.get("naive", "-DBIAS=0 -DRELU=1");
  CHECK(cache.stats().evicted == 1);
  CHECK(entries(folder).size() == 1);
  CHECK_FALSE(fs::exists(oldest));
  CHECK_FALSE(fs::exists(litter));
  // Being used counts: the survivor is read, aged less, and stays.
  ProgramCache again = cache_in(folder.root(), size * 3 / 2);
  again.get("naive", "-DBIAS=0 -DRELU=1");
  CHECK(again.stats().from_disk == 1);
}

TEST_CASE("a cache folder that cannot be written costs nothing but the cache") {
  ProgramCache cache = cache_in("/proc/nowhere");  // read-only also for root
  CHECK_NOTHROW(cache.get("naive", kOptions));
  CHECK(cache.stats().built == 1);
  CHECK(cache.stats().last_disk_failure.find("/proc/nowhere") != std::string::npos);
  ProgramCache off = cache_in("off");
  off.get("naive", kOptions);
  CHECK(off.stats().last_disk_failure.empty());
}

TEST_CASE("a driver with its own cache gets no second one unless a folder is named") {
  CacheOptions by_default;
  by_default.directory = "/somewhere";
  CHECK(effective(by_default, true).directory.empty());
  CHECK(effective(by_default, false).directory == "/somewhere");
  by_default.explicit_directory = true;
  CHECK(effective(by_default, true).directory == "/somewhere");
}

TEST_CASE("a build failure names file, line and options, and carries the log, the next try works") {
  ProgramCache cache = cache_in("off");
  try {
    cache.get("probe", "-DVW=5 -DCHAINS=2");
    FAIL("float5 compiled");
  } catch (const Error& error) {
    const std::string text = error.what();
    CHECK(error.code() == Code::kBuildFailed);
    CHECK(text.find("kernels/probe.cl") != std::string::npos);
    CHECK(text.find("'-DVW=5 -DCHAINS=2'") != std::string::npos);
    CHECK(text.find("error") != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
    CHECK(error.detail().find("float5") != std::string::npos);
  }
  CHECK_NOTHROW(cache.get("probe", "-DVW=4 -DCHAINS=2"));
  CHECK(error_of(Code::kInternal, [&] { cache.get("missing", ""); }) ==
        "no kernel source named 'missing' is embedded");
}

TEST_CASE("PoCL compiles without its declarations, but with them what needs them") {
  if (device().profile().platform != "Portable Computing Language") return;
  ProgramCache cache = cache_in("off");
  const auto without = [](const cl::Program& program) {
    const auto options = program.getBuildInfo<CL_PROGRAM_BUILD_OPTIONS>(device().cl());
    return options.find("-D_OPENCL_H_") != std::string::npos;
  };
  CHECK(without(cache.get("naive", kOptions)));
  CHECK(without(cache.get("net/softmax", "-DVW=4 -DLOG=1")));
  CHECK(without(cache.get("ops/pack", "-DVW=16 -DMASK=1 -DSTORAGE_FLOAT16")));
  const std::string text =
      "// parts:\nkernel void own(global float* x) { x[0] = hypot(x[0], x[1]); }\n";
  const cl::Program program = cache.get_generated(text, "");
  CHECK_FALSE(without(program));
  CHECK_NOTHROW(cl::Kernel(program, "own"));
}

TEST_CASE("threads that ask for one program wait for one build") {
  ProgramCache cache = cache_in("off");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] { cache.get("naive", "-DBIAS=1 -DRELU=1"); });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(cache.stats().built == 1);
  CHECK(cache.stats().from_memory == 7);
}

TEST_CASE(
    "a sequence waits for its wait list, chains its steps on any queue, and gives one event") {
  const auto values = random_floats(4096, 3);
  for (const cl_command_queue_properties properties : queue_kinds(device().cl())) {
    cl::CommandQueue q = device().make_queue(properties);
    GuardedBuffer a(values, DataType::kFloat32, q), b(4096 * 4, q);
    Bindings bindings;
    bindings.bind(0, a.get());
    bindings.bind(1, b.get());
    const Sequence sequence = copies(5);
    cl::UserEvent gate(device().context());
    const cl_event wait = gate();
    cl_event done = nullptr;
    sequence.enqueue(q(), bindings, {1, &wait, &done});
    cl::Event event(done);
    q.flush();
    CHECK(event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() != CL_COMPLETE);
    gate.setStatus(CL_COMPLETE);
    event.wait();
    CHECK(b.read() == values);
    CHECK(sequence.profile(device().make_queue(CL_QUEUE_PROFILING_ENABLE)(), bindings).size() == 5);
  }
}

TEST_CASE("a kernel's arguments are compared with its parameters by name, type and number") {
  const cl::Program program(device().context(),
                            "kernel void scale(global float* x, int step, long n) {"
                            "  if (get_global_id(0) < n) x[get_global_id(0) * step] *= 2; }");
  program.build({device().cl()}, "-cl-kernel-arg-info");
  const auto make = [&](const std::vector<Argument>& arguments) {
    KernelStep("scale", cl::Kernel(program, "scale"), arguments, Range{});
  };
  const Argument x{"x", Region{0}}, n{"n", cl_long{1}};
  // `step` is a built-in function, too.
  CHECK_NOTHROW(make({x, {"step", cl_int{1}}, n}));
  CHECK(error_of(Code::kInternal, [&] {
          make({x, n});
        }) == "kernel scale: 2 arguments for 3 parameters");
  try {
    cl::Kernel(program, "scale").getArgInfo<CL_KERNEL_ARG_NAME>(0);
  } catch (const cl::Error&) {
    MESSAGE("skipped: the device keeps no names of parameters");
    return;
  }
  CHECK(error_of(Code::kInternal, [&] {
          make({x, {"stride", cl_int{1}}, n});
        }) == "kernel scale: parameter 1 is 'int step', the argument 'int stride'");
  CHECK(error_of(Code::kInternal, [&] {
          make({x, {"step", cl_long{1}}, n});
        }) == "kernel scale: parameter 1 is 'int step', the argument 'long step'");
}

TEST_CASE("an empty sequence still gives an event behind the wait list") {
  cl::UserEvent gate(device().context());
  const cl_event wait = gate();
  cl_event done = nullptr;
  Bindings bindings;
  Sequence().enqueue(queue()(), bindings, {1, &wait, &done});
  cl::Event event(done);
  queue().flush();
  CHECK(event.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() != CL_COMPLETE);
  gate.setStatus(CL_COMPLETE);
  CHECK_NOTHROW(event.wait());
}

TEST_CASE("an empty sequence keeps its wait list where nobody asks for the event") {
  cl::CommandQueue q = device().make_queue();
  cl::UserEvent gate(device().context());
  const cl_event wait = gate();
  Bindings bindings;
  Sequence().enqueue(q(), bindings, {1, &wait, nullptr});
  cl::Event behind;
  q.enqueueMarkerWithWaitList(nullptr, &behind);
  q.flush();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // else it is just not done yet
  CHECK(behind.getInfo<CL_EVENT_COMMAND_EXECUTION_STATUS>() != CL_COMPLETE);
  gate.setStatus(CL_COMPLETE);
  CHECK_NOTHROW(behind.wait());
}

TEST_CASE("regions inside a buffer and inside a sub-buffer of the caller") {
  const std::int64_t align = device().profile().base_alignment_bytes;
  const auto values = random_floats(4096, 4);
  GuardedBuffer whole(align + 3 * 16384);
  const cl::Buffer part = sub_buffer(whole.get(), align, 2 * 16384);
  GuardedBuffer source(values);
  Bindings bindings;
  bindings.bind(0, source.get());
  bindings.bind(1, part());
  Sequence sequence;
  sequence.add(pad_planes(device(), kPlane, Region{0}, Mask{}, Region{1, 16384, 16384}));
  sequence.enqueue(queue()(), bindings, {});
  const auto all = whole.read();
  const auto from = static_cast<std::size_t>((align + 16384) / 4);
  CHECK(std::equal(values.begin(), values.end(), all.begin() + static_cast<std::ptrdiff_t>(from)));
  CHECK(std::isnan(all[from - 1]));
  CHECK(std::isnan(all[from + 4096]));
}

TEST_CASE("a slot that is a region of another slot, and parts that stay with a scratch buffer") {
  const std::int64_t align = device().profile().base_alignment_bytes;
  ScratchPool pool(device().context(), device().profile().max_allocation_bytes);
  cl::CommandQueue q = device().make_queue();
  const auto origin = [](cl_mem part) {
    return static_cast<std::int64_t>(cl::Buffer(part, true).getInfo<CL_MEM_OFFSET>());
  };
  const auto use = [&](std::int64_t offset) {
    auto lease = pool.borrow(16 * align, q(), true);
    Bindings bindings;
    bindings.bind(0, lease.buffer(), lease.parts());
    CHECK(bindings.resolve(Region{0}) == lease.buffer());
    bindings.bind(1, Region{0, 2 * align, 8 * align});
    CHECK(origin(bindings.resolve(Region{1})) == 2 * align);
    const cl_mem part = bindings.resolve(Region{1, offset, align});
    CHECK(origin(part) == 2 * align + offset);
    lease.enqueued(nullptr);
    return part;
  };
  const cl_mem first = use(align);
  CHECK(use(3 * align) != first);
  CHECK(use(align) == first);  // not made again
  const auto kept = [&] { return pool.borrow(16 * align, q(), true).parts().size(); };
  for (std::int64_t i = 0; i < 200; ++i) {
    auto lease = pool.borrow(16 * align, q(), true);
    CHECK(lease.parts().size() < 100);
    lease.parts().get(lease.buffer(), align, 4 + 4 * (i % 150));
    lease.enqueued(nullptr);
  }
  CHECK(kept() < 100);
}

TEST_CASE(
    "scratch: one buffer serves an in-order queue, other queues get their own, growth replaces") {
  ScratchPool pool(device().context(), device().profile().max_allocation_bytes);
  cl::CommandQueue first = device().make_queue();
  cl::UserEvent gate(device().context());
  std::vector<cl::Event> wait = {gate};
  cl::Event pending;
  first.enqueueMarkerWithWaitList(&wait, &pending);
  cl_mem used = nullptr;
  {
    auto lease = pool.borrow(1000, first(), true);
    used = lease.buffer();
    auto other = pool.borrow(1000, first(), true);  // lent out: another thread's
    CHECK(other.buffer() != used);
    lease.enqueued(pending());
  }  // `other` was never enqueued: dropped
  CHECK(pool.allocated_bytes() == 1000);
  auto again = pool.borrow(900, first(), true);
  CHECK(again.buffer() == used);  // ordered by the queue, although still running
  CHECK(again.wait_for() == nullptr);
  again.enqueued(pending());
  cl::CommandQueue second = device().make_queue();
  auto elsewhere = pool.borrow(900, second(), true);
  CHECK(elsewhere.buffer() != used);  // still running on the first queue
  elsewhere.enqueued(pending());
  gate.setStatus(CL_COMPLETE);
  first.finish();
  auto large = pool.borrow(5000, first(), true);
  large.enqueued(pending());
  CHECK(pool.allocated_bytes() == 5000);  // the small ones made room
}

TEST_CASE("scratch holds a queue while its address counts, and no longer than its work") {
  ScratchPool pool(device().context(), device().profile().max_allocation_bytes);
  const auto references = [](const cl::CommandQueue& q) {
    return q.getInfo<CL_QUEUE_REFERENCE_COUNT>();
  };
  const cl::CommandQueue first = device().make_queue(), second = device().make_queue(),
                         third = device().make_queue();
  const cl_uint before = references(first);
  cl::UserEvent gate(device().context());
  auto lease = pool.borrow(1000, first(), true);
  auto other = pool.borrow(1000, second(), true);
  lease.enqueued(gate());
  other.enqueued(gate());
  pool.borrow(1000, third(), true).enqueued(gate());
  CHECK(references(first) == before + 1);
  CHECK(references(second) == before + 1);
  gate.setStatus(CL_COMPLETE);
  pool.borrow(1000, third(), true).enqueued(nullptr);
  CHECK(references(first) == before);
  CHECK(references(second) == before);
  CHECK(references(third) > before);
  pool.trim();
  CHECK(references(third) == before);
}

TEST_CASE(
    "scratch on an out-of-order queue: beyond a few, executions wait for each other on the "
    "device") {
  if (skips_out_of_order(device().cl())) return;
  ScratchPool pool(device().context(), device().profile().max_allocation_bytes);
  cl::CommandQueue q = device().make_queue(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  cl::UserEvent gate(device().context());
  for (int i = 0; i < 20; ++i) {
    auto lease = pool.borrow(1000, q(), false);
    if (i >= 4) CHECK(lease.wait_for() == gate());
    lease.enqueued(gate());
  }
  CHECK(pool.allocated_bytes() == 4000);
  gate.setStatus(CL_COMPLETE);
}

TEST_CASE("an allocation that fails says what for, how much, and the limit") {
  const std::string text = error_of(Code::kOutOfMemory, [] {
    allocate(device().context(), 5000000000000, device().profile().max_allocation_bytes,
             "workspace");
  });
  CHECK(text.find("device allocation of 5000000000000 bytes (workspace) failed: ") == 0);
  CHECK(error_of(Code::kOutOfMemory, [] {
          allocate(device().context(), std::int64_t{1} << 46, INT64_MAX, "workspace");
        }).find("CL_") != std::string::npos);
}

// Wide enough for llvmpipe on a core that others use: 0.05 GFLOP/s and 0.26 GB/s were seen.
TEST_CASE("the probe finds plausible speeds") {
  const Speeds speeds = probe(device());
  CHECK(speeds.peak_gflops > 1e-3);
  CHECK(speeds.peak_gflops < 1e6);
  CHECK(speeds.bandwidth_gbs > 1e-3);
  CHECK(speeds.bandwidth_gbs < 1e5);
  CHECK(speeds.launch_us > 0);
  CHECK(speeds.launch_us < 1e6);
}
