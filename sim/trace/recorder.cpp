#include "sim/trace/recorder.hpp"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>

#include "sim/input_error.hpp"
#include "sim/trace/own_writer.hpp"
#include "sim/trace/recorded_events.hpp"

namespace eptsim::sim {
namespace {

namespace fs = std::filesystem;
using recording::Shared;

constexpr const char* kQemu = "qemu-x86_64";
constexpr const char* kPlugin = "eptsim-recorder.so";

std::optional<std::string> find_in_path(const std::string& name) {
  if (name.find('/') != name.npos) return name;
  const char* const variable = std::getenv("PATH");
  std::string_view path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
  while (!path.empty()) {
    const auto folder = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(path.size(), folder.size() + 1));
    const auto candidate = (fs::path(folder.empty() ? "." : folder) / name).string();
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored) && ::access(candidate.c_str(), X_OK) == 0)
      return candidate;
  }
  return std::nullopt;
}

/// Installed beside the program or in ../lib/eptsim/plugins; in the build tree, where CMake put it.
std::string find_plugin() {
  std::error_code error;
  const auto program = fs::read_symlink("/proc/self/exe", error);
  std::vector<fs::path> candidates;
  if (!error)
    candidates = {program.parent_path() / kPlugin,
                  program.parent_path().parent_path() / "lib/eptsim/plugins" / kPlugin};
  candidates.emplace_back(EPTSIM_RECORDER_PLUGIN);
  for (const auto& candidate : candidates)
    if (fs::is_regular_file(candidate, error)) return candidate.string();
  throw InputError(kPlugin,
                   "the recorder's plugin isn't beside the program, in ../lib/eptsim/plugins or "
                   "in the build tree");
}

/// The command as QEMU can run it: an ELF program for x86-64, the interpreter put before a script.
std::vector<std::string> runnable(std::vector<std::string> command) {
  if (command.empty()) throw InputError("record", "no command to record", "end with -- COMMAND");
  for (int depth = 0; depth < 4; ++depth) {
    const auto program = find_in_path(command[0]);
    if (!program) throw InputError(command[0], "no such program");
    std::ifstream file(*program, std::ios::binary);
    std::array<char, 256> start = {};
    errno = 0;
    if (fs::is_directory(*program))
      throw InputError(*program, "is a directory, expected a program");
    if (!file) throw InputError(*program, std::string("cannot be opened: ") + std::strerror(errno));
    file.read(start.data(), start.size() - 1);
    command[0] = *program;
    if (std::strncmp(start.data(), "#!", 2) == 0) {
      std::string_view line(start.data() + 2);
      line = line.substr(0, line.find('\n'));
      const auto trim = [](std::string_view text) {
        while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
          text.remove_prefix(1);
        while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
        return text;
      };
      line = trim(line);
      const auto space = line.find(' ');
      if (space != line.npos) command.emplace(command.begin(), trim(line.substr(space)));
      command.emplace(command.begin(), line.substr(0, space));
      continue;
    }
    Elf64_Ehdr header;
    std::memcpy(&header, start.data(), sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
      throw InputError(*program, "isn't an x86-64 program");
    return command;
  }
  throw InputError(command[0], "is a script whose interpreter is a script, too many times over");
}

std::string qemu_version(const std::string& qemu) {
  // Asked of the program itself; what can't be asked is left out of the header.
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      ::popen(("'" + qemu + "' --version 2>/dev/null").c_str(), "r"), ::pclose);
  std::array<char, 128> line = {};
  if (!pipe || std::fgets(line.data(), line.size(), pipe.get()) == nullptr) return kQemu;
  std::string text(line.data());
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

/// The command in the notation of a shell.
std::string quoted(const std::vector<std::string>& command) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  std::string result;
  for (const auto& word : command) {
    if (!result.empty()) result += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) {
      result += word;
      continue;
    }
    result += '\'';
    for (const char c : word)
      result += c == '\''   ? std::string("'\\''")
                : c == '\n' ? std::string("'$'\\n''")
                            : std::string(1, c);
    result += '\'';
  }
  return result;
}

