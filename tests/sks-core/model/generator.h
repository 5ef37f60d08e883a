#pragma once

#include <random>

#include "tests/sks-core/model/world.h"

namespace sks::model {

/// Makes up calls: mostly ones that succeed and lead somewhere, now and then one with something wrong.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}
  Call next(const World& world);

 private:
  using Maker = Call (Generator::*)();
  struct Choice {
    unsigned weight;
    Maker make;
  };

  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class T>
  const T& pick(const std::vector<T>& values) {
    return values.at(below(static_cast<unsigned>(values.size())));
  }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return *(values.begin() + below(static_cast<unsigned>(values.size())));
  }

  Call call(Method method) const;
  Call choose(const std::vector<Choice>& choices);
  Call provision();
  Call use();
  Call create_session();
  Call interrupt();

  // Issuers: generator_issuer.cpp
  Call advance_session();
  Call create_puk_policy();
  Call create_pin_policy();
  Call create_key();
  Call create_key_in(Handle session, Handle policy);
  Call create_heir(Handle target);
  std::vector<Handle> policies_for(Handle session);
  Handle any_open_key();
  Call certify(Handle key);
  Call import_symmetric();
  Call import_private();
  Call add_extension();
  Call post();
  Call switch_as_issuer();
  Call close_session();
  Call abort_session();
  Call update_kmk();
  Call get_key_handle();
  void spoil(Call& call);
  bool suits(Handle policy, std::uint8_t app_usage, const std::string& pin) const;
  std::string pin_for(Handle policy, std::uint8_t app_usage);

  // Users: generator_user.cpp
  Call try_pin();
  Call use_key();
  Call change_pin();
  Call use_puk();
  Call delete_key();
  Call export_key();
  Call set_property();
  Call switch_as_user();
  std::string pin_guess(Handle key);
  std::string puk_guess(Handle key);
  std::string authorization_for(std::uint8_t protection, Handle key);

  const State& state() const { return world_->state(); }
  /// Rather one for which `is_wanted` holds.
  template <class Predicate>
  Handle any_key_like(Predicate is_wanted) {
    std::vector<Handle> wanted;
    for (const auto& [handle, key] : state().keys)
      if (state().std_key(handle) != nullptr && is_wanted(key)) wanted.push_back(handle);
    return wanted.empty() || chance(15) ? any_key(chance(2)) : pick(wanted);
  }
  Handle any_key_with_pin();
  int count_closed_keys() const;
  Handle any_session(bool open);
  Handle any_key(bool open);
  Handle any_target();
  int session_label(Handle handle);
  int key_label(Handle handle);
  std::string id(const char* prefix);
  std::string any_pin();

  std::mt19937_64 random_;
  const World* world_ = nullptr;
  int label_ = 0;
};

}  // namespace sks::model
