#include "testbench/scoreboard/stream_text.hpp"

#include <algorithm>

#include "testbench/scoreboard/mismatch_text.hpp"

namespace eptsim::tb {

namespace {

std::string scope_text(const mmu::InvalidationScope& scope) {
  std::string text;
  const auto add = [&](const std::string& word) { text += (text.empty() ? "" : ", ") + word; };
  if (scope.linear_mappings) add("linear");
  if (scope.combined_mappings) add("combined");
  if (scope.guest_physical_mappings) add("guest-physical");
  if (scope.vpid) add("VPID " + hex(*scope.vpid));
  if (scope.keep_vpid_zero) add("but VPID 0");
  if (scope.pcid) add("PCID " + hex(*scope.pcid));
  if (scope.ept_root) add("EPTRTA " + hex(*scope.ept_root));
  if (scope.keep_globals) add("but globals");
  if (scope.linear) add("linear address " + hex(*scope.linear));
  if (scope.piece_alone) add("its piece alone");
  if (scope.structures_of_address_alone) add("structures of it alone");
  if (scope.gpa) add("guest-physical address " + hex(*scope.gpa));
  return text;
}

std::string event_text(const StreamEvent& event) {
  std::string text = "           " + std::to_string(event.delay) + " cycles later: ";
  if (event.store) {
    return text + "store " + hex(event.store->address) + " = " + hex(event.store->value) + "\n";
  }
  if (event.invalidation) {
    return text + std::string(name(event.kind)) + ": " + scope_text(*event.invalidation) + "\n";
  }
  text += "caches off:";
  if (event.disabled->combined) text += " combined";
  if (event.disabled->ept) text += " EPT";
  if (event.disabled->nested_tlb) text += " nested TLB";
  return text + "\n";
}

std::string timing_text(const StreamTiming& timing) {
  return "  timing   seed " + hex(timing.seed) + ", latency " + std::to_string(timing.latency) +
         (timing.random_latency ? " at most" : "") + ", stalls " + std::to_string(timing.stall) +
         " at most, " + std::to_string(timing.in_flight) + " walks at most\n";
}

std::string found_text(const StreamFinding& found) {
  std::string text = difference_table(found.finding) + "\n";
  for (const auto& [walk, recording] : found.walks) {
    text += "Walk " + std::to_string(walk) + " so far:\n" + walk_text(recording);
  }
  return text;
}

}  // namespace

std::string stream_text(const Stream& stream) {
  std::string text;
  for (std::size_t i = 0; i < stream.contexts.size(); ++i) {
    text += "  context  " + std::to_string(i) + "  vpid " + hex(stream.contexts[i].vpid) + " " +
            context_text(stream.contexts[i]) + "\n";
  }
  text += timing_text(stream.timing);
  auto event = stream.events.begin();
  for (unsigned i = 0; i <= stream.requests.size(); ++i) {
    for (; event != stream.events.end() && event->after <= i; ++event) text += event_text(*event);
    if (i == stream.requests.size()) break;
    const StreamRequest& request = stream.requests[i];
    text += "  request  " + std::to_string(i) + "  context " + std::to_string(request.context) +
            ", gap " + std::to_string(request.gap) + "  " + request_text(request.request) + "\n";
  }
  std::vector<Word> image = stream.image;
  std::ranges::sort(image, {}, &Word::address);
  text += "  memory   " + std::to_string(image.size()) + " words, all others 0\n";
  for (const Word& word : image) {
    std::string address = hex(word.address);
    address.resize(18, ' ');
    text += "           " + address + hex(word.value) + "\n";
  }
  return text;
}

std::string mismatch_text(const StreamMismatch& mismatch, const std::string& replay) {
  const Finding& finding = mismatch.found.finding;
  std::string text = "MISMATCH in stream " + std::to_string(mismatch.number) + " (" +
                     std::string(mismatch.stream.origin) + ", " +
                     std::to_string(mismatch.stream.requests.size()) +
                     " requests): " + finding.got + " against " + finding.expected;
  if (mismatch.found.walk) text += ", response to request " + std::to_string(*mismatch.found.walk);
  if (finding.cycle) text += ", cycle " + std::to_string(*finding.cycle);
  text += "\n\n" + found_text(mismatch.found);
  if (mismatch.alone) {
    text += "\nThe least that still shows it:\n" + stream_text(mismatch.smallest) + "\n" +
            found_text(mismatch.found_in_smallest);
  } else {
    text +=
        "\nAlone, this stream shows nothing: a reset leaves something of those before it.\n\n"
        "The stream:\n" +
        stream_text(mismatch.stream);
  }
  return text + "\nAgain: " + replay + "\n";
}

}  // namespace eptsim::tb
