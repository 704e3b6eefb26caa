#include "analyzer/symbols/display_name.h"

#include <gtest/gtest.h>

#include <string>

namespace fdaudit::analyzer {
namespace {

TEST(DisplayNameTest, PlainNamesStayAsTheyAre) {
  for (const char* name : {"", "main", "_start", "main.main", "runtime.(*mheap).alloc", "a.b.1", "_Z", "_Zgarbage"}) {
    EXPECT_EQ(DisplayName(name), name);
  }
}

TEST(DisplayNameTest, ClonesBearTheNameOfTheirFunction) {
  for (const char* suffix : {".constprop.0", ".isra.0", ".part.12", ".cold", ".isra.0.cold", ".constprop.0.isra.0",
                             ".lto_priv.3", ".llvm.1234567", "@GLIBC_2.2.5", "@@GLIBC_2.34"}) {
    EXPECT_EQ(DisplayName(std::string("load") + suffix), "load");
  }
  EXPECT_EQ(DisplayName("_ZN4shop4LoadEi.part.0"), "shop::Load(int)");
}

TEST(DisplayNameTest, ReturnTypesOfTemplatesAreLeftOut) {
  EXPECT_EQ(DisplayName("_ZN4shop6SortedIlEEvT_"), "shop::Sorted<long>(long)");
  EXPECT_EQ(ShortenCxxName("unsigned long (anonymous namespace)::f<int>(int)"), "(anonymous namespace)::f<int>(int)");
  EXPECT_EQ(ShortenCxxName("decltype (a.b()) f<int>(int)"), "f<int>(int)");
  EXPECT_EQ(ShortenCxxName("void f<int>(int)::{lambda(int)#1}::operator()(int) const"),
            "f<int>(int)::{lambda(int)#1}::operator()(int) const");
  EXPECT_EQ(ShortenCxxName("A::operator unsigned long() const"), "A::operator unsigned long() const");
  EXPECT_EQ(ShortenCxxName("operator new(unsigned long)"), "operator new(unsigned long)");
  EXPECT_EQ(ShortenCxxName("bool ns::operator< <int>(A<int> const&)"), "ns::operator< <int>(A<int> const&)");
  EXPECT_EQ(ShortenCxxName("void (*f<int>(int))(char)"), "void (*f<int>(int))(char)");
}

TEST(DisplayNameTest, DefaultArgumentsOfTheStandardLibraryAreLeftOut) {
  EXPECT_EQ(ShortenCxxName("f(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&)"),
            "f(std::string const&)");
  EXPECT_EQ(ShortenCxxName("f(std::map<int, A, std::less<int>, std::allocator<std::pair<int const, A> > >)"),
            "f(std::map<int, A>)");
  EXPECT_EQ(ShortenCxxName("f(std::unique_ptr<A, std::default_delete<A> >)"), "f(std::unique_ptr<A>)");
  // Here the allocator is a parameter like any other.
  EXPECT_EQ(ShortenCxxName("f(int, std::allocator<int> const&)"), "f(int, std::allocator<int> const&)");
  EXPECT_EQ(ShortenCxxName("f[abi:cxx11](int)"), "f(int)");
}

TEST(DisplayNameTest, BracketsInOperatorsAreNoBrackets) {
  EXPECT_EQ(ShortenCxxName("A::operator<<(std::vector<int, std::allocator<int> >)"), "A::operator<<(std::vector<int>)");
  EXPECT_EQ(ShortenCxxName("A::operator->() const"), "A::operator->() const");
  EXPECT_EQ(ShortenCxxName("bool std::operator==<char, std::char_traits<char> >(A, A)"), "std::operator==<char>(A, A)");
  EXPECT_EQ(ShortenCxxName("bool operator><A<int, std::allocator<int> > >(int)"), "operator><A<int>>(int)");
  EXPECT_EQ(ShortenCxxName("int operators<int>(int)"), "operators<int>(int)");
}

TEST(DisplayNameTest, EndlessNamesAreNotDemangled) {
  std::string name = "_Z1f" + std::string(100000, 'P') + "i";
  EXPECT_EQ(DisplayName(name), name);
}

}  // namespace
}  // namespace fdaudit::analyzer
