#pragma once

// Stored JSON, as events: the one place where a JSON library is known.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "analyzer/output/json/events.h"
#include "analyzer/output/json/value.h"

namespace fdaudit::analyzer {

/// A file that may hold JSON, opened once: it may be a pipe.
class JsonFile {
 public:
  /// Throws TraceError where it can't be opened, or is a directory.
  explicit JsonFile(const std::string& path);

  /// Whether an object begins it, behind white space and a byte order mark.
  bool has_object() const { return first_ == '{'; }
  /// What was read of it is gone: nobody can read it from its beginning.
  bool is_pipe() const { return is_pipe_; }

  /// Once. Throws TraceError where it is no JSON (with the place of the first byte that is wrong), or nests deeper than
  /// any report does; what `to` throws passes through.
  void Read(JsonEvents* to);

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
  uint64_t skipped_ = 0;
  int first_ = EOF;
  bool is_pipe_ = false;
};

void ReadJson(const std::string& path, JsonEvents* to);
JsonValue ReadJsonValue(const std::string& path);
/// Of text in memory; `name` stands for the file in what is thrown.
JsonValue ParseJson(std::string_view text, const std::string& name);

}  // namespace fdaudit::analyzer
