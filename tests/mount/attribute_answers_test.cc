// When a change of a directory has to take back what others were told of it.
#include "mount/attribute_answers.h"

#include <gtest/gtest.h>

namespace silt::mount {
namespace {

class SteppedClock final : public lsm::Clock {
 public:
  uint64_t MonotonicMicros() override { return now; }
  uint64_t UnixSeconds() override { return 0; }
  void SleepMicros(uint64_t micros) override { now += micros; }
  uint64_t now = 1;
};

class AttributeAnswersTest : public ::testing::Test {
 protected:
  SteppedClock clock_;
  AttributeAnswers answers_{&clock_};
};

TEST_F(AttributeAnswersTest, NobodyWasTold) {
  EXPECT_FALSE(answers_.MayBeOnTheWay(5, 100));
}

TEST_F(AttributeAnswersTest, WhoMakesTheChangeHasTakenItsOwnAnswersIn) {
  answers_.Told(5, 100);
  answers_.Told(5, 100);
  EXPECT_FALSE(answers_.MayBeOnTheWay(5, 100));
}

TEST_F(AttributeAnswersTest, AnothersAnswerIsTakenBackOnce) {
  answers_.Told(5, 200);
  EXPECT_FALSE(answers_.MayBeOnTheWay(6, 100));
  EXPECT_TRUE(answers_.MayBeOnTheWay(5, 100));
  EXPECT_FALSE(answers_.MayBeOnTheWay(5, 100));
}

TEST_F(AttributeAnswersTest, OneOfSeveralMayBeAnother) {
  answers_.Told(5, 200);
  answers_.Told(5, 100);
  EXPECT_TRUE(answers_.MayBeOnTheWay(5, 100));
}

TEST_F(AttributeAnswersTest, AThreadWithoutANumberMayBeAnother) {
  answers_.Told(5, 0);
  EXPECT_TRUE(answers_.MayBeOnTheWay(5, 0));
}

TEST_F(AttributeAnswersTest, WhatIsBeingMadeMayConcernAny) {
  {
    AttributeAnswers::Answering answering(&answers_);
    EXPECT_TRUE(answers_.MayBeOnTheWay(5, 100));
  }
  EXPECT_FALSE(answers_.MayBeOnTheWay(5, 100));
}

TEST_F(AttributeAnswersTest, OldAnswersHaveBeenTakenIn) {
  answers_.Told(5, 200);
  clock_.now += AttributeAnswers::kTakenInMicros + 1;
  EXPECT_FALSE(answers_.MayBeOnTheWay(5, 100));
  answers_.Told(6, 200);
  clock_.now += AttributeAnswers::kTakenInMicros + 1;
  answers_.Told(6, 100);
  EXPECT_FALSE(answers_.MayBeOnTheWay(6, 100));
}

TEST_F(AttributeAnswersTest, TooManyToRememberAreAllOnTheWay) {
  for (fs::InodeNumber ino = 0; ino <= 16 * (AttributeAnswers::kPerShard + 1); ino += 16) answers_.Told(ino, 200);
  EXPECT_TRUE(answers_.MayBeOnTheWay(16, 100));
  EXPECT_TRUE(answers_.MayBeOnTheWay(1 << 20, 100));
  EXPECT_FALSE(answers_.MayBeOnTheWay(1, 100)) << "of another shard";
  clock_.now += AttributeAnswers::kTakenInMicros + 1;
  EXPECT_FALSE(answers_.MayBeOnTheWay(16, 100));
}

TEST_F(AttributeAnswersTest, OfFilesOnlyAnothersAnswersMatterAndOnlyForAWhile) {
  EXPECT_FALSE(answers_.FileMayBeOnTheWay(5, 100));
  answers_.ToldFile(5, 100);
  EXPECT_FALSE(answers_.FileMayBeOnTheWay(5, 100));
  EXPECT_TRUE(answers_.FileMayBeOnTheWay(5, 200));
  EXPECT_FALSE(answers_.FileMayBeOnTheWay(6, 200));
  answers_.ToldFile(5, 200);
  EXPECT_TRUE(answers_.FileMayBeOnTheWay(5, 100)) << "one of several";
  EXPECT_TRUE(answers_.FileMayBeOnTheWay(5, 200)) << "one of several";
  clock_.now += 2 * AttributeAnswers::kTakenInMicros;
  EXPECT_FALSE(answers_.FileMayBeOnTheWay(5, 100));
  answers_.ToldFile(5, 100);
  EXPECT_FALSE(answers_.FileMayBeOnTheWay(5, 100)) << "the others have taken theirs in";
  AttributeAnswers::Answering answering(&answers_);
  EXPECT_TRUE(answers_.FileMayBeOnTheWay(5, 100)) << "of what is being made nobody knows what of";
}

}  // namespace
}  // namespace silt::mount
