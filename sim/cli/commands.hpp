#pragma once

#include <memory>

#include "sim/cli/command.hpp"

namespace eptsim::sim {

std::unique_ptr<Command> make_run_command();
std::unique_ptr<Command> make_compare_command();
std::unique_ptr<Command> make_sweep_command();
std::unique_ptr<Command> make_report_command();
std::unique_ptr<Command> make_walk_command();
std::unique_ptr<Command> make_check_command();
std::unique_ptr<Command> make_dump_command();
std::unique_ptr<Command> make_verify_command();
std::unique_ptr<Command> make_trace_info_command();
std::unique_ptr<Command> make_trace_convert_command();
std::unique_ptr<Command> make_trace_record_command();
std::unique_ptr<Command> make_trace_generators_command();
std::unique_ptr<Command> make_machine_list_command();
std::unique_ptr<Command> make_machine_show_command();
std::unique_ptr<Command> make_machine_explain_command();
std::unique_ptr<Command> make_statistics_command();
std::unique_ptr<Command> make_completion_command();
std::unique_ptr<Command> make_commands_command();

}  // namespace eptsim::sim
