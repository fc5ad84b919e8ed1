// What a held plan costs the host per execution, beyond OpenCL's own enqueue: clconv_plan_execute
// against a bare clEnqueueNDRangeKernel of the same kernel, built from the same source.
//
// A user event blocks the queue meanwhile, so that only enqueueing is timed and nothing runs; the
// two are interleaved, and medians are printed.
#include <algorithm>
#include <chrono>
#include <clconv/clconv.hpp>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace {

constexpr int kRounds = 41;
constexpr int kEnqueues = 200;

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// kernels/<name>.cl behind the parts that its first line names, as the library puts programs together.
std::string program_source(const std::string& name, std::set<std::string>& used) {
  const std::string text = read(CLCONV_KERNELS "/" + name + ".cl");
  const std::string head = "// parts:";
  std::string program;
  if (text.compare(0, head.size(), head) == 0) {
    std::istringstream parts(text.substr(head.size(), text.find('\n') - head.size()));
    for (std::string part; parts >> part;) {
      if (used.insert(part).second) program += program_source("parts/" + part, used);
    }
  }
  return program + text;
}

struct Setup {
  clconv::Context context;
  cl::Context cl = context.opencl_context();
  cl::Device device = context.device();
  cl::CommandQueue queue{cl, device};

  cl::Buffer buffer(std::int64_t bytes) const {
    cl::Buffer result(cl, CL_MEM_READ_WRITE, static_cast<std::size_t>(bytes));
    queue.enqueueFillBuffer(result, 0.25f, 0, static_cast<std::size_t>(bytes));
    return result;
  }

  // Host time in microseconds of one `enqueue()`, while the queue is held.
  template <class Enqueue>
  double enqueue_us(Enqueue&& enqueue) const {
    cl::UserEvent gate(cl);
    const std::vector<cl::Event> wait = {gate};
    queue.enqueueBarrierWithWaitList(&wait);
    const double begin = now_us();
    for (int i = 0; i < kEnqueues; ++i)
      enqueue();
    const double taken = now_us() - begin;
    gate.setStatus(CL_COMPLETE);
    queue.finish();
    return taken / kEnqueues;
  }
};

// naive's kernel with its arguments set, as an application without this library would hold it.
cl::Kernel bare_kernel(const Setup& s, const clconv::Problem& p, const clconv::Operands& o) {
  std::set<std::string> used;
  const cl::Program program(s.cl, program_source("naive", used));
  program.build({s.device}, "-DBIAS=0 -DRELU=0");
  cl::Kernel kernel(program, "naive_forward");
  kernel.setArg(0, o.x);
  kernel.setArg(1, o.w);
  kernel.setArg(2, cl::Buffer());  // no bias
  kernel.setArg(3, cl::Buffer());  // no residual
  kernel.setArg(4, o.y);
  const auto info = p.info();
  cl_uint index = 5;
  for (const cl_long value : {p.n, p.c, p.h, p.w, p.k, p.kh, p.kw, p.sh, p.sw, p.pt, p.pl, p.dh,
                              p.dw, p.g, info.oh, info.ow}) {
    kernel.setArg(index++, value);
  }
  return kernel;
}

void compare(const Setup& s, const char* strategy) {
  const clconv::Problem p("n1c1h8w8k1kh3kw3p1");
  clconv::PlanOptions options;
  options.strategy = strategy;
  const clconv::Plan plan = s.context.plan(p, options);
  const auto info = plan.info();
  clconv::Operands o;
  o.x = s.buffer(p.info().x_bytes);
  o.w = s.buffer(p.info().w_bytes);
  o.y = s.buffer(p.info().y_bytes);
  if (info.prepared_weights_bytes > 0) {
    o.prepared = s.buffer(info.prepared_weights_bytes);
    plan.prepare(s.queue, o.w, o.prepared);
  }
  const cl::Kernel kernel = bare_kernel(s, p, o);
  std::vector<double> bare, planned;
  for (int round = 0; round <= kRounds; ++round) {
    const double b = s.enqueue_us([&] {
      s.queue.enqueueNDRangeKernel(kernel, cl::NullRange, cl::NDRange(64), cl::NDRange(64));
    });
    const double e = s.enqueue_us([&] { plan.execute(s.queue, o); });
    if (round == 0) continue;  // warms up
    bare.push_back(b * static_cast<double>(info.steps));
    planned.push_back(e);
  }
  std::printf("%-14s %lld launches: execute %6.2f us, bare enqueues %6.2f us, overhead %6.2f us\n",
              strategy, static_cast<long long>(info.steps), median(planned), median(bare),
              median(planned) - median(bare));
}

}  // namespace

int main() {
  try {
    const Setup setup;
    std::printf("host time per execution on %s (medians of %d rounds of %d)\n",
                setup.device.getInfo<CL_DEVICE_NAME>().c_str(), kRounds, kEnqueues);
    for (const char* strategy : {"naive", "implicit_gemm"})
      compare(setup, strategy);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "host_overhead: %s\n", error.what());
    return 1;
  }
}