class SharedMemory {
 public:
  SharedMemory() : descriptor_(::memfd_create("eptsim-recording", MFD_CLOEXEC)) {
    void* memory = MAP_FAILED;
    if (descriptor_ >= 0 && ::ftruncate(descriptor_, sizeof(Shared)) == 0)
      memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
    if (memory == MAP_FAILED) {
      const int error = errno;
      if (descriptor_ >= 0) ::close(descriptor_);
      throw std::runtime_error(std::string("no memory to record through: ") + std::strerror(error));
    }
    shared_ = static_cast<Shared*>(memory);  // all zero, as its atomics begin
    shared_->magic = recording::kMagic;
    shared_->recorder_process = ::getpid();
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() {
    shared_->stop.store(1);  // a forked child of the program may still have it
    ::munmap(shared_, sizeof(Shared));
    ::close(descriptor_);
  }

  Shared& operator*() const { return *shared_; }
  Shared* operator->() const { return shared_; }
  std::string path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), descriptor_); }

 private:
  int descriptor_;
  Shared* shared_ = nullptr;
};

/// The program under QEMU, as a child process.
class Program {
 public:
  Program(const std::string& qemu, const std::string& plugin, const std::string& memory,
          const std::vector<std::string>& command) {
    std::string plugin_path;
    for (const char c : plugin) plugin_path += c == ',' ? std::string(",,") : std::string(1, c);
    std::vector<std::string> words = {qemu, "-seed", "1", "-plugin",
                                      "file=" + plugin_path + ",memory=" + memory};
    words.insert(words.end(), command.begin(), command.end());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    process_ = ::fork();
    if (process_ < 0)
      throw std::runtime_error(std::string("cannot start a process: ") + std::strerror(errno));
    if (process_ == 0) {
      ::signal(SIGINT, SIG_DFL);           // an interrupt ends the program
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing goes on unseen without the recorder
      ::personality(ADDR_NO_RANDOMIZE);    // so that a second recording is like the first
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (!ended()) end();
  }

  /// Whether it has ended, by itself or not.
  bool ended() {
    if (!ended_) ended_ = ::waitpid(process_, &status_, WNOHANG) == process_;
    return ended_;
  }
  /// Ends it: with SIGTERM, and if that isn't enough within two seconds, for good.
  void end() {
    ::kill(process_, SIGTERM);
    for (int i = 0; i < 200 && !ended(); ++i) {
      const timespec pause = {0, 10'000'000};
      ::nanosleep(&pause, nullptr);
    }
    if (ended_) return;
    ::kill(process_, SIGKILL);
    while (::waitpid(process_, &status_, 0) < 0 && errno == EINTR) {
    }
    ended_ = true;
  }
  /// As waitpid gives it, once it has ended.
  int status() const { return status_; }

 private:
  pid_t process_;
  int status_ = 0;
  bool ended_ = false;
};

/// While it lives, interrupts from the terminal are left to the program.
class InterruptsIgnored {
 public:
  InterruptsIgnored() {
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGINT, &ignore, &before_);
  }
  InterruptsIgnored(const InterruptsIgnored&) = delete;
  InterruptsIgnored& operator=(const InterruptsIgnored&) = delete;
  ~InterruptsIgnored() { ::sigaction(SIGINT, &before_, nullptr); }

 private:
  struct sigaction before_ = {};
};

/// Takes the events out of the shared memory, as long as the program runs and once more afterwards,
/// until there are enough.
class Drain {
 public:
  Drain(Shared& shared, RecordedEvents& events, const bool& enough)
      : shared_(shared), events_(events), enough_(enough) {}

  /// Full chunks that are there now; waits a little for one if there is none.
  void take_full_chunks() {
    const auto seen = shared_.chunks_full.load();
    if (take_available() > 0) return;
    const timespec timeout = {0, 20'000'000};
    ::syscall(SYS_futex, &shared_.chunks_full, FUTEX_WAIT, seen, &timeout, nullptr, 0);
  }

  /// All that is left, when no thread of the program runs any more.
  void take_rest() {
    take_available();
    for (std::uint32_t number = 0; number < recording::kMaxThreads; ++number) {
      const auto& thread = shared_.threads[number];
      if (thread.chunk_plus_one == 0 || thread.chunk_plus_one > recording::kChunks) continue;
      events_.add(number, std::span(shared_.chunks[thread.chunk_plus_one - 1])
                              .first(std::min(thread.used, recording::kChunkWords)));
    }
  }

