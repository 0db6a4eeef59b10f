// The parts of the transport that can be had without a mount: what tests/e2e/cases/transport.py does not see.
#include <gmock/gmock.h>
#include <linux/fuse.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <latch>
#include <string>

#include "mount/fuse_adapter.h"
#include "mount/request_durations.h"
#include "mount/ring_entry.h"
#include "mount/ring_queue.h"
#include "mount/worker_pool.h"

namespace silt::mount {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST(RequestDurations, WhatWaitsForTheDiskByNatureStartsOutLong) {
  RequestDurations durations;
  EXPECT_TRUE(durations.IsLong(FUSE_FALLOCATE));
  EXPECT_TRUE(durations.IsLong(FUSE_COPY_FILE_RANGE));
  EXPECT_FALSE(durations.IsLong(FUSE_LOOKUP));
  EXPECT_FALSE(durations.IsLong(FUSE_WRITE));
}

TEST(RequestDurations, MuchDataIsAKindOfItsOwn) {
  using Durations = RequestDurations;
  RequestDurations durations;
  for (int i = 0; i < 10; ++i) durations.Record(Durations::KindOf(FUSE_WRITE, 1 << 20), std::chrono::milliseconds(2));
  EXPECT_TRUE(durations.IsLong(Durations::KindOf(FUSE_WRITE, Durations::kMuchData)));
  EXPECT_FALSE(durations.IsLong(Durations::KindOf(FUSE_WRITE, Durations::kMuchData - 1)));
  EXPECT_FALSE(durations.IsLong(Durations::KindOf(FUSE_READ, 1 << 20)));
}

// As the kernel lays a request out; the bytes of others at that place mean something else.
TEST(RawRequest, TellsHowMuchDataReadsAndWritesAreAbout) {
  struct {
    fuse_in_header header = {};
    fuse_write_in write = {};
  } bytes;
  bytes.header.len = sizeof bytes;
  bytes.write.size = 12345;
  for (auto [opcode, wanted] : {std::pair(FUSE_WRITE, 12345u), {FUSE_READ, 12345u}, {FUSE_SETATTR, 0u}}) {
    bytes.header.opcode = opcode;
    EXPECT_EQ(RawRequest({reinterpret_cast<char*>(&bytes), sizeof bytes}).DataBytes(), wanted) << opcode;
  }
}

TEST(RequestDurations, OneVeryLongRequestCountsAtOnceAndManyQuickOnesMakeUpForIt) {
  RequestDurations durations;
  durations.Record(FUSE_READ, milliseconds(1));
  EXPECT_TRUE(durations.IsLong(FUSE_READ));
  EXPECT_FALSE(durations.IsLong(FUSE_WRITE)) << "each kind for itself";
  for (int i = 0; i < 100; ++i) durations.Record(FUSE_READ, microseconds(5));
  EXPECT_FALSE(durations.IsLong(FUSE_READ));
}

TEST(WorkerPool, WorkThatWaitsDoesNotHoldUpOtherWork) {
  std::latch all(4);
  WorkerPool pool(4);                                                    // joins its threads before the latch goes
  for (int i = 0; i < 4; ++i) pool.Add([&] { all.arrive_and_wait(); });  // none ends before all have begun
  all.wait();
}

TEST(WorkerPool, WhatWasAddedIsDoneBeforeTheEnd) {
  std::atomic<int> done{0};
  {
    WorkerPool pool(2);
    for (int i = 0; i < 100; ++i) pool.Add([&] { ++done; });
  }
  EXPECT_EQ(done, 100);
}

class RingEntryTest : public testing::Test {
 protected:
  // As the kernel leaves a request in the buffers.
  void Arrive(uint32_t length, const std::string& argument, const std::string& payload) {
    fuse_in_header in{};
    in.len = length;
    in.unique = 77;
    std::memcpy(header()->in_out, &in, sizeof(in));
    std::memcpy(header()->argument, argument.data(), argument.size());
    std::memcpy(this->payload(), payload.data(), payload.size());
    header()->entry.payload_size = static_cast<uint32_t>(payload.size());
    header()->entry.commit_id = 5;
  }
  ring_abi::RequestHeader* header() { return static_cast<ring_abi::RequestHeader*>(entry_->Buffers()[0].iov_base); }
  char* payload() { return static_cast<char*>(entry_->Buffers()[1].iov_base); }
  fuse_out_header out() {
    fuse_out_header out{};
    std::memcpy(&out, header()->in_out, sizeof(out));
    return out;
  }

