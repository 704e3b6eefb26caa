// GoogleTest: every test is a checkpoint. What a test leaves open, and whose descriptors it closes, is reported with
// its name:   fdaudit run -- ./googletest
#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>

#include "fdaudit.h"

class DescriptorListener : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& test) override {
    fdaudit_checkpoint((std::string(test.test_suite_name()) + "." + test.name()).c_str());
  }
  void OnTestEnd(const testing::TestInfo&) override { fdaudit_checkpoint(nullptr); }
};

TEST(Config, Closes) {
  fdaudit::unique_fd config(open("/etc/hostname", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(config);
}

TEST(Config, Forgets) { EXPECT_GE(open("/etc/hostname", O_RDONLY | O_CLOEXEC), 0); }

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new DescriptorListener);
  return RUN_ALL_TESTS();
}
