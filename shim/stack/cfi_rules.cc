// See cfi_rules.h.

#include "shim/stack/cfi_rules.h"

#include "shim/base/byte_reader.h"
#include "shim/stack/cfi_program.h"

namespace fdaudit::shim {
namespace {

constexpr uint8_t kOmitted = 0xff;
constexpr uint8_t kSortedTableEncoding = 0x3b;  // datarel | sdata4: what every linker writes
constexpr uint8_t kIndirect = 0x80;
constexpr uint32_t kLongEntry = 0xffffffff;

/// What .eh_frame_hdr leads to. Offsets in the sorted table are relative to the header.
struct UnwindTables {
  uintptr_t header = 0;
  const uint8_t* eh_frame = nullptr;  ///< where no sorted table is
  struct Row {
    int32_t start;
    int32_t entry;
  };
  const Row* rows = nullptr;
  uint64_t row_count = 0;
};

const uint8_t* Pointer(uintptr_t address) { return reinterpret_cast<const uint8_t*>(address); }

/// The reader from `address` to the end of its readable segment; at the end at once where it lies in none.
ByteReader ReaderAt(const Module& module, uintptr_t address) {
  const AddressRange segment = ReadableSegment(module, address);
  if (address < segment.start || address >= segment.end) return {nullptr, nullptr};
  return {Pointer(address), Pointer(segment.end)};
}

bool ReadHeader(const Module& module, UnwindTables* tables) {
  if (module.eh_frame_hdr == 0) return false;
  ByteReader reader = ReaderAt(module, module.eh_frame_hdr);
  const uint8_t version = reader.Read<uint8_t>();
  const uint8_t frame_encoding = reader.Read<uint8_t>();
  const uint8_t count_encoding = reader.Read<uint8_t>();
  const uint8_t table_encoding = reader.Read<uint8_t>();
  if (!reader.ok() || version != 1) return false;
  tables->header = module.eh_frame_hdr;
  if (frame_encoding != kOmitted) {
    tables->eh_frame = Pointer(ReadEncodedPointer(&reader, frame_encoding, tables->header));
  }
  if (count_encoding != kOmitted && table_encoding == kSortedTableEncoding) {
    const uint64_t count = ReadEncodedPointer(&reader, count_encoding, tables->header);
    const auto table = reinterpret_cast<uintptr_t>(reader.position());
    const bool aligned = table % alignof(UnwindTables::Row) == 0;
    if (reader.ok() && aligned && count <= reader.left() / sizeof(UnwindTables::Row)) {
      tables->rows = reinterpret_cast<const UnwindTables::Row*>(reader.position());
      tables->row_count = count;
    }
  }
  return tables->rows != nullptr || tables->eh_frame != nullptr;
}

/// Reads an entry's length field. False: terminator, or damaged.
bool ReadEntryHeader(ByteReader* reader, ByteReader* body, bool* is_long) {
  uint64_t length = reader->Read<uint32_t>();
  *is_long = length == kLongEntry;
  if (*is_long) length = reader->Read<uint64_t>();
  if (length == 0 || !reader->ok()) return false;
  *body = reader->Take(length);
  return reader->ok();
}

/// The CIE's augmentation data, as its letters order them (LSB Core 5.0 §10.6.1.1.1).
bool ReadAugmentation(const char* letters, ByteReader* body, CfiEntry* entry) {
  if (letters[0] == '\0') return true;
  if (letters[0] != 'z') return false;  // "eh" of GCC 2
  entry->has_data = true;
  ByteReader data = body->Take(body->ReadUleb());
  for (const char* letter = letters + 1; *letter != '\0'; ++letter) {
    if (*letter == 'R') {
      entry->pointer_encoding = data.Read<uint8_t>();
    } else if (*letter == 'L') {
      data.Read<uint8_t>();
    } else if (*letter == 'P') {
      const uint8_t encoding = data.Read<uint8_t>();
      ReadEncodedPointer(&data, encoding & static_cast<uint8_t>(~kIndirect), 0);
    } else if (*letter == 'S') {
      entry->signal = true;
    } else {
      break;  // the length is known, the meaning is not
    }
  }
  return body->ok();
}

bool ReadCommonPart(const Module& module, uintptr_t address, CfiEntry* entry) {
  ByteReader reader = ReaderAt(module, address);
  ByteReader body(nullptr, nullptr);
  bool is_long = false;
  if (!ReadEntryHeader(&reader, &body, &is_long)) return false;
  const uint64_t id = is_long ? body.Read<uint64_t>() : body.Read<uint32_t>();
  const uint8_t version = body.Read<uint8_t>();
  if (id != 0 || (version != 1 && version != 3)) return false;
  const char* letters = reinterpret_cast<const char*>(body.position());
  while (body.Read<uint8_t>() != 0) {
  }
  if (!body.ok()) return false;
  entry->code_alignment = body.ReadUleb();
  entry->data_alignment = body.ReadSleb();
  entry->return_column = version == 1 ? body.Read<uint8_t>() : body.ReadUleb();
  if (!ReadAugmentation(letters, &body, entry)) return false;
  entry->common_program = body;
  return body.ok();
}

bool ReadEntry(const Module& module, uintptr_t address, CfiEntry* entry) {
  ByteReader reader = ReaderAt(module, address);
  ByteReader body(nullptr, nullptr);
  bool is_long = false;
  if (!ReadEntryHeader(&reader, &body, &is_long)) return false;
  entry->table_end = reader.end();
  const auto id_position = reinterpret_cast<uintptr_t>(body.position());
  const uint64_t distance = is_long ? body.Read<uint64_t>() : body.Read<uint32_t>();
  if (distance == 0 || !ReadCommonPart(module, id_position - distance, entry)) return false;
  entry->start = ReadEncodedPointer(&body, entry->pointer_encoding, module.eh_frame_hdr);
  entry->end = entry->start + ReadEncodedPointer(&body, entry->pointer_encoding & 0x0f, 0);
  if (entry->has_data) body.Skip(body.ReadUleb());
  entry->program = body;
  return body.ok() && entry->end >= entry->start;
}

bool FindInSortedTable(const Module& module, const UnwindTables& tables, uintptr_t pc, CfiEntry* entry) {
  const auto wanted = static_cast<int64_t>(pc - tables.header);
  uint64_t low = 0;
  uint64_t high = tables.row_count;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (tables.rows[middle].start <= wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return false;
  const uintptr_t address = tables.header + static_cast<uintptr_t>(int64_t{tables.rows[low - 1].entry});
  return ReadEntry(module, address, entry) && pc >= entry->start && pc < entry->end;
}

/// Where the linker wrote no sorted table (it could not parse an input section): one entry after the other.
bool FindByScanning(const Module& module, const UnwindTables& tables, uintptr_t pc, CfiEntry* entry) {
  ByteReader reader = ReaderAt(module, reinterpret_cast<uintptr_t>(tables.eh_frame));
  for (;;) {
    const auto address = reinterpret_cast<uintptr_t>(reader.position());
    ByteReader body(nullptr, nullptr);
    bool is_long = false;
    if (!ReadEntryHeader(&reader, &body, &is_long)) return false;
    CfiEntry candidate;
    if (ReadEntry(module, address, &candidate) && pc >= candidate.start && pc < candidate.end) {
      *entry = candidate;
      return true;
    }
  }
}

}  // namespace

FoundRule FindCfiRule(const Module& module, uintptr_t pc, uintptr_t rip) {
  FoundRule found = {Rule::Of(CfaKind::kGuess), {pc, pc + 1}};
  UnwindTables tables;
  CfiEntry entry;
  if (!ReadHeader(module, &tables)) return found;
  const bool covered = tables.rows != nullptr ? FindInSortedTable(module, tables, pc, &entry)
                                              : FindByScanning(module, tables, pc, &entry);
  if (!covered) return found;
  CfiRow row;
  const bool ok = RunCfiProgram(entry, pc, &row, &found.range.start, &found.range.end);
  found.rule = ok ? RuleFromRow(entry, row, rip) : Rule::Unknown();
  return found;
}

uint64_t VisitCfiEntries(const Module& module, void (*visit)(void* context, uintptr_t start, uintptr_t end),
                         void* context) {
  UnwindTables tables;
  if (!ReadHeader(module, &tables)) return 0;
  uint64_t visited = 0;
  for (uint64_t i = 0; i < tables.row_count; ++i) {
    CfiEntry entry;
    const uintptr_t address = tables.header + static_cast<uintptr_t>(int64_t{tables.rows[i].entry});
    if (!ReadEntry(module, address, &entry)) continue;
    visit(context, entry.start, entry.end);
    ++visited;
  }
  return visited;
}

}  // namespace fdaudit::shim
