// One thread syncs for all who wait; who is alone syncs without it.
#include "mount/sync_queue.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <future>
#include <latch>
#include <semaphore>

namespace silt::mount {
namespace {

constexpr auto kNoOthers = [] { return false; };

TEST(SyncQueueTest, RequestsThatComeDuringASyncAreAnsweredByTheNextTogether) {
  std::binary_semaphore begun{0}, may_end{0};
  std::atomic<int> syncs{0};
  std::vector<int> answered_by;  // the queue's thread only, until the queue is gone
  {
    SyncQueue queue([&] {
      if (++syncs == 1) {
        begun.release();
        may_end.acquire();
      }
      return 0;
    });
    auto answered = [&](int error) {
      EXPECT_EQ(error, 0);
      answered_by.push_back(syncs);
    };
    queue.Add(answered);
    begun.acquire();
    for (int i = 0; i < 3; ++i) queue.Add(answered);
    may_end.release();
  }
  EXPECT_THAT(answered_by, testing::ElementsAre(1, 2, 2, 2));
}

TEST(SyncQueueTest, AFailureIsEverybodysAnswer) {
  std::vector<int> errors;
  {
    SyncQueue queue([] { return EIO; });
    for (int i = 0; i < 3; ++i) queue.Add([&](int error) { errors.push_back(error); });
  }
  EXPECT_THAT(errors, testing::ElementsAre(EIO, EIO, EIO));
  SyncQueue queue([] { return EROFS; });
  EXPECT_EQ(queue.SyncHere(kNoOthers), EROFS);
}

void SyncAndWait(SyncQueue* queue) {
  std::promise<void> done;
  queue->Add([&](int) { done.set_value(); });
  done.get_future().wait();
}

TEST(SyncQueueTest, WhoSyncsAgainAndAgainWithoutAnyOtherRequestIsAlone) {
  SyncQueue queue([] { return 0; });
  for (int i = 0; i < SyncQueue::kSyncsAlone; ++i) {
    EXPECT_FALSE(queue.IsAlone()) << i;
    queue.OnOtherRequest();  // between syncs: the write that is synced
    SyncAndWait(&queue);
  }
  EXPECT_TRUE(queue.IsAlone());
  EXPECT_EQ(queue.SyncHere(kNoOthers), 0);
  EXPECT_TRUE(queue.IsAlone());
}

TEST(SyncQueueTest, ARequestDuringASyncEndsTheSolitude) {
  SyncQueue* self = nullptr;
  bool another = false;
  SyncQueue queue([&] {
    if (another) self->OnOtherRequest();
    return 0;
  });
  self = &queue;
  auto become_alone = [&] {
    for (int i = 0; i < SyncQueue::kSyncsAlone; ++i) queue.SyncHere(kNoOthers);
    EXPECT_TRUE(queue.IsAlone());
  };
  become_alone();
  another = true;
  queue.SyncHere(kNoOthers);
  EXPECT_FALSE(queue.IsAlone());
  another = false;
  become_alone();
  queue.SyncHere([] { return true; });  // the caller kept somebody waiting
  EXPECT_FALSE(queue.IsAlone());
}

TEST(SyncQueueTest, TwoAtATimeAreNotAlone) {
  std::latch both(2);
  std::atomic<bool> meet{false};
  SyncQueue queue([&] {
    if (meet) both.arrive_and_wait();
    return 0;
  });
  for (int i = 0; i < SyncQueue::kSyncsAlone; ++i) queue.SyncHere(kNoOthers);
  ASSERT_TRUE(queue.IsAlone());
  meet = true;
  std::thread other([&] { queue.SyncHere(kNoOthers); });
  queue.SyncHere(kNoOthers);
  other.join();
  EXPECT_FALSE(queue.IsAlone());
}

TEST(SyncQueueTest, SlowSyncsAreLeftToTheQueue) {
  SyncQueue queue([] {
    for (auto begun = SyncQueue::Clock::now(); SyncQueue::Clock::now() < begun + 2 * SyncQueue::kLongest;) {
    }
    return 0;
  });
  for (int i = 0; i < 4 * SyncQueue::kSyncsAlone; ++i) queue.SyncHere(kNoOthers);
  EXPECT_FALSE(queue.IsAlone());
}

}  // namespace
}  // namespace silt::mount
