#include "bench/p11/figures.h"

#include <array>

namespace sks::bench {
namespace {

using enum Measure;
using enum BoundOf;

constexpr auto kFigures = std::to_array<Figure>({
    {"sign-p256", "C_Sign P-256", "sign-p256", rate, 1, 1, Stage::small, ratio_to_bare, 0.48},
    {"sign-p256-2-threads", "C_Sign P-256, 2 threads", "sign-p256", rate, 2, 1, Stage::small, ratio_to_one, 1.7},
    {"sign-p256-2-processes", "C_Sign P-256, 2 processes", "sign-p256", rate, 1, 2, Stage::small, ratio_to_one, 1.7},
    {"sign-rsa2048", "C_Sign RSA-2048 PKCS#1", "sign-rsa2048", rate, 1, 1, Stage::small, ratio_to_bare, 0.93},
    {"gcm-1k", "C_Encrypt AES-256-GCM, 1 KiB", "gcm-1k", rate, 1, 1, Stage::small, at_least, 35'000},
    {"hmac-1k", "C_Sign HMAC-SHA256, 1 KiB", "hmac-1k", rate, 1, 1, Stage::small, at_least, 35'000},
    {"null-call", "C_GetSessionInfo", "null-call", rate, 1, 1, Stage::small, nothing, 0},
    {"token-info", "C_GetTokenInfo", "token-info", microseconds, 1, 1, Stage::small, at_most, 100},
    {"slot-list", "C_GetSlotList", "slot-list", microseconds, 1, 1, Stage::small, at_most, 100},
    {"generate-p256", "C_GenerateKeyPair P-256, durable", "generate-p256", rate, 1, 1, Stage::store, nothing, 0},
    {"generate-p256-4-threads", "the same, 4 threads", "generate-p256", rate, 4, 1, Stage::store, at_least, 1'000},
    {"stress-4-threads", "generate, find, sign, destroy: 4 threads", "cycle", stress, 4, 1, Stage::store, errors, 0},
    {"stress-4-processes", "the same, 4 processes", "cycle", stress, 1, 4, Stage::store, errors, 0},
    {"find-by-id", "find by CKA_ID and class", "find-by-id", microseconds, 1, 1, Stage::filled, at_most, 50},
    {"token-info-filled", "C_GetTokenInfo, filled", "token-info", microseconds, 1, 1, Stage::filled, at_most, 100},
    {"slot-list-filled", "C_GetSlotList, filled", "slot-list", microseconds, 1, 1, Stage::filled, at_most, 100},
    {"module-memory", "resident memory of the module, filled", "find-by-id", module_memory, 1, 1, Stage::filled,
     at_most, 2},
    {"daemon-memory", "resident memory of the daemon, filled", "", daemon_memory, 1, 1, Stage::filled, at_most, 40},
    {"first-find", "C_Initialize to first find", "", first_find, 1, 1, Stage::filled, at_most, 2},
    {"first-find-start", "the same, daemon to be started", "", first_start, 1, 1, Stage::filled, at_most, 60},
});

}  // namespace

std::span<const Figure> figures() { return kFigures; }

std::string_view unit_of(Measure measure) {
  switch (measure) {
    case rate:
    case stress:
      return "1/s";
    case microseconds:
      return "us";
    case first_find:
    case first_start:
      return "ms";
    case module_memory:
    case daemon_memory:
      return "MiB";
  }
  return "";
}

}  // namespace sks::bench
