#include "tests/support/children.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <set>
#include <sstream>

#include "sks-core/base/result.h"

namespace sks::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Child {
  pid_t pid = -1;
  int from = -1;  ///< "ready", then the sample, a line each
  int to = -1;    ///< one byte: go
  std::string text;
  bool ended = false;

  bool is_ready() const { return ended || text.find('\n') != std::string::npos; }
};

void write_all(int descriptor, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(descriptor, text.data() + done, text.size() - done);
    if (count <= 0) return;
    done += static_cast<std::size_t>(count);
  }
}

std::string encode(const Sample& sample) {
  std::ostringstream line;
  line.precision(17);
  line << sample.value << ' ' << sample.errors << ' ' << sample.problem << '\n';
  return line.str();
}

Sample decode(const std::string& text) {
  std::istringstream line(text.substr(std::min(text.size(), text.find('\n')) + (text.empty() ? 0 : 1)));
  Sample sample;
  if (!(line >> sample.value >> sample.errors)) return {0, 0, "the process ended without a result"};
  line.ignore();
  std::getline(line, sample.problem);
  return sample;
}

[[noreturn]] void run_child(const Job& job, int to_parent, int from_parent) {
  bool said_ready = false;
  const auto ready = [&] {
    said_ready = true;
    write_all(to_parent, "ready\n");
    char go = 0;
    if (::read(from_parent, &go, 1) != 1) ::_exit(1);
  };
  const Sample sample = job(ready);
  if (!said_ready) ready();
  write_all(to_parent, encode(sample));
  // Destructors of a module that was loaded are not what is measured.
  ::_exit(0);
}

Child start(const Job& job) {
  std::array<int, 2> up{};
  std::array<int, 2> down{};
  SKS_CHECK(::pipe2(up.data(), O_CLOEXEC) == 0 && ::pipe2(down.data(), O_CLOEXEC) == 0);
  const pid_t pid = ::fork();
  SKS_CHECK(pid >= 0);
  if (pid == 0) {
    ::close(up[0]);
    ::close(down[1]);
    run_child(job, up[1], down[0]);
  }
  ::close(up[1]);
  ::close(down[0]);
  return {pid, up[0], down[1], {}, false};
}

/// Reads from all children until `done` holds for each of them, or time is up.
template <class Done>
void read_until(std::vector<Child>& children, Clock::time_point deadline, const Done& done) {
  while (!std::all_of(children.begin(), children.end(), done)) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return;
    std::vector<pollfd> wanted;
    for (const Child& child : children) wanted.push_back({child.ended ? -1 : child.from, POLLIN, 0});
    ::poll(wanted.data(), wanted.size(), static_cast<int>(left));
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (wanted[i].revents == 0) continue;
      std::array<char, 512> some{};
      const ssize_t count = ::read(children[i].from, some.data(), some.size());
      if (count > 0) children[i].text.append(some.data(), static_cast<std::size_t>(count));
      if (count <= 0) children[i].ended = true;
    }
  }
}

}  // namespace

std::vector<Sample> run_together(const std::vector<Job>& jobs, std::chrono::seconds longest) {
  // A child that has gone is seen at its pipe.
  std::signal(SIGPIPE, SIG_IGN);
  const Clock::time_point deadline = Clock::now() + longest;
  std::vector<Child> children;
  for (const Job& job : jobs) children.push_back(start(job));
  read_until(children, deadline, [](const Child& child) { return child.is_ready(); });
  for (const Child& child : children) write_all(child.to, "g");
  read_until(children, deadline, [](const Child& child) { return child.ended; });
  std::vector<Sample> samples;
  for (Child& child : children) {
    if (!child.ended) ::kill(child.pid, SIGKILL);
    int status = 0;
    ::waitpid(child.pid, &status, 0);
    ::close(child.from);
    ::close(child.to);
    Sample sample = decode(child.text);
    if (!child.ended) sample = {0, 0, "no end within " + std::to_string(longest.count()) + " s"};
    if (child.ended && WIFSIGNALED(status)) sample = {0, 0, "ended by signal " + std::to_string(WTERMSIG(status))};
    samples.push_back(std::move(sample));
  }
  return samples;
}

Sample sum_of(std::vector<Sample> samples) {
  constexpr std::size_t kMostTold = 4;
  // What is wrong is told first: of many children only some are told.
  std::stable_partition(samples.begin(), samples.end(), [](const Sample& sample) { return sample.errors != 0; });
  Sample sum;
  std::set<std::string> told;
  for (const Sample& sample : samples) {
    sum.value += sample.value;
    sum.errors += sample.errors;
    if (sample.problem.empty()) continue;
    if (sample.value == 0 && sample.errors == 0) ++sum.errors;
    if (told.size() > kMostTold || !told.insert(sample.problem).second) continue;
    sum.problem += (sum.problem.empty() ? "" : " | ") + (told.size() > kMostTold ? "and others" : sample.problem);
  }
  return sum;
}

}  // namespace sks::test
