// Catch2 (version 2 or 3): every test case is a checkpoint.   fdaudit run -- ./catch2
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

#include <fcntl.h>

#include "fdaudit.h"

#if defined(CATCH_CONFIG_MAIN)
using Listener = Catch::TestEventListenerBase;
#else
using Listener = Catch::EventListenerBase;
#endif

struct DescriptorListener : Listener {
  using Listener::Listener;
  void testCaseStarting(const Catch::TestCaseInfo& test) override { fdaudit_checkpoint(test.name.c_str()); }
  void testCaseEnded(const Catch::TestCaseStats&) override { fdaudit_checkpoint(nullptr); }
};
CATCH_REGISTER_LISTENER(DescriptorListener)

TEST_CASE("config closes") {
  fdaudit::unique_fd config(open("/etc/hostname", O_RDONLY | O_CLOEXEC));
  REQUIRE(config.get() >= 0);
}

TEST_CASE("config forgets") { REQUIRE(open("/etc/hostname", O_RDONLY | O_CLOEXEC) >= 0); }
