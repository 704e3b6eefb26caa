#include "analyzer/model/python_act.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace fdaudit::testing {
namespace {

using analyzer::Frame;
using analyzer::PythonAct;
using analyzer::PythonActOf;

/// Native frames, and the Python functions among them as "function@file".
PythonAct Of(std::initializer_list<std::string> names) {
  std::vector<Frame> frames;
  for (const std::string& name : names) {
    Frame frame;
    const size_t at = name.find('@');
    frame.function = name.substr(0, at);
    frame.is_python = at != std::string::npos;
    frame.file = frame.is_python ? name.substr(at + 1) : "";
    frame.is_runtime = !frame.is_python || frame.file.starts_with("/usr/lib/python3");
    frames.push_back(frame);
  }
  return PythonActOf(analyzer::FrameList(frames));
}

TEST(PythonAct, ClosingIsTheProgramsWhereItAskedForIt) {
  const PythonAct act = Of({"internal_close", "_io_FileIO_close", "work@app.py", "_Py_Dealloc", "<module>@app.py"});
  EXPECT_FALSE(act.by_collector);
  EXPECT_EQ(act.object, "_io.FileIO");
}

TEST(PythonAct, ClosingIsTheCollectorsWhereItFinalizesTheObject) {
  EXPECT_TRUE(Of({"internal_close", "_io_FileIO_close", "iobase_finalize", "work@app.py"}).by_collector);
  EXPECT_TRUE(Of({"sock_finalize", "PyObject_CallFinalizerFromDealloc", "work@app.py"}).by_collector);
}

TEST(PythonAct, FinalizerWrittenInPythonIsTheProgramsOwn) {
  EXPECT_FALSE(Of({"os_close", "Kept.__del__@app.py", "PyObject_CallFinalizer", "work@app.py"}).by_collector);
}

TEST(PythonAct, ConstructorOfTheStandardLibraryNamesItsClass) {
  EXPECT_EQ(Of({"", "socket.__init__@/usr/lib/python3.11/socket.py", "work@app.py"}).object, "socket.socket");
  EXPECT_EQ(Of({"", "Kept.__init__@app.py", "work@app.py"}).object, "");
  EXPECT_EQ(Of({"os_open_impl", "os_open", "work@app.py"}).object, "");
}

TEST(PythonAct, ProgramsWithoutPythonHaveNone) {
  const PythonAct act = Of({"_Py_Dealloc", "mmap_region", "main"});
  EXPECT_FALSE(act.by_collector);
  EXPECT_EQ(act.object, "");
}

}  // namespace
}  // namespace fdaudit::testing
