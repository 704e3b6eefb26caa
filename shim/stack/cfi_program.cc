// See cfi_program.h. Instruction codes: DWARF 5 §7.24, and the GNU ones of LSB Core 5.0 §10.5.

#include "shim/stack/cfi_program.h"

#include "shim/stack/expression.h"

namespace fdaudit::shim {
namespace {

constexpr uint64_t kRegisterRbp = 6;
constexpr uint64_t kRegisterRsp = 7;

/// DW_CFA_remember_state nests once in what compilers emit.
constexpr int kRememberedRows = 6;

enum PointerEncoding : uint8_t {
  kFormatMask = 0x0f,
  kAbsolute = 0x00,
  kUleb = 0x01,
  kUdata2 = 0x02,
  kUdata4 = 0x03,
  kUdata8 = 0x04,
  kSleb = 0x09,
  kSdata2 = 0x0a,
  kSdata4 = 0x0b,
  kSdata8 = 0x0c,
  kApplicationMask = 0x70,
  kPcRelative = 0x10,
  kDataRelative = 0x30,
};

class Interpreter {
 public:
  Interpreter(const CfiEntry& entry, uintptr_t pc) : entry_(entry), pc_(pc), start_(entry.start), end_(entry.end) {}

  bool Run(CfiRow* row) {
    // Locations do not advance in the common part; what it leaves is what DW_CFA_restore goes back to.
    if (!Execute(entry_.common_program)) return false;
    initial_ = row_;
    if (!Execute(entry_.program)) return false;
    *row = row_;
    return true;
  }

  uintptr_t row_start() const { return start_; }
  uintptr_t row_end() const { return end_; }

 private:
  /// Until the row for pc_ is complete. False: damaged or unknown.
  bool Execute(ByteReader program) {
    reader_ = &program;
    while (!program.AtEnd() && !done_) {
      const uint8_t byte = program.Read<uint8_t>();
      const uint8_t low = byte & 0x3f;
      switch (byte >> 6) {
        case 1:
          Advance(low * entry_.code_alignment);
          break;
        case 2:
          SetFactored(low, Recovery::kOffset, static_cast<int64_t>(program.ReadUleb()));
          break;
        case 3:
          Restore(low);
          break;
        default:
          if (!ExecuteExtended(low)) return false;
      }
      if (!program.ok()) return false;
    }
    return true;
  }

  bool ExecuteExtended(uint8_t code) {
    switch (code) {
      case 0x00:
        return true;  // nop
      case 0x01:      // set_loc
        AdvanceTo(ReadEncodedPointer(reader_, entry_.pointer_encoding, 0));
        return true;
      case 0x02:
        Advance(reader_->Read<uint8_t>() * entry_.code_alignment);
        return true;
      case 0x03:
        Advance(reader_->Read<uint16_t>() * entry_.code_alignment);
        return true;
      case 0x04:
        Advance(reader_->Read<uint32_t>() * entry_.code_alignment);
        return true;
      case 0x0a:
        return Remember();
      case 0x0b:
        return Recall();
      case 0x2d:
        return false;  // negate_ra_state of another architecture
      case 0x2e:
        reader_->ReadUleb();
        return true;  // GNU_args_size: for exception landing only
      default:
        return code >= 0x0c && (code <= 0x0f || code == 0x12 || code == 0x13) ? DefineCfa(code) : Define(code);
    }
  }

  bool DefineCfa(uint8_t code) {
    Recovery& recovery = row_.recovery[kColumnCfa];
    int64_t& value = row_.value[kColumnCfa];
    if (code == 0x0f) {  // def_cfa_expression
      recovery = Recovery::kValExpression;
      value = Block();
      return true;
    }
    if (code != 0x0e && code != 0x13) {  // def_cfa, def_cfa_register, def_cfa_sf
      if (code == 0x0d && recovery != Recovery::kRegister) value = 0;
      recovery = Recovery::kRegister;
      row_.cfa_register = static_cast<uint32_t>(reader_->ReadUleb());
    }
    // An offset to an expression: not allowed, and `value` must stay what `recovery` says it is.
    if (recovery != Recovery::kRegister) return false;
    if (code == 0x0c || code == 0x0e) value = static_cast<int64_t>(reader_->ReadUleb());
    if (code == 0x12 || code == 0x13) value = Factored(reader_->ReadSleb());
    return true;
  }

  bool Define(uint8_t code) {
    const uint64_t number = reader_->ReadUleb();
    switch (code) {
      case 0x05:
        SetFactored(number, Recovery::kOffset, static_cast<int64_t>(reader_->ReadUleb()));
        return true;
      case 0x06:
        Restore(number);
        return true;
      case 0x07:
        Set(number, Recovery::kUndefined, 0);
        return true;
      case 0x08:
        Set(number, Recovery::kSame, 0);
        return true;
      case 0x09:
        Set(number, Recovery::kRegister, static_cast<int64_t>(reader_->ReadUleb()));
        return true;
      case 0x10:
        Set(number, Recovery::kExpression, Block());
        return true;
      case 0x11:
        SetFactored(number, Recovery::kOffset, reader_->ReadSleb());
        return true;
      case 0x14:
        SetFactored(number, Recovery::kValOffset, static_cast<int64_t>(reader_->ReadUleb()));
        return true;
      case 0x15:
        SetFactored(number, Recovery::kValOffset, reader_->ReadSleb());
        return true;
      case 0x16:
        Set(number, Recovery::kValExpression, Block());
        return true;
      case 0x2f:
        SetFactored(number, Recovery::kOffset, -static_cast<int64_t>(reader_->ReadUleb()));
        return true;
      default:
        return false;
    }
  }

