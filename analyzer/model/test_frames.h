#pragma once

// Which test a call path leads through, where the test framework's own frames show it. Frameworks that say so at run
// time (pytest, by PYTEST_CURRENT_TEST) are known better by Model::ContextAt().

#include <string>

#include "analyzer/model/frame_list.h"

namespace fdaudit::analyzer {

/// "test_app.Connecting.test_reload" for Python's unittest, "Suite.Name" for GoogleTest; empty where it is none.
std::string TestOf(const FrameList& frames);

}  // namespace fdaudit::analyzer
