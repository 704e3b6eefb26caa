// Damage of every kind: a trace that can't be read says why, and nothing ever crashes.

#include "analyzer/trace/trace_file.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>

#include "analyzer/output/report.h"
#include "analyzer/trace/journal.h"
#include "analyzer/trace/trace_error.h"
#include "tests/fuzz/read_everything.h"
#include "tests/support/model_fixture.h"
#include "tests/support/rich_trace.h"
#include "tests/support/workshop.h"

namespace fdaudit::testing {
namespace {

using analyzer::TraceError;
using analyzer::TraceFile;

TraceFile Open(std::string bytes, const std::string& name = "t.fdaudit") {
  return TraceFile(analyzer::FromMemory(std::move(bytes)), name);
}

/// The message of the error that opening `bytes` gives; empty where it opens.
std::string ErrorOf(std::string bytes, const std::string& name = "t.fdaudit") {
  try {
    Open(std::move(bytes), name);
  } catch (const TraceError& error) {
    return error.what();
  }
  return "";
}

template <typename T>
std::string Patched(std::string bytes, size_t offset, T value) {
  memcpy(bytes.data() + offset, &value, sizeof value);
  return bytes;
}

size_t RegionField(trace::RegionKind kind, size_t field) {
  return offsetof(trace::Header, regions) + static_cast<size_t>(kind) * sizeof(trace::Region) + field;
}

TEST(TraceFile, ReadsBackWhatWasWritten) {
  TraceBuilder builder;
  const uint32_t module = builder.AddModule("/home/me/app");
  const uint32_t stack = builder.AddStack({{module, 0x1234}, {0, 0x7f0000000001}}, trace::kStackCut);
  const uint32_t image = builder.AddImage();
  const TraceFile file = Open(builder.Bytes());

  trace::ImageRecord record;
  ASSERT_TRUE(file.Get(trace::RegionKind::kImages, image - 1, &record));
  EXPECT_EQ(file.GetText(record.exe), "/home/me/app");
  std::vector<uint64_t> frames;
  uint16_t flags = 0;
  ASSERT_TRUE(file.GetStack(stack, &frames, &flags));
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0], uint64_t{module} << trace::kFrameOffsetBits | 0x1234);
  EXPECT_EQ(flags, trace::kStackCut);
  EXPECT_FALSE(file.GetStack(stack + 1, &frames, &flags));
  EXPECT_FALSE(file.GetStack(0, &frames, &flags));
  EXPECT_EQ(file.CallName(0), "?");
  EXPECT_EQ(file.CallName(999), "?");
  EXPECT_EQ(file.cut_at(), 0u);
}

TEST(TraceFile, ForeignFilesSayThatTheyAreNoTraces) {
  EXPECT_NE(ErrorOf("").find("empty"), std::string::npos);
  EXPECT_NE(ErrorOf("hello world, this is text").find("not a fdaudit trace"), std::string::npos);
  EXPECT_NE(ErrorOf(std::string(10000, '\0'), "zeros.bin").find("not a fdaudit trace"), std::string::npos);
  EXPECT_NE(ErrorOf("f").find("not a fdaudit trace"), std::string::npos);
  EXPECT_NE(ErrorOf("\x7f"
                    "ELF and so on")
                .find("t.fdaudit"),
            std::string::npos);
}

TEST(TraceFile, UnfinishedFileSaysSo) {
  try {
    Open(std::string(10000, '\0'));
    FAIL() << "opened";
  } catch (const TraceError& error) {
    EXPECT_TRUE(error.is_unfinished());
  }
}

TEST(TraceFile, NewerMajorVersionNamesBothVersionsAndTheWayOut) {
  const std::string error = ErrorOf(
      Patched<uint16_t>(TraceBuilder().Bytes(), offsetof(trace::Header, major_version), trace::kMajorVersion + 1));
  const std::string found =
      "trace format " + std::to_string(trace::kMajorVersion + 1) + "." + std::to_string(trace::kMinorVersion);
  EXPECT_NE(error.find(found + " is newer than this fdaudit understands (" + std::to_string(trace::kMajorVersion) +
                       ".x): update fdaudit"),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("at offset 8"), std::string::npos) << error;
}

TEST(TraceFile, NewerMinorVersionIsRead) {
  TraceBuilder builder;
  builder.AddImage();
  EXPECT_EQ(ErrorOf(Patched<uint16_t>(builder.Bytes(), offsetof(trace::Header, minor_version), 7)), "");
}

TEST(TraceFile, UnknownRegionKindIsIgnored) {
  TraceBuilder builder;
  builder.AddImage();
  std::string bytes = builder.Bytes();
  bytes = Patched<uint32_t>(bytes, offsetof(trace::Header, regions) + 12 * sizeof(trace::Region), 77);
  EXPECT_EQ(ErrorOf(bytes), "");
}

