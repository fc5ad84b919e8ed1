// Whoever computes a problem, clconv or a peer, behind one face, so that all are checked and timed alike.
// Knows nothing of who they are.
#pragma once

#include <clconv/clconv.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace clconv::bench {

// A problem with operands in host memory: noise in [-1, 1], the weights scaled so that results are
// about as large as operands. What the direction does not take is empty.
struct Case {
  Case(const std::string& name_, const Problem& problem_);

  std::string name;
  Problem problem;
  clconv_problem_info info;
  std::vector<float> x, w, b, dy;

  std::size_t result_size() const;  // in elements
};

class Contender {
 public:
  Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;
  virtual ~Contender() = default;

  // How it goes about it, in its own words: a strategy and config, an implementation's name.
  virtual std::string how() const { return ""; }
  // One call. May return before it is done.
  virtual void enqueue() = 0;
  virtual void finish() {}
  // Whether the caller's thread takes part in the work, beside others that are pinned (threads.hpp).
  virtual bool computes_here() const { return false; }
  // Wall time of `calls` calls, one behind the other, with one wait behind the last.
  virtual double seconds(int calls);
  // What the last call computed, dense and NCHW.
  virtual std::vector<float> result() = 0;
};
using ContenderPtr = std::unique_ptr<Contender>;

struct Peer {
  std::string key;    // in --peers and in JSON
  std::string title;  // in tables and charts
  std::string about;  // one line: what is timed, and in whose favour
  // What of a forward pass's epilogue is part of its calls.
  bool adds_bias = true, adds_relu = true;
  // Null where the problem is none that it can compute.
  std::function<ContenderPtr(const Case&)> prepare;
  // All of them in one call; null if one cannot be computed. Empty: one after the other.
  std::function<ContenderPtr(const std::vector<Case>&)> prepare_chain;
};

ContenderPtr prepare_chain(const Peer& peer, const std::vector<Case>& cases);

// Empty if the contender's result, completed by what the peer leaves out of the epilogue, is `expected`
// as far as float32 and other summation orders allow, else how it differs.
std::string mismatch(const Peer& peer, const Case& item, std::vector<float> result,
                     const std::vector<float>& expected);

}  // namespace clconv::bench
