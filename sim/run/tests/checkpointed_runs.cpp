#include "sim/run/tests/checkpointed_runs.hpp"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include "sim/run/tests/result_text.hpp"

namespace eptsim::sim {

CheckpointedRun run_with_checkpoints(RunSettings settings, const Programs& programs) {
  // Open in both processes: what one writes the other reads.
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
  if (!file) throw std::runtime_error("no temporary file");
  settings.checkpoint.write = [&file](const std::string& bytes) {
    const std::uint64_t size = bytes.size();
    std::fwrite(&size, sizeof size, 1, file.get());
    std::fwrite(bytes.data(), 1, size, file.get());
    std::fflush(file.get());
  };
  CheckpointedRun run{.result = run_apart(settings, programs), .checkpoints = {}};
  std::rewind(file.get());
  for (std::uint64_t size = 0; std::fread(&size, sizeof size, 1, file.get()) == 1;) {
    std::string& bytes = run.checkpoints.emplace_back(size, '\0');
    if (std::fread(bytes.data(), 1, size, file.get()) != size) throw std::runtime_error("cut off");
  }
  return run;
}

CheckpointedRun run_from(const std::string& checkpoint, RunSettings settings,
                         const Programs& programs) {
  settings.checkpoint.resume = checkpoint;
  settings.checkpoint.resume_name = "saved";
  return run_with_checkpoints(std::move(settings), programs);
}

}  // namespace eptsim::sim
