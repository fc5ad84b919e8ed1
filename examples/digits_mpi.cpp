// The ranks of MPI, for training by several processes. Knows nothing of networks.
#define OMPI_SKIP_MPICXX  // the C interface is enough
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "digits_ranks.hpp"

namespace example {
namespace {

class MpiRanks : public Ranks {
 public:
  MpiRanks() {
    MPI_Init(nullptr, nullptr);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host_);
    MPI_Comm_rank(host_, &local_rank_);
    take_share_of_cpus();
  }
  ~MpiRanks() override {
    MPI_Comm_free(&host_);
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }

  void broadcast(std::vector<float>& values) const override {
    MPI_Bcast(values.data(), static_cast<int>(values.size()), MPI_FLOAT, 0, MPI_COMM_WORLD);
  }
  void sum(std::vector<double>& values) const override {
    MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM,
                  MPI_COMM_WORLD);
  }
  bool equal(std::uint64_t value) const override {
    std::uint64_t ends[] = {value, ~value};
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
    return ends[0] == ~ends[1];  // the largest is the smallest
  }

  void start_sum(float* values, std::int64_t count) override {
    sums_.emplace_back();
    MPI_Iallreduce(MPI_IN_PLACE, values, static_cast<int>(count), MPI_FLOAT, MPI_SUM,
                   MPI_COMM_WORLD, &sums_.back());
  }
  bool progress() override {
    int ended = 0;
    MPI_Testall(static_cast<int>(sums_.size()), sums_.data(), &ended, MPI_STATUSES_IGNORE);
    if (ended != 0) sums_.clear();
    return ended != 0;
  }

  std::string first_failure(const std::string& own) const override {
    int failed = own.empty() ? size_ : rank_;
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (failed == size_) return "";
    std::string text = own;
    auto bytes = static_cast<int>(text.size());
    MPI_Bcast(&bytes, 1, MPI_INT, failed, MPI_COMM_WORLD);
    text.resize(static_cast<std::size_t>(bytes));
    MPI_Bcast(text.data(), bytes, MPI_CHAR, failed, MPI_COMM_WORLD);
    return "rank " + std::to_string(failed) + ": " + text;
  }
  void abort() const override { MPI_Abort(MPI_COMM_WORLD, 1); }

 private:
  // Of the CPUs that this process may use, as many as the ranks of this host that may use the same ones leave it:
  // mpirun may have bound each rank to CPUs of its own, or none. PoCL makes so many threads, which inherit the CPUs.
  void take_share_of_cpus() const {
    cpu_set_t own;
    if (::sched_getaffinity(0, sizeof(own), &own) != 0) return;
    int ranks = 0;
    MPI_Comm_size(host_, &ranks);
    std::vector<cpu_set_t> all(static_cast<std::size_t>(ranks));
    MPI_Allgather(&own, sizeof(own), MPI_BYTE, all.data(), sizeof(own), MPI_BYTE, host_);
    std::size_t sharing = 0, before = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!CPU_EQUAL(&own, &all[i])) continue;
      ++sharing;
      if (i < static_cast<std::size_t>(local_rank_)) ++before;
    }
    std::vector<std::size_t> cpus;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &own)) cpus.push_back(cpu);
    }
    const std::size_t begin = cpus.size() * before / sharing;
    const std::size_t end = std::max(begin + 1, cpus.size() * (before + 1) / sharing);
    if (end - begin == static_cast<std::size_t>(::sysconf(_SC_NPROCESSORS_ONLN))) return;
    cpu_set_t share;
    CPU_ZERO(&share);
    for (std::size_t i = begin; i < end; ++i)
      CPU_SET(cpus[i], &share);
    ::sched_setaffinity(0, sizeof(share), &share);
    // PoCL would pin its threads to the first CPUs of the machine, on every rank to the same.
    ::unsetenv("POCL_AFFINITY");
    ::setenv("POCL_MAX_PTHREAD_COUNT", std::to_string(end - begin).c_str(), 0);
  }

  int rank_ = 0, size_ = 1, local_rank_ = 0;
  MPI_Comm host_ = MPI_COMM_NULL;  // the ranks of this host
  std::vector<MPI_Request> sums_;
};

}  // namespace

std::unique_ptr<Ranks> mpi_ranks() {
  return std::make_unique<MpiRanks>();
}

}  // namespace example
