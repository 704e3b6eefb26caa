// See expression.h. Operation codes: DWARF 5 §7.7.1.

#include "shim/stack/expression.h"

namespace fdaudit::shim {
namespace {

using Base = SymbolicValue::Base;

enum Operation : uint8_t {
  kAddr = 0x03,
  kDeref = 0x06,
  kConst1u = 0x08,
  kConst1s = 0x09,
  kConst2u = 0x0a,
  kConst2s = 0x0b,
  kConst4u = 0x0c,
  kConst4s = 0x0d,
  kConst8u = 0x0e,
  kConst8s = 0x0f,
  kConstu = 0x10,
  kConsts = 0x11,
  kDup = 0x12,
  kDrop = 0x13,
  kOver = 0x14,
  kPick = 0x15,
  kSwap = 0x16,
  kAbs = 0x19,
  kAnd = 0x1a,
  kDiv = 0x1b,
  kMinus = 0x1c,
  kMod = 0x1d,
  kMul = 0x1e,
  kNeg = 0x1f,
  kNot = 0x20,
  kOr = 0x21,
  kPlus = 0x22,
  kPlusUconst = 0x23,
  kShl = 0x24,
  kShr = 0x25,
  kShra = 0x26,
  kXor = 0x27,
  kEq = 0x29,
  kGe = 0x2a,
  kGt = 0x2b,
  kLe = 0x2c,
  kLt = 0x2d,
  kNe = 0x2e,
  kLit0 = 0x30,
  kLit31 = 0x4f,
  kBreg0 = 0x70,
  kBreg31 = 0x8f,
  kNop = 0x96,
};

constexpr unsigned kRegisterRbp = 6;
constexpr unsigned kRegisterRsp = 7;
constexpr unsigned kRegisterReturn = 16;
constexpr int kStackSize = 12;

SymbolicValue Constant(uint64_t value) { return {Base::kConstant, static_cast<int64_t>(value), 0}; }

SymbolicValue Register(uint64_t number, int64_t offset, uintptr_t pc) {
  if (number == kRegisterRsp) return {Base::kRsp, offset, 0};
  if (number == kRegisterRbp) return {Base::kRbp, offset, 0};
  if (number == kRegisterReturn) return Constant(pc + static_cast<uint64_t>(offset));
  return {};
}

SymbolicValue Dereferenced(const SymbolicValue& address) {
  if (address.base == Base::kRsp) return {Base::kAtRsp, 0, address.offset};
  if (address.base == Base::kRbp) return {Base::kAtRbp, 0, address.offset};
  return {};
}

/// Two known numbers. Division and comparisons are signed (DWARF 5 §2.5.1.4).
SymbolicValue Combine(uint8_t operation, int64_t left, int64_t right) {
  const auto a = static_cast<uint64_t>(left);
  const auto b = static_cast<uint64_t>(right);
  const bool wide = b >= 64;
  switch (operation) {
    case kAnd:
      return Constant(a & b);
    case kOr:
      return Constant(a | b);
    case kXor:
      return Constant(a ^ b);
    case kPlus:
      return Constant(a + b);
    case kMinus:
      return Constant(a - b);
    case kMul:
      return Constant(a * b);
    case kDiv:
      if (right == 0) return {};
      return Constant(right == -1 ? 0 - a : static_cast<uint64_t>(left / right));
    case kMod:
      return b == 0 ? SymbolicValue{} : Constant(a % b);
    case kShl:
      return Constant(wide ? 0 : a << b);
    case kShr:
      return Constant(wide ? 0 : a >> b);
    case kShra:
      return Constant(static_cast<uint64_t>(left >> (wide ? 63 : b)));
    case kEq:
      return Constant(left == right);
    case kNe:
      return Constant(left != right);
    case kGe:
      return Constant(left >= right);
    case kGt:
      return Constant(left > right);
    case kLe:
      return Constant(left <= right);
    case kLt:
      return Constant(left < right);
    default:
      return {};
  }
}

SymbolicValue Binary(uint8_t operation, SymbolicValue left, SymbolicValue right) {
  if (left.base == Base::kUnknown || right.base == Base::kUnknown) return {};
  if (left.base == Base::kConstant && right.base == Base::kConstant) {
    return Combine(operation, left.offset, right.offset);
  }
  if (operation == kPlus && left.base == Base::kConstant) {
    const SymbolicValue number = left;
    left = right;
    right = number;
  }
  if (right.base != Base::kConstant || (operation != kPlus && operation != kMinus)) return {};
  const auto change = static_cast<uint64_t>(right.offset);
  const auto offset = static_cast<uint64_t>(left.offset);
  left.offset = static_cast<int64_t>(operation == kPlus ? offset + change : offset - change);
  return left;
}

class Machine {
 public:
  explicit Machine(uintptr_t pc) : pc_(pc) {}

