#pragma once

#include <exception>
#include <stdexcept>
#include <string>

namespace eptsim::sim {

/// Bad input: the program stops with exit status 2 and one line
/// `file:line:column: what is wrong, what was expected`, and a hint where there is a near miss.
class InputError : public std::runtime_error {
 public:
  /// `place` is what comes before the colon: a file, "file:3:7", "file: byte 120, record 5",
  /// or an option's name; empty if there is none.
  InputError(std::string place, const std::string& problem, std::string hint = {});

  const std::string& place() const { return place_; }
  const std::string& hint() const { return hint_; }

 private:
  std::string place_;
  std::string hint_;
};

/// A wait for input was broken off by SIGINT or SIGTERM: the program stops with exit status 130,
/// after what it has measured so far is reported.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

}  // namespace eptsim::sim
