#include "analyzer/model/test_frames.h"

#include <string_view>

namespace fdaudit::analyzer {
namespace {

/// unittest calls the test's method from here.
bool IsUnittestsCall(const Frame& frame) {
  return frame.is_python && Unqualified(frame.function) == "_callTestMethod" &&
         (frame.file.ends_with("/unittest/case.py") || frame.file.ends_with("/unittest/async_case.py"));
}

/// "…/test_app.py" and "Connecting.test_reload" as unittest's own identifiers name it.
std::string UnittestName(const Frame& method) {
  std::string_view module = BaseName(method.file);
  module = module.substr(0, module.rfind(".py"));
  return std::string(module) + "." + method.function;
}

/// "ns::Suite_Name_Test::TestBody()" -> "Suite.Name"; empty: it is no test of GoogleTest's.
std::string GoogleTestName(const std::string& function) {
  constexpr std::string_view kSuffix = "_Test";
  if (Unqualified(function) != "TestBody") return "";
  std::string_view name = Qualifier(function);
  if (const size_t colon = name.rfind(':'); colon != std::string_view::npos) name.remove_prefix(colon + 1);
  if (!name.ends_with(kSuffix)) return "";
  name.remove_suffix(kSuffix.size());
  const size_t underscore = name.find('_');
  if (underscore == std::string_view::npos) return "";
  return std::string(name.substr(0, underscore)) + "." + std::string(name.substr(underscore + 1));
}

}  // namespace

std::string TestOf(const FrameList& frames) {
  const Frame* last_python = nullptr;
  for (const Frame& frame : frames) {
    if (IsUnittestsCall(frame)) return last_python == nullptr ? "" : UnittestName(*last_python);
    if (frame.is_python) last_python = &frame;
    if (std::string name = GoogleTestName(frame.function); !name.empty()) return name;
  }
  return "";
}

}  // namespace fdaudit::analyzer
