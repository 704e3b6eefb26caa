#include <gtest/gtest.h>

#include "shim/base/text.h"

namespace fdaudit::shim {
namespace {

TEST(LengthUntil, StopsAtAnyStop) {
  EXPECT_EQ(LengthUntil("depth=64:python=0", ":"), 8u);
  EXPECT_EQ(LengthUntil("depth=64:python=0", "=:"), 5u);
  EXPECT_EQ(LengthUntil(":", ":"), 0u);
}

TEST(LengthUntil, IsTheWholeLengthWithoutAStop) {
  EXPECT_EQ(LengthUntil("depth", ":,"), 5u);
  EXPECT_EQ(LengthUntil("depth", ""), 5u);
  EXPECT_EQ(LengthUntil("", ":"), 0u);
}

TEST(FindText, FindsTheFirstPlace) {
  const char* text = "aab:image=1:image=2";
  EXPECT_EQ(FindText(text, ":image="), text + 3);
  EXPECT_EQ(FindText(text, "ab"), text + 1);
  EXPECT_EQ(FindText(text, "=2"), text + 17);
}

TEST(FindText, FindsNothingThatIsNotThere) {
  EXPECT_EQ(FindText("libimage", "images"), nullptr);
  EXPECT_EQ(FindText("", "a"), nullptr);
}

}  // namespace
}  // namespace fdaudit::shim
