// doctest: every test case is a checkpoint.   fdaudit run -- ./doctest
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <fcntl.h>

#include "fdaudit.h"

struct DescriptorListener : doctest::IReporter {
  explicit DescriptorListener(const doctest::ContextOptions&) {}
  void test_case_start(const doctest::TestCaseData& test) override { fdaudit_checkpoint(test.m_name); }
  void test_case_end(const doctest::CurrentTestCaseStats&) override { fdaudit_checkpoint(nullptr); }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("descriptors", 1, DescriptorListener);

TEST_CASE("config closes") {
  fdaudit::unique_fd config(open("/etc/hostname", O_RDONLY | O_CLOEXEC));
  CHECK(config.get() >= 0);
}

TEST_CASE("config forgets") { CHECK(open("/etc/hostname", O_RDONLY | O_CLOEXEC) >= 0); }
