// PyTorch, in two Python processes of its own (peers.py): with the user's environment as it is, and with
// glibc kept from returning
// memory and threads pinned. They take their turns between the others' and sleep otherwise.
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "environment.hpp"
#include "peers.hpp"
#include "threads.hpp"

namespace clconv::bench {
namespace {

using Json = nlohmann::json;

// A child that answers each request with a line, and some with floats behind it.
class Child {
 public:
  Child(const char* python, bool tuned);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Its PyTorch's version; "" where it has none.
  const std::string& version() const { return version_; }
  void send(const std::string& line) { write_all((line + "\n").data(), line.size() + 1); }
  void send(const std::vector<float>& values) {
    write_all(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  std::string line();
  std::vector<float> floats(std::size_t count);

 private:
  [[noreturn]] static void failed() { throw std::runtime_error("PyTorch's process ended early"); }
  void write_all(const char* data, std::size_t size);

  int socket_ = -1;
  pid_t pid_ = -1;
  std::string version_;
};

// The user's own environment, as it was before settle_environment().
std::vector<std::string> environment_of_child(bool tuned) {
  const auto added = added_variables();
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    const std::string name = variable.substr(0, variable.find('='));
    const bool ours = std::find(added.begin(), added.end(), name) != added.end();
    if (!ours) variables.push_back(variable);
  }
  if (tuned) {
    for (const char* variable : {"MALLOC_TOP_PAD_=268435456", "MALLOC_TRIM_THRESHOLD_=4294967296",
                                 "MALLOC_MMAP_THRESHOLD_=4294967296"}) {
      variables.emplace_back(variable);
    }
  }
  return variables;
}

// Null-terminated, pointing into `texts`.
std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

Child::Child(const char* python, bool tuned) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) failed();
  std::vector<std::string> words = {python, CLCONV_PEERS, std::to_string(thread_count())};
  if (tuned) words.emplace_back("pinned");
  std::vector<std::string> variables = environment_of_child(tuned);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  // A Python without PyTorch is no error of the user's.
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  const int status = ::posix_spawnp(&pid_, python, &actions, nullptr, pointers(words).data(),
                                    pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  socket_ = ends[0];
  if (status != 0) {
    pid_ = -1;
    return;  // no such Python
  }
  try {
    version_ = line();
  } catch (const std::exception&) {
    version_.clear();
  }
}

Child::~Child() {
  ::close(socket_);  // the end of its input is the end of it
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

void Child::write_all(const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket_, data, size, MSG_NOSIGNAL);
    if (sent <= 0) failed();
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

std::string Child::line() {
  std::string text;
  for (char c = 0; c != '\n';) {
    if (::read(socket_, &c, 1) != 1) failed();
    text += c;
  }
  text.pop_back();
  return text;
}

std::vector<float> Child::floats(std::size_t count) {
  std::vector<float> values(count);
  char* to = reinterpret_cast<char*>(values.data());
  for (std::size_t left = count * sizeof(float); left > 0;) {
    const ssize_t got = ::read(socket_, to, left);
    if (got <= 0) failed();
    to += got;
    left -= static_cast<std::size_t>(got);
  }
  return values;
}

class PyTorch : public Contender {
 public:
  PyTorch(std::shared_ptr<Child> child, const std::vector<Case>& cases)
      : child_(std::move(child)), result_size_(cases.back().result_size()) {
    Json problems = Json::array();
    for (const Case& item : cases) {
      const Problem& p = item.problem;
      problems.push_back({{"direction", p.direction},
                          {"x", {p.n, p.c, p.h, p.w}},
                          {"w", {p.k, p.c / p.g, p.kh, p.kw}},
                          {"y", {p.n, p.k, item.info.oh, item.info.ow}},
                          {"bias", p.bias},
                          {"stride", {p.sh, p.sw}},
                          {"padding", {p.pt, p.pl}},
                          {"dilation", {p.dh, p.dw}},
                          {"groups", p.g}});
    }
    child_->send(Json({{"prepare", problems}}).dump());
    for (const Case& item : cases) {
      for (const auto* operand : {&item.x, &item.w, &item.b, &item.dy})
        child_->send(*operand);
    }
    if (child_->line() != "ready") throw std::runtime_error("PyTorch cannot compute it");
  }
  double seconds(int calls) override {
    child_->send(Json({{"time", calls}}).dump());
    return std::stod(child_->line());
  }
  void enqueue() override { seconds(1); }
  std::vector<float> result() override {
    child_->send(Json({{"result", true}}).dump());
    return child_->floats(result_size_);
  }

 private:
  std::shared_ptr<Child> child_;
  std::size_t result_size_;
};

// Null where neither Python has PyTorch.
std::shared_ptr<Child> start(bool tuned) {
  for (const char* python : {"python3", "/usr/bin/python3"}) {
    auto child = std::make_shared<Child>(python, tuned);
    if (!child->version().empty()) return child;
  }
  return nullptr;
}

Peer pytorch_peer(bool tuned, const std::shared_ptr<Child>& child) {
  Peer peer;
  peer.key = tuned ? "pytorch_tuned" : "pytorch";
  peer.title = tuned ? "PyTorch tuned" : "PyTorch";
  peer.about =
      "PyTorch " + child->version() +
      ", conv2d or its gradient on NCHW without ReLU (in its favour)" +
      (tuned ? ", glibc kept from returning memory and threads pinned" : ", stock environment") +
      "; a process of its own that takes its turns with the others";
  peer.adds_relu = false;
  peer.prepare_chain = [child](const std::vector<Case>& cases) -> ContenderPtr {
    for (const Case& item : cases) {
      const Problem& p = item.problem;
      if (p.pt != p.pb || p.pl != p.pr) return nullptr;
    }
    return std::make_unique<PyTorch>(child, cases);
  };
  peer.prepare = [chain = peer.prepare_chain](const Case& item) { return chain({item}); };
  return peer;
}

}  // namespace

std::vector<Peer> pytorch_peers() {
  std::vector<Peer> peers;
  for (const bool tuned : {false, true}) {
    if (const auto child = start(tuned)) peers.push_back(pytorch_peer(tuned, child));
  }
  return peers;
}

}  // namespace clconv::bench
