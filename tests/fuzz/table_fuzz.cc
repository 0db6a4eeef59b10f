// Any bytes as a table. Checksums would keep a fuzzer out of everything that is behind them, so most inputs are taken
// as the contents of the blocks of a table, which get a frame with right checksums here.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/coding.h"
#include "lsm/internal_key.h"
#include "lsm/table/format.h"
#include "lsm/table/table.h"
#include "lsm/table/table_dump.h"
#include "tests/lsm/table/memory_storage.h"

namespace {

using namespace silt::lsm;  // NOLINT: a test

constexpr uint64_t kSalt = 42;

class Framer {
 public:
  explicit Framer(std::string_view input) : input_(input) {}

  std::string Run() {
    uint8_t flags = Byte();
    BlockHandle data = Write(Part(), Byte() % 4);
    Footer footer;
    BlockHandle partition;
    if ((flags & 1) != 0) partition = Write(IndexOver(data), 0);
    if ((flags & 2) != 0) footer.filter = Write(Part(), 0);
    if ((flags & 4) != 0) footer.range_tombstones = Write(Part(), 0);
    std::string index = (flags & 8) != 0 ? std::string(Part()) : IndexOver((flags & 1) != 0 ? partition : data);
    footer.index = Write(index, 0);
    footer.properties = Write(Part(), 0);
    footer.two_level_index = (flags & 1) != 0;
    footer.salt = kSalt;
    footer.file_size = file_.size() + Footer::kSize;
    return file_ + footer.Encode();
  }

 private:
  uint8_t Byte() {
    if (input_.empty()) return 0;
    auto byte = static_cast<uint8_t>(input_[0]);
    input_.remove_prefix(1);
    return byte;
  }
  std::string_view Part() {
    size_t size = std::min<size_t>(size_t{Byte()} * 2, input_.size());
    std::string_view part = input_.substr(0, size);
    input_.remove_prefix(size);
    return part;
  }
  // One entry that leads there from every key.
  static std::string IndexOver(const BlockHandle& handle) {
    std::string value;
    PutBlockHandle(&value, handle);
    std::string key = MakeSeekKey("\xff\xff\xff", kMaxSequence);
    std::string block;
    PutVarint64(&block, 0);
    PutVarint64(&block, key.size());
    PutVarint64(&block, value.size());
    block += key + value;
    PutFixed<uint32_t>(&block, 0);
    PutFixed<uint32_t>(&block, 1);
    return block;
  }
  BlockHandle Write(std::string_view contents, uint8_t compression) {
    BlockHandle handle{file_.size(), contents.size()};
    file_.append(contents);
    AppendBlockTrailer(&file_, contents.size(), static_cast<Compression>(compression), kSalt, handle.offset);
    return handle;
  }

  std::string_view input_;
  std::string file_;
};

void Use(const Table& table, size_t bound) {
  for (const auto& fragment : table.range_tombstones().fragments()) {
    if (fragment.begin >= fragment.end) std::abort();
  }
  size_t steps = 0;
  auto it = table.NewIterator({});
  for (it->SeekToFirst(); it->Valid() && steps < bound; it->Next()) ++steps;
  for (it->SeekToLast(); it->Valid() && steps < 2 * bound; it->Prev()) ++steps;
  for (const char* key : {"", "a", "key", "\xff\xff\xff\xff"}) {
    PinnedValue value;
    SequenceNumber sequence = 0;
    auto found = table.Get({}, key, 100, &value, &sequence);
    if (!found && !found.error().IsCorruption()) std::abort();
    it->Seek(MakeSeekKey(key, 50));
    it->SeekForPrev(MakeSeekKey(key, 50));
    if (!table.range_tombstones().Cover(key, 100).Contains(key)) std::abort();
    table.ApproximateOffsetOf(MakeSeekKey(key, 50));
  }
  Status verified = table.Verify({});
  if (!verified.ok() && !verified.IsCorruption()) std::abort();
}

void Open(const std::string& bytes) {
  auto file = std::make_shared<MemoryFileBytes>();
  file->bytes = bytes;
  auto table = Table::Open(std::make_unique<MemoryReader>(file), "fuzz.sst", 1, bytes.size(), nullptr);
  if (table) Use(**table, 10 * bytes.size());
  MemoryStorage storage;
  storage.Put("fuzz.sst", bytes);
  // Its findings were looked at above; here it only has to survive.
  Status dumped = DumpTable(&storage, "fuzz.sst", {.blocks = true, .entries = true}, [](std::string_view) {});
  if (dumped.ok() && !table) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  Open(std::string(input));
  Open(Framer(input).Run());
  return 0;
}