  void Advance(uint64_t bytes) { AdvanceTo(start_ + bytes); }

  void AdvanceTo(uintptr_t location) {
    if (location > pc_) {
      done_ = true;
      if (location < end_) end_ = location;
    } else {
      start_ = location;
    }
  }

  int64_t Factored(int64_t value) const {
    return static_cast<int64_t>(static_cast<uint64_t>(value) * static_cast<uint64_t>(entry_.data_alignment));
  }

  /// The address of a counted block; the count itself is read again by the evaluator.
  int64_t Block() {
    const auto address = reinterpret_cast<int64_t>(reader_->position());
    reader_->Skip(reader_->ReadUleb());
    return address;
  }

  int ColumnOf(uint64_t number) const {
    if (number == kRegisterRbp) return kColumnRbp;
    if (number == kRegisterRsp) return kColumnRsp;
    return number == entry_.return_column ? kColumnReturn : kColumns;
  }

  void Set(uint64_t number, Recovery recovery, int64_t value) {
    const int column = ColumnOf(number);
    if (column == kColumns) return;
    row_.recovery[column] = recovery;
    row_.value[column] = value;
  }

  void SetFactored(uint64_t number, Recovery recovery, int64_t value) { Set(number, recovery, Factored(value)); }

  void Restore(uint64_t number) {
    const int column = ColumnOf(number);
    if (column == kColumns) return;
    row_.recovery[column] = initial_.recovery[column];
    row_.value[column] = initial_.value[column];
  }

  bool Remember() {
    if (remembered_count_ == kRememberedRows) return false;
    remembered_[remembered_count_++] = row_;
    return true;
  }

  bool Recall() {
    if (remembered_count_ == 0) return false;
    row_ = remembered_[--remembered_count_];
    return true;
  }