TEST(TraceFile, CutInsideTheHeaderSaysWhere) {
  const std::string error = ErrorOf(TraceBuilder().Bytes().substr(0, 100));
  EXPECT_NE(error.find("at offset 100"), std::string::npos) << error;
  EXPECT_NE(error.find("cut off"), std::string::npos) << error;
}

TEST(TraceFile, ImpossibleHeaderSaysWhat) {
  TraceBuilder builder;
  builder.AddImage();
  const std::string good = builder.Bytes();
  using trace::RegionKind;
  const auto refused = [&](size_t offset, auto value) { return ErrorOf(Patched(good, offset, value)); };
  EXPECT_NE(refused(offsetof(trace::Header, header_size), uint32_t{10}), "");
  EXPECT_NE(refused(offsetof(trace::Header, region_count), uint32_t{17}), "");
  EXPECT_NE(refused(RegionField(RegionKind::kImages, offsetof(trace::Region, element_size)), uint32_t{8}), "");
  EXPECT_NE(refused(RegionField(RegionKind::kImages, offsetof(trace::Region, element_size)), UINT32_MAX), "");
  EXPECT_NE(refused(RegionField(RegionKind::kImages, offsetof(trace::Region, first_log2)), uint32_t{49}), "");
  EXPECT_NE(refused(RegionField(RegionKind::kImages, offsetof(trace::Region, windows)), uint32_t{0}), "");
  EXPECT_NE(refused(RegionField(RegionKind::kImages, offsetof(trace::Region, capacity)), UINT64_MAX), "");
  EXPECT_NE(refused(RegionField(RegionKind::kImages, offsetof(trace::Region, kind)), uint32_t{0}), "");
}

TEST(TraceFile, ClaimsBeyondTheCapacityAreNotRead) {
  TraceBuilder builder;
  builder.AddImage();
  const std::string bytes = Patched<uint64_t>(
      builder.Bytes(), RegionField(trace::RegionKind::kImages, offsetof(trace::Region, used)), uint64_t{1} << 60);
  EXPECT_EQ(Open(bytes).Count(trace::RegionKind::kImages), 1u);
}

TEST(TraceFile, WindowsOfARegionAreReadWhereTheyLie) {
  TraceBuilder builder;
  for (int i = 0; i < 40; ++i) builder.AddImage();
  std::string bytes = builder.Bytes();
  trace::Header header;
  memcpy(&header, bytes.data(), sizeof header);
  trace::Region& images = header.regions[static_cast<uint32_t>(trace::RegionKind::kImages)];
  const std::string records = bytes.substr(uint64_t{images.windows[0]} * trace::kPageSize, 40 * images.element_size);
  images.first_log2 = 1;
  // The windows end with elements 2, 8, 32 and 40; they lie behind all others, the last one first.
  const uint64_t ends[] = {0, 2, 8, 32, 40};
  for (const uint32_t window : {3, 0, 2, 1}) {
    bytes.resize((bytes.size() / trace::kPageSize + 1) * trace::kPageSize, '\0');
    images.windows[window] = static_cast<uint32_t>(bytes.size() / trace::kPageSize);
    bytes +=
        records.substr(ends[window] * images.element_size, (ends[window + 1] - ends[window]) * images.element_size);
  }
  header.file_size = bytes.size();
  memcpy(bytes.data(), &header, sizeof header);
  const TraceFile file = Open(bytes);
  std::vector<uint32_t> seen;
  file.ForEach<trace::ImageRecord>(trace::RegionKind::kImages, [&](uint64_t index, const trace::ImageRecord& image) {
    EXPECT_EQ(image.id, index + 1);
    seen.push_back(image.id);
    trace::ImageRecord again;
    ASSERT_TRUE(file.Get(trace::RegionKind::kImages, index, &again));
    EXPECT_EQ(again.id, image.id);
  });
  EXPECT_EQ(seen.size(), 40u);
  // What a window of them has no place for ends the region.
  images.windows[2] = 0;
  memcpy(bytes.data(), &header, sizeof header);
  EXPECT_EQ(Open(bytes).Count(trace::RegionKind::kImages), 8u);
}

TEST(TraceFile, TruncatedAnywhereNeverCrashes) {
  const std::string whole = RichTrace();
  size_t opened = 0;
  for (size_t length = 0; length < whole.size(); length += length < 8192 ? 7 : 509) {
    opened += ReadEverything(whole.substr(0, length)) ? 1 : 0;
  }
  EXPECT_GT(opened, 0u);
  EXPECT_NE(Open(whole.substr(0, whole.size() - 5000)).cut_at(), 0u);
}

TEST(TraceFile, TruncatedTraceSaysWhereInTheReport) {
  const std::string whole = RichTrace();
  Scene scene;
  std::vector<TraceFile> files;
  files.push_back(Open(whole.substr(0, whole.size() - 5000)));
  const analyzer::Report report = analyzer::MakeReport(&scene.LoadFiles(std::move(files)), {});
  EXPECT_NE(RenderText(report, false).find("is cut off at offset"), std::string::npos);
}

