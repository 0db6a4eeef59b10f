// The same random operations under randomly drawn engine options must read the same. The history that a simple model
// (a sorted map for each moment) gives is the reference; each configuration replays the operations with its own
// options, threads and maintenance between them (flushes, compactions, reopens, read-only opens, checkpoints, power
// cuts after a sync). Idea: Pebble's metamorphic test.
//
//   SILT_SEED=n          replays one operation sequence      SILT_META_SEEDS=n     how many sequences (from seed 1 on)
//   SILT_META_CONFIG=n   one configuration of it             SILT_META_CONFIGS=n   how many configurations of each
//   SILT_META_OPS=n      its length                          SILT_META_MINUTES=n   ever new seeds, for so long
//   SILT_META_SHRINK=1   with SILT_SEED and SILT_META_CONFIG: leaves operations out for as long as it still fails, and
//                        prints those that are left
// A failure prints the command that shrinks it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tests/lsm/db/metamorphic_model.h"
#include "tests/lsm/db/metamorphic_operations.h"
#include "tests/lsm/db/metamorphic_subject.h"

namespace silt::lsm::metamorphic {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::strtoull(value, nullptr, 10) : otherwise;
}

uint64_t SubjectSeed(uint64_t seed, uint64_t config) {
  return seed * 1'000'003 + config;
}

// What the model gives for each operation.
std::vector<std::string> Expected(const std::vector<Operation>& operations) {
  Model model;
  std::vector<std::string> expected;
  for (const Operation& operation : operations) expected.push_back(model.Apply(operation));
  return expected;
}

// Empty when the engine agrees.
std::string Replay(uint64_t subject_seed, const std::vector<Operation>& operations,
                   const std::vector<std::string>& expected) {
  Subject subject(subject_seed);
  if (Status opened = subject.Open(); !opened.ok()) return "open: " + opened.ToString();
  for (size_t i = 0; i < operations.size(); ++i) {
    std::string result = subject.Apply(operations[i]);
    if (result == expected[i]) continue;
    return fmt::format("operation {}: {}\n  gives   {}\n  and not {}", i, Describe(operations[i]), result, expected[i]);
  }
  std::string damage = subject.Verify();
  return damage.empty() ? "" : "verify: " + damage;
}

// Leaves out ever smaller pieces while what is left still fails.
void Shrink(uint64_t subject_seed, std::vector<Operation> operations) {
  auto fails = [&](const std::vector<Operation>& some) { return Replay(subject_seed, some, Expected(some)); };
  std::string failure = fails(operations);
  if (failure.empty()) return static_cast<void>(fmt::print("it does not fail\n"));
  for (size_t piece = operations.size() / 2; piece > 0;) {
    size_t before = operations.size();
    for (size_t at = 0; at < operations.size();) {
      std::vector<Operation> fewer(operations.begin(), operations.begin() + static_cast<std::ptrdiff_t>(at));
      size_t rest = std::min(at + piece, operations.size());
      fewer.insert(fewer.end(), operations.begin() + static_cast<std::ptrdiff_t>(rest), operations.end());
      fewer = SoundPart(fewer);
      std::string still = fails(fewer);
      if (still.empty()) {
        at += piece;
        continue;
      }
      operations = std::move(fewer);
      failure = std::move(still);
    }
    if (piece > 1 || operations.size() == before) piece /= 2;  // single ones again and again, while any can go
  }
  fmt::print("{}\n{} operations are left:\n", Subject(subject_seed).Describe(), operations.size());
  for (const Operation& operation : operations) fmt::print("  {}: {}\n", operation.id, Describe(operation));
  FAIL() << failure;
}

void RunConfiguration(uint64_t seed, uint64_t config, const std::vector<Operation>& operations,
                      const std::vector<std::string>& expected) {
  std::string failure = Replay(SubjectSeed(seed, config), operations, expected);
  ASSERT_EQ(failure, "") << Subject(SubjectSeed(seed, config)).Describe() << "\n"
                         << fmt::format(
                                "to shrink it: SILT_SEED={} SILT_META_CONFIG={} SILT_META_OPS={} SILT_META_SHRINK=1 "
                                "lsm_db_test --gtest_filter='Metamorphic*'",
                                seed, config, operations.size() - kClosingOperations);
}

void RunSeed(uint64_t seed, size_t count) {
  auto operations = MakeOperations(seed, count);
  auto expected = Expected(operations);
  if (uint64_t config = FromEnvironment("SILT_META_CONFIG", 0); config != 0) {
    fmt::print("{}\n", Subject(SubjectSeed(seed, config)).Describe());  // also for a replay that hangs
    if (std::getenv("SILT_META_SHRINK") != nullptr) return Shrink(SubjectSeed(seed, config), operations);
    return RunConfiguration(seed, config, operations, expected);
  }
  uint64_t configs = FromEnvironment("SILT_META_CONFIGS", 6);
  for (uint64_t config = 1; config <= configs && !::testing::Test::HasFatalFailure(); ++config) {
    RunConfiguration(seed, config, operations, expected);
  }
}

TEST(MetamorphicTest, SameHistoryUnderAnyOptions) {
  size_t count = FromEnvironment("SILT_META_OPS", 1500);
  if (uint64_t seed = FromEnvironment("SILT_SEED", 0); seed != 0) return RunSeed(seed, count);
  if (uint64_t minutes = FromEnvironment("SILT_META_MINUTES", 0); minutes != 0) {
    using Clock = std::chrono::steady_clock;
    auto end = Clock::now() + std::chrono::minutes(minutes);
    auto seed = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    for (; Clock::now() < end && !HasFatalFailure(); ++seed) RunSeed(seed, count);
    return;
  }
  uint64_t seeds = FromEnvironment("SILT_META_SEEDS", 4);
  for (uint64_t seed = 1; seed <= seeds && !HasFatalFailure(); ++seed) RunSeed(seed, count);
}

// Leaving operations out must leave a sequence that makes sense, whichever they are.
TEST(MetamorphicTest, APartOfASequenceIsASequence) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    auto operations = MakeOperations(seed, 300);
    EXPECT_EQ(SoundPart(operations).size(), operations.size()) << "the whole is sound";
    Random random(seed);
    std::erase_if(operations, [&](const Operation&) { return random.OneIn(3); });
    operations = SoundPart(operations);
    ASSERT_EQ(Replay(SubjectSeed(seed, 1), operations, Expected(operations)), "");
  }
}

}  // namespace
}  // namespace silt::lsm::metamorphic