  std::unique_ptr<RingEntry> entry_ = RingEntry::Create();
};

TEST_F(RingEntryTest, ARequestIsGivenInOnePieceAsFromTheDevice) {
  const std::string argument(24, 'a'), data = "payload";
  Arrive(static_cast<uint32_t>(sizeof(fuse_in_header) + argument.size() + data.size()), argument, data);
  std::span<char> request = entry_->TakeRequest();
  EXPECT_EQ(std::string(request.begin() + sizeof(fuse_in_header), request.end()), argument + data);
  EXPECT_EQ(entry_->commit_id(), 5u);
}

TEST_F(RingEntryTest, LengthsThatMakeNoSenseAreRefused) {
  Arrive(sizeof(fuse_in_header), "", "payload");  // the payload is not in the length
  EXPECT_TRUE(entry_->TakeRequest().empty());
  Arrive(sizeof(fuse_in_header) + 129, "", "");  // an argument longer than its place
  EXPECT_TRUE(entry_->TakeRequest().empty());
  Arrive(sizeof(fuse_in_header), "", "");
  header()->entry.payload_size = kMaxWrite + 1;
  EXPECT_TRUE(entry_->TakeRequest().empty());
}

TEST_F(RingEntryTest, AReplyIsPutTogetherInThePayload) {
  Arrive(sizeof(fuse_in_header), "", "");
  (void)entry_->TakeRequest();
  fuse_out_header reply{.len = 0, .error = 0, .unique = 77};
  std::string one = "one ", two = "two";
  iovec parts[] = {{&reply, sizeof(reply)}, {one.data(), one.size()}, {two.data(), two.size()}};
  EXPECT_EQ(entry_->Reply(parts), 0);
  EXPECT_EQ(std::string(payload(), header()->entry.payload_size), "one two");
  EXPECT_EQ(out().unique, 77u);
}

TEST_F(RingEntryTest, AReplyThatWasMadeInItsPlaceStaysThere) {
  Arrive(sizeof(fuse_in_header), "", "");
  (void)entry_->TakeRequest();
  fuse_out_header reply{.len = 0, .error = 0, .unique = 77};
  std::string_view text = "in place";
  std::copy(text.begin(), text.end(), entry_->Space().begin());
  iovec parts[] = {{&reply, sizeof(reply)}, {entry_->Space().data(), text.size()}};
  EXPECT_EQ(entry_->Reply(parts), 0);
  EXPECT_EQ(std::string(payload(), header()->entry.payload_size), text);
}

TEST_F(RingEntryTest, AReplyThatIsTooLongBecomesAnError) {
  Arrive(sizeof(fuse_in_header), "", "");
  (void)entry_->TakeRequest();
  fuse_out_header reply{.len = 0, .error = 0, .unique = 77};
  std::string much(kMaxWrite + 1, 'x');
  iovec parts[] = {{&reply, sizeof(reply)}, {much.data(), much.size()}};
  EXPECT_EQ(entry_->Reply(parts), -E2BIG);
  EXPECT_EQ(out().error, -EIO);
  EXPECT_EQ(header()->entry.payload_size, 0u);
}

// A session on a file that takes no commands of io_uring: what a kernel is like that refuses an entry after all.
class RefusedRing : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "test";
    char* words[] = {name};
    fuse_args arguments = FUSE_ARGS_INIT(1, words);
    static const fuse_lowlevel_ops operations{};
    session_ = fuse_session_new(&arguments, &operations, sizeof(operations), nullptr);
    fuse_opt_free_args(&arguments);
    ASSERT_NE(session_, nullptr);
    // The session takes the descriptor over.
    ASSERT_EQ(fuse_session_mount(session_, ("/dev/fd/" + std::to_string(::eventfd(0, EFD_CLOEXEC))).c_str()), 0);
  }
  void TearDown() override { fuse_session_destroy(session_); }

  fuse_session* session_ = nullptr;
};

TEST_F(RefusedRing, EachRefusedEntryIsReportedAndTheQueueEnds) {
  WorkerPool workers(1);
  RequestDurations durations;
  SyncQueue syncs([] { return 0; });
  std::latch refused(3);
  std::atomic<int> error{0};
  RingQueue::Shared shared{.session = session_,
                           .observer = nullptr,
                           .workers = &workers,
                           .durations = &durations,
                           .syncs = &syncs,
                           .failed = [&](int why) {
                             error = why;
                             refused.count_down();
                           }};
  auto queue = RingQueue::Create(&shared, 0, 3);
  if (!queue) GTEST_SKIP() << "no io_uring here: " << queue.error().ToString();
  (*queue)->Start();
  refused.wait();
  EXPECT_EQ(error, -EOPNOTSUPP);
  (*queue)->Stop();  // does not wait for requests that cannot come
}

}  // namespace
}  // namespace silt::mount
