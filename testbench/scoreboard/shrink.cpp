#include "testbench/scoreboard/shrink.hpp"

#include "ept/arch/memory_type.hpp"
#include "testbench/stimulus/page_parts.hpp"

namespace eptsim::tb {

namespace {

constexpr bool mmu::Controls::* kControls[] = {
    &mmu::Controls::mode_based_execute,
    &mmu::Controls::sub_page_permission,
    &mmu::Controls::ept_violation_ve,
    &mmu::Controls::pml,
    &mmu::Controls::paging_write,
    &mmu::Controls::guest_paging_verification,
    &mmu::Controls::hlat,
};

class Shrinker {
 public:
  Shrinker(const TestCase& test, const std::function<bool(const TestCase&)>& fails)
      : best_(test), fails_(fails) {}

  TestCase run() {
    constexpr unsigned kRounds = 4;  // one that changes nothing is the last in practice
    for (unsigned round = 0; round < kRounds; ++round) {
      changed_ = false;
      shrink_surroundings();
      drop_words();
      for (std::size_t i = 0; i < best_.image.size(); ++i) {
        clear_bits([i](TestCase& test) -> auto& { return test.image[i].value; });
      }
      shrink_context();
      if (!changed_) break;
    }
    return best_;
  }

 private:
  template <class Change>
  bool attempt(Change change) {
    TestCase candidate = best_;
    change(candidate);
    if (!fails_(candidate)) return false;
    best_ = std::move(candidate);
    changed_ = true;
    return true;
  }

  template <class Field, class Value>
  void set(Field field, Value value) {
    if (field(best_) == value) return;
    attempt([&](TestCase& test) { field(test) = value; });
  }

  /// Each bit in turn; all at once first.
  template <class Field>
  void clear_bits(Field field) {
    if (field(best_) == 0) return;
    if (attempt([&](TestCase& test) { field(test) = 0; })) return;
    for (unsigned bit = 0; bit < 8 * sizeof(field(best_)); ++bit) {
      const auto one = static_cast<std::remove_reference_t<decltype(field(best_))>>(1ull << bit);
      if ((field(best_) & one) == 0) continue;
      attempt([&](TestCase& test) { field(test) = field(test) & ~one; });
    }
  }

  void shrink_surroundings() {
    if (best_.store) attempt([](TestCase& test) { test.store.reset(); });
    attempt_plain_timing();
    shrink_size();
    set([](TestCase& test) -> auto& { return test.request.implicit; }, false);
    set([](TestCase& test) -> auto& { return test.request.user; }, false);
  }

  /// One byte, one of the two pages, or one byte of each.
  void shrink_size() {
    set([](TestCase& test) -> auto& { return test.request.size; }, std::uint8_t{1});
    const PageParts parts = page_parts(best_.context, best_.request);
    if (parts.count == 1) return;
    for (const mmu::Request& part : parts.part) {
      if (attempt([&](TestCase& test) { test.request = part; })) return;
    }
    mmu::Request least = best_.request;
    least.address |= 4095;
    least.size = 2;
    if (least.size != best_.request.size) {
      attempt([&](TestCase& test) { test.request = least; });
    }
  }

  void attempt_plain_timing() {
    const Timing& timing = best_.timing;
    if (timing.seed != 0 || timing.stall != 0 || timing.latency != 1 || timing.clock_always ||
        timing.random_latency || timing.early_request) {
      attempt([](TestCase& test) { test.timing = {}; });
    }
  }

  void drop_words() {
    for (std::size_t i = best_.image.size(); i > 0; --i) {
      attempt([i](TestCase& test) {
        test.image.erase(test.image.begin() + static_cast<std::ptrdiff_t>(i - 1));
      });
    }
  }

  void shrink_context() {
    set([](TestCase& test) -> auto& { return test.context.pat; }, arch::kResetPat);
    set([](TestCase& test) -> auto& { return test.context.vpid; }, std::uint16_t{1});
    set([](TestCase& test) -> auto& { return test.context.pml_index; }, std::uint16_t{511});
    set([](TestCase& test) -> auto& { return test.context.rflags_ac; }, false);
    for (bool mmu::Controls::* const control : kControls) {
      set([control](TestCase& test) -> auto& { return test.context.controls.*control; }, false);
    }
    set([](TestCase& test) -> auto& { return test.context.cpu.execute_only; }, true);
    set([](TestCase& test) -> auto& { return test.context.cpu.page_1g; }, true);
    set([](TestCase& test) -> auto& { return test.context.cpu.page_2m; }, true);
    set([](TestCase& test) -> auto& { return test.context.cpu.guest_page_1g; }, true);
    set([](TestCase& test) -> auto& { return test.context.cpu.advanced_exit_info; }, false);
    set([](TestCase& test) -> auto& { return test.context.cpu.supervisor_shadow_stack; }, false);
    for (unsigned i = 0; best_.context.pdptes && i < 4; ++i) {
      clear_bits([i](TestCase& test) -> auto& { return (*test.context.pdptes)[i]; });
    }
    clear_bits([](TestCase& test) -> auto& { return test.context.hlat_prefix_size; });
    clear_bits([](TestCase& test) -> auto& { return test.context.eptp_index; });
    clear_bits([](TestCase& test) -> auto& { return test.context.sppt_pointer; });
    clear_bits([](TestCase& test) -> auto& { return test.context.pml_address; });
    clear_bits([](TestCase& test) -> auto& { return test.context.ve_info_address; });
    clear_bits([](TestCase& test) -> auto& { return test.context.hlat_pointer; });
    clear_bits([](TestCase& test) -> auto& { return test.context.pkru; });
    clear_bits([](TestCase& test) -> auto& { return test.context.pkrs; });
    clear_bits([](TestCase& test) -> auto& { return test.context.cr0; });
    clear_bits([](TestCase& test) -> auto& { return test.context.cr4; });
    clear_bits([](TestCase& test) -> auto& { return test.context.efer; });
    clear_bits([](TestCase& test) -> auto& { return test.context.cr3; });
    clear_bits([](TestCase& test) -> auto& { return test.context.eptp; });
    clear_bits([](TestCase& test) -> auto& { return test.request.address; });
  }

  TestCase best_;
  const std::function<bool(const TestCase&)>& fails_;
  bool changed_ = false;
};

}  // namespace

TestCase shrink(const TestCase& test, const std::function<bool(const TestCase&)>& fails) {
  return Shrinker(test, fails).run();
}

}  // namespace eptsim::tb