  bool ok() const { return ok_; }

  void Push(const SymbolicValue& value) {
    if (depth_ == kStackSize) {
      ok_ = false;
    } else {
      stack_[depth_++] = value;
    }
  }

  SymbolicValue Pop() {
    if (depth_ == 0) {
      ok_ = false;
      return {};
    }
    return stack_[--depth_];
  }

  void Execute(uint8_t operation, ByteReader& operands) {
    if (operation >= kLit0 && operation <= kLit31) return Push(Constant(operation - kLit0));
    if (operation >= kBreg0 && operation <= kBreg31) {
      return Push(Register(operation - kBreg0, operands.ReadSleb(), pc_));
    }
    if (operation >= kAddr && operation <= kConsts && operation != kDeref) return PushOperand(operation, operands);
    if (operation >= kDup && operation <= kSwap) return Rearrange(operation, operands);
    Compute(operation, operands);
  }

 private:
  void PushOperand(uint8_t operation, ByteReader& operands) {
    const auto extended = [](int64_t value) { return Constant(static_cast<uint64_t>(value)); };
    switch (operation) {
      case kAddr:
      case kConst8u:
      case kConst8s:
        return Push(Constant(operands.Read<uint64_t>()));
      case kConst1u:
        return Push(Constant(operands.Read<uint8_t>()));
      case kConst1s:
        return Push(extended(operands.Read<int8_t>()));
      case kConst2u:
        return Push(Constant(operands.Read<uint16_t>()));
      case kConst2s:
        return Push(extended(operands.Read<int16_t>()));
      case kConst4u:
        return Push(Constant(operands.Read<uint32_t>()));
      case kConst4s:
        return Push(extended(operands.Read<int32_t>()));
      case kConstu:
        return Push(Constant(operands.ReadUleb()));
      case kConsts:
        return Push(extended(operands.ReadSleb()));
      default:
        ok_ = false;
    }
  }

  void Rearrange(uint8_t operation, ByteReader& operands) {
    const int from_top = operation == kOver ? 1 : operation == kPick ? operands.Read<uint8_t>() : 0;
    if (from_top >= depth_ || (operation == kSwap && depth_ < 2)) {
      ok_ = false;
    } else if (operation == kDrop) {
      --depth_;
    } else if (operation == kSwap) {
      const SymbolicValue top = stack_[depth_ - 1];
      stack_[depth_ - 1] = stack_[depth_ - 2];
      stack_[depth_ - 2] = top;
    } else {
      Push(stack_[depth_ - 1 - from_top]);
    }
  }

  void Compute(uint8_t operation, ByteReader& operands) {
    switch (operation) {
      case kNop:
        return;
      case kDeref:
        return Push(Dereferenced(Pop()));
      case kPlusUconst: {
        const SymbolicValue value = Pop();
        return Push(Binary(kPlus, value, Constant(operands.ReadUleb())));
      }
      case kNeg:
        return Push(Binary(kMinus, Constant(0), Pop()));
      case kNot:
        return Push(Binary(kXor, Constant(~uint64_t{0}), Pop()));
      case kAbs: {
        const SymbolicValue value = Pop();
        if (value.base != Base::kConstant) return Push({});
        return Push(value.offset < 0 ? Binary(kMinus, Constant(0), value) : value);
      }
      default: {
        // Also the end of the road for branches, rot, sub-word loads and operations on other address spaces: no
        // producer of unwind tables for x86-64 uses them.
        const SymbolicValue right = Pop();
        const SymbolicValue left = Pop();
        return Push(Binary(operation, left, right));
      }
    }
  }

  uintptr_t pc_;
  int depth_ = 0;
  bool ok_ = true;
  SymbolicValue stack_[kStackSize];
};

}  // namespace

SymbolicValue EvaluateExpression(ByteReader expression, uintptr_t pc, const SymbolicValue* initial) {
  Machine machine(pc);
  if (initial != nullptr) machine.Push(*initial);
  while (!expression.AtEnd() && machine.ok()) machine.Execute(expression.Read<uint8_t>(), expression);
  const SymbolicValue result = machine.Pop();
  return machine.ok() && expression.ok() ? result : SymbolicValue{};
}

}  // namespace fdaudit::shim
