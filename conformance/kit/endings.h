#pragma once

#include <map>
#include <optional>
#include <string>

namespace sks::conformance {

/// Where sessions of an issuer end: a termination tells a good session from a refused one by its Location alone, and
/// what is in it besides the outcome may be different each time. Learned from sessions whose outcome is known.
class Endings {
 public:
  /// The Locations of two sessions that were good, and that of one that was refused, if there was one.
  Endings(const std::string& good, const std::string& good_again, const std::optional<std::string>& refused);

  /// Whether a Location tells how a session ended.
  bool tell() const { return tell_; }
  /// Whether the Location is that of a good session: the same but for parameters that differ between good sessions.
  bool is_good(const std::string& location) const;

 private:
  struct Parts {
    std::string path;
    std::map<std::string, std::string> parameters;
  };
  static Parts split(const std::string& location);

  Parts good_;
  std::map<std::string, bool> varies_;  ///< parameters of good sessions
  bool tell_ = false;
};

}  // namespace sks::conformance
