#include "tests/sealed-storage/crash_sweep.h"

#include <doctest/doctest.h>

#include <filesystem>

/// The power goes, or the disk fails, at every operation of scripts with every kind of commit.
///
/// SKS_CRASH_SWEEP=full takes every operation; otherwise a part of those between two syncs is left out.
namespace sks::test {
namespace {

/// Of the disks that first power cuts have left, the default takes few.
constexpr std::size_t kLeftoverStride = 50;

EngineConfig config_with(bool prepay) {
  EngineConfig config;
  config.prepay_pin_attempts = prepay;
  return config;
}

std::vector<Step> together(std::initializer_list<std::vector<Step>> parts) {
  std::vector<Step> all;
  for (const std::vector<Step>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// One session that makes keys A to D with one PIN and one PUK.
std::vector<Step> provision_owner_of_four() {
  std::vector<Step> steps{begin(), open_session("owner"), puk_policy("g"), pin_policy("g")};
  for (const char* key : {"A", "B", "C", "D"}) {
    steps.push_back(create_key("owner", key, "g"));
    steps.push_back(set_certificate(key));
  }
  steps.push_back(add_bag("owner", "A"));
  steps.push_back(close_session("owner"));
  return steps;
}

Script provisioning() {
  return {
      "provisioning",
      config_with(false),
      {},
      {begin(), open_session("S"), puk_policy("g"), pin_policy("g"), create_key("S", "A", "g"), set_certificate("A"),
       add_bag("S", "A"), create_key("S", "B"), set_certificate("B"), import_symmetric("S", "B"), create_key("S", "C"),
       import_private("S", "C"), close_session("S"), end(), begin(), end()}};
}

Script aborts() {
  return {"aborts",
          config_with(false),
          provision_owner_of_four(),
          {begin(), open_session("S"), puk_policy("h"), pin_policy("h"), create_key("S", "C2", "h"),
           set_certificate("C2"), abort_session("S"), try_pin("A", kWrongPin), open_session("T"), create_key("T", "D2"),
           send_wrong_mac("T"), end(), begin()}};
}

Script post_operations(bool prepay) {
  const auto posts = [](Model& model) {
    for (auto& [name, key] : model.keys) key.session = "S";
    model.keys.erase("B");
    model.keys.erase("C");
    model.keys.at("C2").group = model.keys.at("D2").group = "g";
    model.groups.at("g").errors = model.groups.at("g").puk_errors = 0;
    model.groups.at("g").prepaid = false;
  };
  return {prepay ? "post operations, prepaid" : "post operations",
          config_with(prepay),
          together({provision_owner_of_four(), {try_puk("A", kWrongPuk)}}),
          {begin(), try_pin("A", kFirstPin), try_pin("A", kWrongPin), try_pin("A", kWrongPin), open_session("S"),
           create_key("S", "C2"), set_certificate("C2"), create_key("S", "D2"), set_certificate("D2"),
           post(Post::unlock, "A"), post(Post::delete_key, "B"), post(Post::update, "C", "C2"),
           post(Post::clone, "D", "D2"), close_session("S", posts), try_pin("C2", kFirstPin), end()}};
}

Script pins(bool prepay) {
  return {prepay ? "PINs, prepaid" : "PINs",
          config_with(prepay),
          provision_owner_of_four(),
          {begin(),
           try_pin("A", kWrongPin),
           try_pin("A", kFirstPin),
           sign_with_pin("B", kFirstPin),
           sign_with_pin("A", kWrongPin),
           try_pin("A", kWrongPin),
           sign_with_pin("A", kFirstPin),
           end(),
           begin(),
           change_pin("A", kFirstPin, "5678"),
           try_pin("A", kFirstPin),
           try_pin("A", kFirstPin),
           try_pin("B", kFirstPin),
           try_pin("A", "5678"),
           try_puk("A", kWrongPuk),
           try_puk("A", kPuk),
           try_pin("A", "5678"),
           set_pin("C", kPuk, "2468"),
           try_pin("A", "5678"),
           try_pin("A", "2468"),
           end()}};
}

Script locked_puk() {
  return {"locked PUK, properties and deletion",
          config_with(false),
          provision_owner_of_four(),
          {begin(), try_puk("A", kWrongPuk), set_pin("A", kWrongPuk, "2468"), try_puk("A", kWrongPuk),
           try_puk("A", kPuk), set_property("A", "17"), export_key("B"), delete_key("C"), delete_key("D"),
           delete_key("B"), delete_key("A"), end()}};
}

Script two_sessions() {
  return {"two sessions",
          config_with(true),
          {},
          {begin(), open_session("S"), open_session("T"), at_once("S", create_key("S", "A"), "T", create_key("T", "B")),
           at_once("S", set_certificate("A"), "T", set_certificate("B")),
           at_once("T", add_bag("T", "B"), "S", add_bag("S", "A")),
           at_once("S", close_session("S"), "T", create_key("T", "C")), abort_session("T"), end()}};
}

Script restoring() {
  return {"restore of a backup",
          config_with(false),
          {},
          {begin(), restore_backup(), try_pin("B", kWrongPin), sign_with_pin("B", kFirstPin), end(), begin(), end()}};
}

Script local_keys() {
  return {"local keys beside a session",
          config_with(true),
          {},
          {begin(), open_session("S"), make_local_key("L", "S", create_key("S", "A")), set_certificate("A"),
           delete_key("L"), make_local_key("M", "S", close_session("S")), end(), begin(), end()}};
}

std::vector<Script> all_scripts() {
  return {provisioning(), aborts(),     post_operations(false), post_operations(true), pins(false),
          pins(true),     locked_puk(), two_sessions(),         restoring(),           local_keys()};
}

std::string kind_of_sweep() {
  return full_sweep() ? " (full sweep)" : " (default sweep; SKS_CRASH_SWEEP=full takes every operation)";
}

void print_cuts(const std::string& name, const SweepCount& count) {
  MESSAGE(name << ": " << count.operations << " operations, " << count.cut_points << " cut points, " << count.disks
               << " disks opened" << kind_of_sweep());
}

}  // namespace

TEST_CASE("the power goes at any operation: the store holds what was before or after the step in flight") {
  SweepCount all;
  for (const Script& script : all_scripts()) {
    Sweep sweep(script);
    sweep.cut_power();
    print_cuts(script.name, sweep.count());
    all.operations += sweep.count().operations;
    all.cut_points += sweep.count().cut_points;
    all.disks += sweep.count().disks;
  }
  print_cuts("power cuts", all);
  CHECK(all.cut_points > 300);
}

TEST_CASE("the power goes again while a store is used after a power cut") {
  SweepCount all;
  for (const bool prepay : {false, true}) {
    const Script first_script = pins(prepay);
    Sweep first(first_script);
    first.cut_power();
    const Script second_script{"after a power cut",
                               config_with(prepay),
                               {},
                               {begin(), try_pin("A", kFirstPin), try_pin("A", kWrongPin), open_session("S"),
                                create_key("S", "C2"), abort_session("S"), end()}};
    const std::size_t stride = full_sweep() ? 1 : kLeftoverStride;
    for (std::size_t i = 0; i < first.leftovers().size(); i += stride) {
      Sweep second(second_script, first.leftovers()[i]);
      second.cut_power();
      all.operations += second.count().operations;
      all.cut_points += second.count().cut_points;
      all.disks += second.count().disks;
    }
  }
  print_cuts("second power cuts", all);
  CHECK(all.cut_points > 30);
}

TEST_CASE("the disk fails at any operation: nothing is half done, and nothing comes back") {
  using Fault = FaultDisk::Fault;
  using Duration = FaultDisk::Duration;
  SweepCount all;
  for (const Script& script : all_scripts()) {
    Sweep sweep(script);
    sweep.fail_operations(Fault::io_error, Duration::once);
    sweep.fail_operations(Fault::full, Duration::once);
    sweep.fail_operations(Fault::io_error, Duration::from_then_on);
    sweep.fail_operations(Fault::full, Duration::from_then_on);
    all.failures += sweep.count().failures;
  }
  MESSAGE(all.failures << " failing operations" << kind_of_sweep());
  CHECK(all.failures > 60);
}

}  // namespace sks::test
