#include "analyzer/symbols/rust_demangle.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace fdaudit::analyzer {
namespace {

std::string Demangle(std::string_view symbol) { return DemangleRust(symbol).value_or("(none)"); }

TEST(RustDemangleTest, LegacyLosesItsHash) {
  EXPECT_EQ(Demangle("_ZN3std2fs4File4open17h0123456789abcdefE"), "std::fs::File::open");
  EXPECT_EQ(Demangle("_ZN3std2fs4File4open17h0123456789abcdefE.llvm.12345"), "std::fs::File::open");
}

TEST(RustDemangleTest, LegacySignsAreDecoded) {
  EXPECT_EQ(Demangle("_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE"),
            "core::ptr::drop_in_place<alloc::string::String>");
  EXPECT_EQ(Demangle("_ZN71_$LT$core..ops..range..Range$LT$Idx$GT$$u20$as$u20$core..fmt..Debug$GT$3fmt"
                     "17h0123456789abcdefE"),
            "<core::ops::range::Range<Idx> as core::fmt::Debug>::fmt");
  EXPECT_EQ(Demangle("_ZN4main4main28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE"), "main::main::{{closure}}");
  EXPECT_EQ(Demangle("_ZN1a12$RF$$BP$$C$x17h0123456789abcdefE"), "a::&*,x");
}

TEST(RustDemangleTest, LegacyNamesBeyondAscii) {
  EXPECT_EQ(Demangle("_ZN1a13gr$uf6$$udf$e15_$u95a2$$u6570$17h3bad0b074893e6dfE"), "a::größe::関数");
}

TEST(RustDemangleTest, CxxIsNoRust) {
  EXPECT_EQ(Demangle("_ZN3foo3barEv"), "(none)");
  EXPECT_EQ(Demangle("_ZN3foo3barE"), "(none)");
  EXPECT_EQ(Demangle("_ZN3foo17h0123456789abcdeXE"), "(none)");
  EXPECT_EQ(Demangle("main"), "(none)");
  EXPECT_EQ(Demangle(""), "(none)");
}

TEST(RustDemangleTest, V0Paths) {
  EXPECT_EQ(Demangle("_RNvC6_123foo3bar"), "123foo::bar");
  EXPECT_EQ(Demangle("_RNvNtCs6GmmlP4bgsG_1r6shapes7dynamic"), "r::shapes::dynamic");
  EXPECT_EQ(Demangle("_RNCINvNtCsjrHSEGnQ3l9_3std2rt10lang_startuE0Cs6GmmlP4bgsG_1r"),
            "std::rt::lang_start::<()>::{closure#0}");
  EXPECT_EQ(Demangle("_RNSNvYNCINvNtCsjrHSEGnQ3l9_3std2rt10lang_startuE0INtNtNtCsgEmfK2I1SDS_4core3ops8function6"
                     "FnOnceuE9call_once6vtableCs6GmmlP4bgsG_1r"),
            "<std::rt::lang_start<()>::{closure#0} as core::ops::function::FnOnce<()>>::call_once::{shim:vtable#0}");
  EXPECT_EQ(Demangle("_RNvC1a1b.llvm.99"), "a::b");
}

TEST(RustDemangleTest, V0ImplsAndTraits) {
  EXPECT_EQ(Demangle("_RNvXNtCs6GmmlP4bgsG_1r6shapesINtB2_2SqfENtB2_4Area4areaB4_"),
            "<r::shapes::Sq<f32> as r::shapes::Area>::area");
  EXPECT_EQ(Demangle("_RNvMs_Cs1234_5quietNtB4_4File4open"), "<quiet::File>::open");
  EXPECT_EQ(Demangle("_RINvCs6GmmlP4bgsG_1r4takeRDNtNtNtNtCsgEmfK2I1SDS_4core4iter6traits8iterator8Iteratorp4Item"
                     "ThcnEEL_EB2_"),
            "r::take::<&dyn core::iter::traits::iterator::Iterator<Item = (u8, char, i128)>>");
}

TEST(RustDemangleTest, V0FunctionPointersLifetimesAndConstants) {
  EXPECT_EQ(Demangle("_RINvCs6GmmlP4bgsG_1r4takeFG_UKCQL0_eAtj2_EOaEB2_"),
            "r::take::<for<'a> unsafe extern \"C\" fn(&'a mut str, [u16; 2]) -> *mut i8>");
  EXPECT_EQ(Demangle("_RINvNtCs6GmmlP4bgsG_1r6shapes7genericKj4_NCNvB4_4main0EB4_"),
            "r::shapes::generic::<4, r::main::{closure#0}>");
  EXPECT_EQ(Demangle("_RINvC1a1bKb1_Kc41_Kxn1f_E"), "a::b::<true, 'A', -31>");
  EXPECT_EQ(Demangle("_RINvC1a1bThETEE"), "a::b::<(u8,), ()>");
  EXPECT_EQ(Demangle("_RINvC1a1bKca_Kc221e_E"), "a::b::<'\\u{a}', '∞'>");
  EXPECT_EQ(Demangle("_RINvC1a1bKo55555555555555555555555555555555_E"), "a::b::<0x55555555555555555555555555555555>");
}

TEST(RustDemangleTest, V0NamesBeyondAscii) {
  EXPECT_EQ(Demangle("_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y"),
            "utf8_idents::საჭმელად_გემრიელი_სადილი");
  EXPECT_EQ(Demangle("_RNvC1au8gdel_5qa"), "a::gödel");
}

TEST(RustDemangleTest, DamagedV0IsRefused) {
  for (const char* symbol : {"_R", "_RN", "_RNv", "_RNvC", "_RNvC3fo", "_RNvC3foo", "_RNvC3foo9bar", "_RINvC1a1b",
                             "_RNvB_1a", "_RINvC1a1bKzzz_E", "_RNvC1a1b!", "_RNvC99999999999999999999a1b"}) {
    EXPECT_EQ(Demangle(symbol), "(none)") << symbol;
  }
}

// A backref to a place behind "_R".
std::string Backref(size_t place) {
  const std::string digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::string number;
  for (size_t rest = place - 1; number.empty() || rest > 0; rest /= 62) number.insert(0, 1, digits[rest % 62]);
  return "B" + number + "_";
}

// Tuples, each of which holds the one before twice.
std::string Doublings(int count) {
  std::string symbol = "_RINvC1a1bThhE";
  size_t last = symbol.find('T') - 2;
  for (int i = 0; i < count; ++i) {
    std::string backref = Backref(last);
    last = symbol.size() - 2;
    symbol += "T";
    symbol += backref;
    symbol += backref;
    symbol += "E";
  }
  return symbol + "E";
}

TEST(RustDemangleTest, BackrefsAreFollowed) {
  EXPECT_EQ(Demangle(Doublings(1)), "a::b::<(u8, u8), ((u8, u8), (u8, u8))>");
  EXPECT_NE(Demangle(Doublings(9)), "(none)");
}

TEST(RustDemangleTest, NamesThatWouldExplodeAreRefused) {
  EXPECT_EQ(Demangle("_RINvC1a1b" + std::string(100000, 'R') + "hE"), "(none)");
  EXPECT_EQ(Demangle(Doublings(40)), "(none)");
  // Lifetimes without end, in a part of the name that is shown and in one that is not.
  EXPECT_EQ(Demangle("_RINvC1a1bFGaZZZZZZZZZ_EuE"), "(none)");
  EXPECT_EQ(Demangle("_RNvMINtC1a1bFGaZZZZZZZZZ_EuEEu1c"), "(none)");
}

TEST(RustDemangleTest, AnyDamageIsBorne) {
  const std::string symbol =
      "_RINvCs6GmmlP4bgsG_1r4takeRDNtNtNtNtCsgEmfK2I1SDS_4core4iter6traits8iterator8Iteratorp4ItemThcnEEL_EB2_";
  for (size_t i = 0; i < symbol.size(); ++i) {
    DemangleRust(symbol.substr(0, i));
    for (int c = 1; c < 256; ++c) {
      std::string damaged = symbol;
      damaged[i] = static_cast<char>(c);
      DemangleRust(damaged);
    }
  }
}

}  // namespace
}  // namespace fdaudit::analyzer
