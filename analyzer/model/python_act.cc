#include "analyzer/model/python_act.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace fdaudit::analyzer {
namespace {

bool IsDeallocation(const Frame& frame) {
  constexpr std::string_view kNames[] = {"_Py_Dealloc", "PyObject_CallFinalizer", "PyObject_CallFinalizerFromDealloc",
                                         "iobase_finalize", "finalize_garbage"};
  return std::find(std::begin(kNames), std::end(kNames), frame.function) != std::end(kNames);
}

/// The classes whose methods make the calls themselves, by how the interpreter's sources name these.
std::string ClassOfMethod(std::string_view function) {
  constexpr std::pair<std::string_view, const char*> kMethods[] = {
      {"_io_FileIO_", "_io.FileIO"},      {"sock_initobj", "socket.socket"},
      {"sock_finalize", "socket.socket"}, {"sock_close", "socket.socket"},
      {"ScandirIterator_", "os.scandir"}, {"select_epoll", "select.epoll"},
      {"pyepoll_", "select.epoll"},       {"mmap_", "mmap.mmap"}};
  for (const auto& [start, name] : kMethods) {
    if (function.starts_with(start)) return name;
  }
  return "";
}

/// "socket.__init__" of …/socket.py → "socket.socket": the standard library's classes that are written in Python.
std::string ClassOfConstructor(const Frame& frame) {
  constexpr std::string_view kConstructor = ".__init__";
  if (!frame.is_runtime || !frame.function.ends_with(kConstructor)) return "";
  std::string module(BaseName(frame.file));
  module.resize(module.find('.') == std::string::npos ? module.size() : module.find('.'));
  return module + "." + frame.function.substr(0, frame.function.size() - kConstructor.size());
}

}  // namespace

PythonAct PythonActOf(const FrameList& frames) {
  PythonAct act;
  const auto python = std::find_if(frames.begin(), frames.end(), [](const Frame& frame) { return frame.is_python; });
  if (python == frames.end()) return act;
  act.by_collector = std::any_of(frames.begin(), python, IsDeallocation);
  for (auto frame = frames.begin(); frame != python && act.object.empty(); ++frame) {
    act.object = ClassOfMethod(frame->function);
  }
  if (act.object.empty()) act.object = ClassOfConstructor(*python);
  return act;
}

}  // namespace fdaudit::analyzer
