#include "tests/integrators/ram_flash.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace sks::test {
namespace {

RamFlash& owner_of(struct flash* chip) { return *reinterpret_cast<RamFlash::Chip*>(chip)->owner; }

}  // namespace

RamFlash::RamFlash(std::size_t blocks, std::size_t block_size) : cells(blocks * block_size, 0xFF) {
  chip.owner = this;
  chip.flash.memory = cells.data();
  chip.flash.size = cells.size();
  chip.flash.block_size = block_size;
  chip.flash.program = [](struct flash* flash, std::size_t offset, const std::uint8_t* data, std::size_t size) {
    return owner_of(flash).program(offset, {data, size});
  };
  chip.flash.erase = [](struct flash* flash, std::size_t block) { return owner_of(flash).erase(block); };
}

bool RamFlash::spend() {
  if (left_ == std::size_t{0}) return false;
  if (left_) --*left_;
  ++work_done_;
  return true;
}

int RamFlash::program(std::size_t offset, ByteView data) {
  REQUIRE(offset + data.size() <= cells.size());
  bool sets_bits = false;
  for (std::size_t i = 0; i < data.size(); ++i) sets_bits |= (data[i] & ~cells[offset + i]) != 0;
  REQUIRE(!sets_bits);
  for (const std::uint8_t byte : data) {
    if (!spend()) return -1;
    cells[offset++] = byte;
  }
  return 0;
}

int RamFlash::erase(std::size_t block) {
  REQUIRE((block + 1) * chip.flash.block_size <= cells.size());
  const std::span<std::uint8_t> erased = std::span(cells).subspan(block * chip.flash.block_size, chip.flash.block_size);
  ++erasures_;
  for (std::size_t step = 0; step < kEraseCost; ++step) {
    if (!spend()) return -1;
    // Halfway, cells hold anything.
    for (std::size_t i = step; i < erased.size(); i += kEraseCost)
      erased[i] |= static_cast<std::uint8_t>(i * 37 + step);
  }
  std::ranges::fill(erased, std::uint8_t{0xFF});
  return 0;
}

bool is_in(const RamFlash& flash, ByteView secret) {
  return std::search(flash.cells.begin(), flash.cells.end(), secret.begin(), secret.end()) != flash.cells.end();
}

}  // namespace sks::test