TEST(TraceFile, FlippedBytesNeverCrash) {
  const std::string whole = RichTrace();
  uint64_t random = 88172645463325252;
  const auto next = [&random](size_t below) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return static_cast<size_t>(random % below);
  };
  for (int round = 0; round < 400; ++round) {
    std::string bytes = whole;
    // Mostly in records, sometimes in the header; one byte or a whole word of ones.
    for (size_t flips = 1 + next(20); flips > 0; --flips) {
      const size_t at = next(round % 3 == 0 ? 2048 : bytes.size() - 8);
      if (next(2) == 0) {
        bytes[at] = static_cast<char>(next(256));
      } else {
        memset(&bytes[at / 4 * 4], next(2) == 0 ? 0xff : 0, 4);
      }
    }
    ReadEverything(bytes);
  }
}

TEST(TraceFile, HugeSparseFileIsReadInNoTime) {
  const Workshop shop;
  TraceBuilder builder;
  builder.AddImage();
  std::string bytes = builder.Bytes();
  const uint64_t huge = uint64_t{1} << 34;  // elements of 4 KiB, none of them there
  bytes = Patched<uint64_t>(bytes, RegionField(trace::RegionKind::kSlots, offsetof(trace::Region, capacity)), huge);
  bytes = Patched<uint64_t>(bytes, RegionField(trace::RegionKind::kSlots, offsetof(trace::Region, used)), huge);
  const std::string path = shop.Path("huge.fdaudit");
  std::ofstream(path, std::ios::binary) << bytes;
  std::error_code error;
  std::filesystem::resize_file(path, uint64_t{1} << 42, error);
  if (error) GTEST_SKIP() << "this file system has no files of 4 TiB";
  size_t seen = 0;
  TraceFile::Open(path).ForEach<trace::SlotBlock>(trace::RegionKind::kSlots,
                                                  [&seen](uint64_t, const trace::SlotBlock&) { ++seen; });
  EXPECT_LT(seen, 100u);
}

TEST(TraceFile, MissingFileAndEmptyFolderAreReported) {
  const Workshop shop;
  EXPECT_THROW(analyzer::FindTraceFiles(shop.Path("nowhere")), TraceError);
  std::filesystem::create_directory(shop.Path("empty"));
  EXPECT_THROW(analyzer::FindTraceFiles(shop.Path("empty")), TraceError);
  EXPECT_THROW(TraceFile::Open(shop.Path("empty")), TraceError);
  TraceBuilder().WriteTo(shop.Path("empty/b.fdaudit"));
  TraceBuilder().WriteTo(shop.Path("empty/a.fdaudit"));
  std::ofstream(shop.Path("empty/other.txt")) << "x";
  EXPECT_EQ(analyzer::FindTraceFiles(shop.Path("empty")),
            (std::vector<std::string>{shop.Path("empty/a.fdaudit"), shop.Path("empty/b.fdaudit")}));
}

TEST(Journal, EventsOfAnOlderLapAreIgnored) {
  TraceBuilder builder;
  const uint32_t image = builder.AddImage();
  for (int i = 0; i < 3; ++i) {
    builder.AddEvent(image, 1, TraceBuilder::MakeEvent(builder.NextStamp(), trace::EventKind::kOpened, 3 + i, 0));
  }
  std::string bytes = builder.Bytes();
  trace::Header header;
  memcpy(&header, bytes.data(), sizeof header);
  const uint64_t block =
      uint64_t{header.regions[static_cast<uint32_t>(trace::RegionKind::kJournal)].windows[0]} * trace::kPageSize;
  const size_t tag = offsetof(trace::JournalBlock, events) + sizeof(trace::Event) + offsetof(trace::Event, tag);
  bytes = Patched<uint16_t>(bytes, block + tag, 999);
  const TraceFile file = Open(bytes);
  analyzer::JournalReader journal(file);
  EXPECT_EQ(journal.size(), 2u);
  analyzer::JournalEvent event;
  ASSERT_TRUE(journal.Next(&event));
  EXPECT_EQ(event.event.fd, 3);
  ASSERT_TRUE(journal.Next(&event));
  EXPECT_EQ(event.event.fd, 5);
  EXPECT_FALSE(journal.Next(&event));
}

TEST(TraceFile, EventsOfThreadsComeInTheOrderOfTime) {
  TraceBuilder builder;
  const uint32_t image = builder.AddImage();
  for (int i = 0; i < 200; ++i) {  // several blocks of each of three threads
    builder.AddEvent(image, static_cast<uint32_t>(1 + i * i % 3),
                     TraceBuilder::MakeEvent(builder.NextStamp(), trace::EventKind::kOpened, i, 0));
  }
  const TraceFile file = Open(builder.Bytes());
  analyzer::JournalReader journal(file);
  EXPECT_EQ(journal.size(), 200u);
  analyzer::JournalEvent event;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(journal.Next(&event));
    EXPECT_EQ(event.event.fd, i);
  }
  EXPECT_FALSE(journal.Next(&event));
}

}  // namespace
}  // namespace fdaudit::testing
