#pragma once

#include "tests/sealed-storage/crash_world.h"
#include "tests/sealed-storage/fault_disk.h"

/// Runs scripts on a disk that fails, and judges what is left.
namespace sks::test {

struct Script {
  std::string name;
  EngineConfig config;
  std::vector<Step> setup;  ///< on a disk that works
  std::vector<Step> steps;  ///< the first one opens the store
};

struct SweepCount {
  std::size_t operations = 0;  ///< that change the disk in one run of the script
  std::size_t cut_points = 0;  ///< at which the power was cut
  std::size_t disks = 0;       ///< that a cut could have left, each opened
  std::size_t failures = 0;    ///< runs with a failing operation
};

/// Whether SKS_CRASH_SWEEP=full asks for every operation; otherwise some are left out to save time.
bool full_sweep();
/// SKS_CRASH_SEED, or 1: what decides about the sectors that survive.
unsigned sweep_seed();

/// A disk after a power cut, and what is known about the store on it.
struct Leftover {
  DiskImage image;
  Model model;
  std::map<std::string, Bytes> certificates;
};

/// A script on a folder of its own, prepared once.
class Sweep {
 public:
  explicit Sweep(const Script& script);
  /// Goes on with what a power cut has left, instead of the setup of the script.
  Sweep(const Script& script, const Leftover& leftover);

  /// Cuts the power at operation after operation.
  void cut_power();
  /// Some of the disks that cut_power() found.
  const std::vector<Leftover>& leftovers() const { return leftovers_; }
  /// Fails one operation after the other, in one run of the script each.
  void fail_operations(FaultDisk::Fault fault, FaultDisk::Duration duration);
  const SweepCount& count() const { return count_; }

 private:
  struct Run;
  struct Meeting;
  World fresh_world();
  void judge_cut(const Run& run, const DiskImage& image, std::size_t cut);
  void check_intermediate_states(const Run& run);
  void fail_at(std::size_t n, FaultDisk::Fault fault, FaultDisk::Duration duration, bool& reached);
  void judge_failure(Meeting meeting, FaultDisk::Duration duration);
  static void take_live_state(const Meeting& meeting);
  void judge_death(const World& world, const std::vector<Model>& states);

  const Script& script_;
  TempDir dir_;
  DiskImage prepared_;
  Model prepared_model_;
  std::map<std::string, Bytes> prepared_certificates_;
  std::set<std::string> judged_;
  std::set<std::string> seen_;  ///< what engines showed after power cuts, with the number of the step
  std::vector<Leftover> leftovers_;
  SweepCount count_;
  std::size_t calls_ = 0;  ///< of fail_operations()
};

}  // namespace sks::test
