#include "analyzer/output/json/reader.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

/// A report has ten levels. Values are destroyed and written level by level, so that a bound is due.
constexpr int kDeepest = 64;

class Forwarder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Forwarder(const std::string& path, JsonEvents* to) : path_(path), to_(*to) {}

  bool null() override { return to_.Null(), true; }
  bool boolean(bool value) override { return to_.Boolean(value), true; }
  bool number_integer(number_integer_t value) override { return to_.Integer(value), true; }
  bool number_unsigned(number_unsigned_t value) override { return to_.Count(value), true; }
  bool number_float(number_float_t value, const std::string&) override { return to_.Real(value), true; }
  bool binary(binary_t&) override { return false; }
  bool string(std::string& text) override { return to_.Text(text), true; }
  bool key(std::string& name) override { return to_.Name(name), true; }
  bool start_object(size_t) override { return Descend(), to_.BeginObject(), true; }
  bool end_object() override { return --depth_, to_.EndObject(), true; }
  bool start_array(size_t) override { return Descend(), to_.BeginList(), true; }
  bool end_array() override { return --depth_, to_.EndList(), true; }
  bool parse_error(size_t place, const std::string&, const nlohmann::detail::exception&) override {
    throw TraceError(path_, place, "no valid JSON");
  }

 private:
  void Descend() {
    if (++depth_ > kDeepest) throw TraceError(path_, "not a report: nested deeper than any of them");
  }

  const std::string& path_;
  JsonEvents& to_;
  int depth_ = 0;
};

}  // namespace

void ReadJson(const std::string& path, JsonEvents* to) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown)) throw TraceError(path, "it is a directory, and no report");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw TraceError(path, strerror(errno));
  Forwarder forwarder(path, to);
  nlohmann::json::sax_parse(file, &forwarder);
}

JsonValue ReadJsonValue(const std::string& path) {
  JsonValueMaker maker;
  ReadJson(path, &maker);
  return maker.Take();
}

}  // namespace fdaudit::analyzer
