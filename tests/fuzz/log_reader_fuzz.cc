// The log reader on hostile bytes: it never crashes, and never gives a record that was not written.
#include <vector>

#include "fuzz_input.h"
#include "lsm/storage/sim_storage.h"
#include "lsm/wal/log_reader.h"
#include "lsm/wal/log_writer.h"

using namespace silt::lsm;
using silt::fuzz::FuzzInput;

namespace {

constexpr FileNumber kNumber = 12;
constexpr uint32_t kSalt = 77;

std::unique_ptr<WritableFile> Create(SimStorage* disk) {
  return std::move(*disk->NewWritableFile("/log"));
}

std::vector<std::string> Read(SimStorage* disk, Status* status) {
  LogReader reader(std::move(*disk->NewRandomAccessFile("/log")), "/log", kNumber);
  std::vector<std::string> records;
  std::string_view record;
  uint64_t end = 0;
  while (reader.ReadRecord(&record)) {
    SILT_FUZZ_CHECK(reader.LastRecordOffset() >= end && reader.EndOfLastRecord() > reader.LastRecordOffset());
    end = reader.EndOfLastRecord();
    records.emplace_back(record);
  }
  *status = reader.status();
  SILT_FUZZ_CHECK(status->ok() || status->IsCorruption());
  return records;
}

void ReadRawBytes(FuzzInput input) {
  SimStorage disk;
  SILT_FUZZ_CHECK(Create(&disk)->Append(input.rest()).ok());
  Status status;
  Read(&disk, &status);
}

// Headers of any content, with checksums that match.
void ReadWellSummedFragments(FuzzInput input) {
  std::string file;
  uint8_t last = input.empty() ? 0 : static_cast<uint8_t>(input.rest().back());
  while (!input.empty() && file.size() < (1 << 20)) {
    FragmentHeader header{.log_number = static_cast<uint32_t>(kNumber) - input.Number<uint8_t>() % 2,
                          .salt = kSalt + input.Number<uint8_t>() % 2,
                          .durable = input.Number<uint32_t>() % (1 << 18),
                          .length = input.Number<uint16_t>(),
                          .type = static_cast<FragmentType>(input.Number<uint8_t>() % 6)};
    size_t at = file.size();
    file.append(kLogHeaderSize + header.length, 'p');
    EncodeFragmentHeader(file.data() + at, header);
    EncodeFixed<uint64_t>(file.data() + at, FragmentChecksum(file.data() + at, header.length));
    if (input.Number<uint8_t>() % 4 == 0) file.resize((file.size() / kLogBlockSize + 1) * kLogBlockSize);
  }
  // Most files end short of what the last header says.
  file.resize(file.size() - std::min<size_t>(file.size(), last / 4));
  SimStorage disk;
  SILT_FUZZ_CHECK(Create(&disk)->Append(file).ok());
  Status status;
  Read(&disk, &status);
}

// A true log, then damage.
void ReadDamagedLog(FuzzInput input) {
  SimStorage disk;
  LogWriter log(Create(&disk), "/log", kNumber, kSalt);
  std::vector<std::string> written;
  for (uint64_t count = input.UpTo(20); count > 0; --count) {
    written.emplace_back(input.Number<uint32_t>() % 80000, static_cast<char>(count));
    SILT_FUZZ_CHECK(log.AddRecord(written.back()).ok());
    if (input.Number<uint8_t>() % 3 == 0) SILT_FUZZ_CHECK(log.Sync().ok());
  }
  while (!input.empty() && log.Size() > 0) {
    uint64_t offset = input.UpTo(log.Size() - 1);
    std::string junk(input.Bytes(1 + input.Number<uint8_t>() % 64));
    junk.resize(std::min<uint64_t>(junk.size(), log.Size() - offset));
    SILT_FUZZ_CHECK(disk.Overwrite("/log", offset, junk).ok());
  }
  Status status;
  std::vector<std::string> read = Read(&disk, &status);
  SILT_FUZZ_CHECK(read.size() <= written.size());
  SILT_FUZZ_CHECK(std::equal(read.begin(), read.end(), written.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  switch (input.Number<uint8_t>() % 3) {
    case 0:
      ReadRawBytes(input);
      break;
    case 1:
      ReadWellSummedFragments(input);
      break;
    default:
      ReadDamagedLog(input);
      break;
  }
  return 0;
}
