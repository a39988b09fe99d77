#include "sim/cli/commands.hpp"

namespace eptsim::sim {

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(make_run_command());
  commands.push_back(make_compare_command());
  commands.push_back(make_sweep_command());
  commands.push_back(make_report_command());
  commands.push_back(make_walk_command());
  commands.push_back(make_check_command());
  commands.push_back(make_dump_command());
  commands.push_back(make_verify_command());
  commands.push_back(make_trace_info_command());
  commands.push_back(make_trace_convert_command());
  commands.push_back(make_trace_record_command());
  commands.push_back(make_trace_generators_command());
  commands.push_back(make_machine_list_command());
  commands.push_back(make_machine_show_command());
  commands.push_back(make_machine_explain_command());
  commands.push_back(make_statistics_command());
  commands.push_back(make_commands_command());
  commands.push_back(make_completion_command());
  return commands;
}

}  // namespace eptsim::sim
