#pragma once

namespace eptsim::sim {

/// From now on the program ends with exit status 2, and one line that names the file, if a mapped
/// file no longer has bytes that it had: it was cut short by someone else, or its disk failed.
/// (The kernel says so by SIGBUS, when the bytes are read.)
void refuse_files_that_shrink();

}  // namespace eptsim::sim