 private:
  std::size_t take_available() {
    std::size_t taken = 0;
    for (; !enough_; ++taken) {
      auto& place = shared_.queue[next_ % recording::kChunks];
      const auto entry = place.load(std::memory_order_acquire);
      if (entry == 0) break;
      place.store(0);
      ++next_;
      const auto thread = (entry - 1) >> 16;
      const auto chunk = (entry - 1) & 0xffff;
      if (chunk >= recording::kChunks) continue;
      events_.add(thread, std::span(shared_.chunks[chunk]));
      shared_.chunk_states[chunk].store(recording::kFree);
      shared_.chunks_freed.fetch_add(1);
      ::syscall(SYS_futex, &shared_.chunks_freed, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }
    return taken;
  }

  Shared& shared_;
  RecordedEvents& events_;
  const bool& enough_;
  std::uint32_t next_ = 0;
};

std::vector<std::string> remarks_on(const Shared& shared) {
  std::vector<std::string> remarks;
  if (shared.replaced.load() > 0)
    remarks.push_back(
        fmt::format("the program replaced itself by {}, which wasn't recorded: record "
                    "that one",
                    shared.last_program));
  else if (shared.programs.load() > 0)
    remarks.push_back(
        fmt::format("the program started {} other program(s), the last of them {}, "
                    "which weren't recorded",
                    shared.programs.load(), shared.last_program));
  if (shared.forks.load() > 0)
    remarks.push_back(fmt::format("the program forked {} process(es), which weren't recorded",
                                  shared.forks.load()));
  if (shared.threads_left_out.load() != 0)
    remarks.push_back(
        fmt::format("the program had more than {} threads at a time; those beyond "
                    "weren't recorded",
                    recording::kMaxThreads));
  if (shared.code_is_full.load() != 0)
    remarks.emplace_back("the program made so much code that the recording ended early");
  return remarks;
}

}  // namespace

RecordResult record_trace(const RecordOptions& options) {
  const auto qemu = find_in_path(kQemu);
  if (!qemu) throw InputError(kQemu, "isn't installed", "on Debian: apt-get install qemu-user");
  const auto plugin = find_plugin();
  const auto command = runnable(options.command);

  own::Header header;
  header.fetches = options.fetches;
  header.dependences = true;
  header.page_hints.push_back({0, std::uint64_t{1} << 47, 4096});
  header.notes.emplace_back("command", quoted(options.command));
  header.notes.emplace_back("recorder", qemu_version(*qemu) + " with eptsim's plugin");
  if (options.skip > 0) header.notes.emplace_back("skipped", std::to_string(options.skip));
  for (const auto& note : options.notes) header.notes.push_back(note);
  OwnTraceWriter::Options writer_options;
  writer_options.level = options.level;
  OwnTraceWriter writer(options.output, header, writer_options);

  std::uint64_t skipped = 0;
  bool enough = false;
  const SharedMemory shared;
  RecordedEvents events(shared->code, options.fetches, [&](std::span<const Record> records) {
    const auto skip = std::min<std::uint64_t>(options.skip - skipped, records.size());
    skipped += skip;
    records = records.subspan(skip);
    if (options.limit > 0 && records.size() >= options.limit - writer.records()) {
      records = records.first(options.limit - writer.records());
      enough = true;
    }
    writer.add(records);
  });

  RecordResult result;
  {
    const InterruptsIgnored interrupts;
    Program program(*qemu, plugin, shared.path(), command);
    Drain drain(*shared, events, enough);
    const auto stopped = [&] { return options.stop != nullptr && *options.stop; };
    while (!program.ended() && !enough && !stopped()) drain.take_full_chunks();
    result.limited = (enough || stopped()) && !program.ended();
    if (result.limited) {
      shared->stop.store(1);
      program.end();
    }
    drain.take_rest();
    if (!enough) events.finish();
    const int status = program.status();
    if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  }
  if (shared->attached.load() == 0 && options.stop != nullptr && *options.stop) throw Interrupted();
  if (shared->attached.load() == 0)
    throw InputError(options.command[0], "QEMU didn't run it with the recorder's plugin");
  result.counts = writer.finish().counts;
  result.remarks = remarks_on(*shared);
  return result;
}

}  // namespace eptsim::sim