  const CfiEntry& entry_;
  const uintptr_t pc_;
  uintptr_t start_;
  uintptr_t end_;
  bool done_ = false;
  int remembered_count_ = 0;
  ByteReader* reader_ = nullptr;
  CfiRow row_;
  CfiRow initial_;
  CfiRow remembered_[kRememberedRows];
};

using Base = SymbolicValue::Base;

SymbolicValue CfaOf(const CfiEntry& entry, const CfiRow& row, uintptr_t rip) {
  const int64_t value = row.value[kColumnCfa];
  if (row.recovery[kColumnCfa] == Recovery::kRegister) {
    if (row.cfa_register == kRegisterRsp) return {Base::kRsp, value, 0};
    if (row.cfa_register == kRegisterRbp) return {Base::kRbp, value, 0};
    return {};
  }
  if (row.recovery[kColumnCfa] != Recovery::kValExpression) return {};
  ByteReader reader(reinterpret_cast<const uint8_t*>(value), entry.table_end);
  return EvaluateExpression(reader.Take(reader.ReadUleb()), rip, nullptr);
}

/// Where a column is saved; kUnknown where it is not in memory, or not at a place that can be named.
SymbolicValue PlaceOf(const CfiEntry& entry, const CfiRow& row, Column column, const SymbolicValue& cfa,
                      uintptr_t rip) {
  if (row.recovery[column] == Recovery::kOffset) {
    SymbolicValue place = cfa;
    place.offset += row.value[column];
    return place;
  }
  if (row.recovery[column] != Recovery::kExpression) return {};
  ByteReader reader(reinterpret_cast<const uint8_t*>(row.value[column]), entry.table_end);
  return EvaluateExpression(reader.Take(reader.ReadUleb()), rip, &cfa);
}

bool SamePlace(const SymbolicValue& a, const SymbolicValue& b) {
  return a.base == b.base && a.offset == b.offset && a.inner == b.inner;
}

bool FitsInt32(int64_t value) { return value == static_cast<int32_t>(value); }

bool SetCfa(const SymbolicValue& cfa, RuleParts* parts) {
  const bool loaded = cfa.base == Base::kAtRsp || cfa.base == Base::kAtRbp;
  if (!FitsInt32(cfa.offset) || !FitsInt32(cfa.inner)) return false;
  switch (cfa.base) {
    case Base::kRsp:
      parts->cfa = CfaKind::kRsp;
      break;
    case Base::kRbp:
      parts->cfa = CfaKind::kRbp;
      break;
    case Base::kAtRsp:
      parts->cfa = CfaKind::kAtRsp;
      break;
    case Base::kAtRbp:
      parts->cfa = CfaKind::kAtRbp;
      break;
    default:
      return false;
  }
  parts->n = static_cast<int32_t>(loaded ? cfa.inner : cfa.offset);
  parts->extra = static_cast<int32_t>(loaded ? cfa.offset : 0);
  return true;
}

/// The return address at CFA - 8, where a call puts it, or at a fixed distance from RSP, where a signal frame has it.
bool SetReturn(const SymbolicValue& place, const SymbolicValue& cfa, RuleParts* parts) {
  SymbolicValue usual = cfa;
  usual.offset -= 8;
  if (SamePlace(place, usual)) return true;
  if (place.base != Base::kRsp || parts->extra != 0 || place.offset % 8 != 0 || !FitsInt32(place.offset)) return false;
  parts->return_at_rsp = true;
  parts->extra = static_cast<int32_t>(place.offset / 8);
  return true;
}

void SetRbp(Recovery recovery, const SymbolicValue& place, const SymbolicValue& cfa, RuleParts* parts) {
  parts->rbp = recovery == Recovery::kSame ? RbpKind::kSame : RbpKind::kLost;
  if (recovery == Recovery::kSame || place.base == Base::kUnknown || !FitsInt32(place.offset)) return;
  const int64_t from_cfa = place.offset - cfa.offset;
  if (place.base == cfa.base && place.inner == cfa.inner && FitsInt32(from_cfa)) {
    parts->rbp = RbpKind::kAtCfa;
    parts->k = static_cast<int32_t>(from_cfa);
  } else if (place.base == Base::kRsp || place.base == Base::kRbp) {
    parts->rbp = place.base == Base::kRsp ? RbpKind::kAtRsp : RbpKind::kAtRbp;
    parts->k = static_cast<int32_t>(place.offset);
  }
}

/// The caller's RSP is the CFA unless a row says otherwise; it may only say the same in other words.
bool RspIsCfa(const CfiEntry& entry, const CfiRow& row, const SymbolicValue& cfa, uintptr_t rip) {
  switch (row.recovery[kColumnRsp]) {
    case Recovery::kSame:
      return true;
    case Recovery::kValOffset:
      return row.value[kColumnRsp] == 0;
    case Recovery::kOffset:
    case Recovery::kExpression: {
      const SymbolicValue place = PlaceOf(entry, row, kColumnRsp, cfa, rip);
      const bool rsp = place.base == Base::kRsp && cfa.base == Base::kAtRsp;
      const bool rbp = place.base == Base::kRbp && cfa.base == Base::kAtRbp;
      return (rsp || rbp) && place.offset == cfa.inner && cfa.offset == 0;
    }
    default:
      return false;
  }
}

}  // namespace

bool RunCfiProgram(const CfiEntry& entry, uintptr_t pc, CfiRow* row, uintptr_t* row_start, uintptr_t* row_end) {
  Interpreter interpreter(entry, pc);
  const bool ok = interpreter.Run(row);
  *row_start = interpreter.row_start();
  *row_end = interpreter.row_end();
  return ok;
}

Rule RuleFromRow(const CfiEntry& entry, const CfiRow& row, uintptr_t rip) {
  if (row.recovery[kColumnReturn] == Recovery::kUndefined) return Rule::Of(CfaKind::kEnd);
  const SymbolicValue cfa = CfaOf(entry, row, rip);
  RuleParts parts;
  parts.signal = entry.signal;
  if (!SetCfa(cfa, &parts) || !RspIsCfa(entry, row, cfa, rip)) return Rule::Unknown();
  if (!SetReturn(PlaceOf(entry, row, kColumnReturn, cfa, rip), cfa, &parts)) return Rule::Unknown();
  SetRbp(row.recovery[kColumnRbp], PlaceOf(entry, row, kColumnRbp, cfa, rip), cfa, &parts);
  return Rule::Pack(parts);
}

uint64_t ReadEncodedPointer(ByteReader* reader, uint8_t encoding, uintptr_t data_base) {
  const auto position = reinterpret_cast<uintptr_t>(reader->position());
  uint64_t value = 0;
  switch (encoding & kFormatMask) {
    case kAbsolute:
    case kUdata8:
    case kSdata8:
      value = reader->Read<uint64_t>();
      break;
    case kUleb:
      value = reader->ReadUleb();
      break;
    case kUdata2:
      value = reader->Read<uint16_t>();
      break;
    case kUdata4:
      value = reader->Read<uint32_t>();
      break;
    case kSleb:
      value = static_cast<uint64_t>(reader->ReadSleb());
      break;
    case kSdata2:
      value = static_cast<uint64_t>(int64_t{reader->Read<int16_t>()});
      break;
    case kSdata4:
      value = static_cast<uint64_t>(int64_t{reader->Read<int32_t>()});
      break;
    default:
      reader->Skip(UINT64_MAX);
      break;
  }
  switch (encoding & kApplicationMask) {
    case kAbsolute:
      return value;
    case kPcRelative:
      return value + position;
    case kDataRelative:
      return value + data_base;
    default:
      reader->Skip(UINT64_MAX);
      return 0;
  }
}

}  // namespace fdaudit::shim
