// Compiled by a test, once as it stands and once with DROP, when it must warn of each dropped
// value.

#include <utility>

#include "ept/extended_page_table.hpp"

using namespace eptsim;

ept::PendingInvalidation from_function() { return {}; }

void use(ept::ExtendedPageTable& table) {
#ifdef DROP
  from_function();
  table.clean_up();
  table.map(arch::Gpa(0), arch::Hpa(0), ept::kAllAccess);
  table.unmap(arch::Gpa(0));
  table.split(arch::Gpa(0));
#else
  table.complete(from_function());
  table.complete(table.clean_up());
  if (auto pending = table.map(arch::Gpa(0), arch::Hpa(0), ept::kAllAccess)) {
    table.complete(std::move(*pending));
  }
#endif
}
