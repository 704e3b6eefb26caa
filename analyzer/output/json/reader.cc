#include "analyzer/output/json/reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>

#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

/// A report has ten levels. Values are destroyed and written level by level, so that a bound is due.
constexpr int kDeepest = 64;

class Forwarder : public nlohmann::json_sax<nlohmann::json> {
 public:
  /// `skipped`: bytes of the file before those that the library gets.
  Forwarder(const std::string& path, uint64_t skipped, JsonEvents* to) : path_(path), skipped_(skipped), to_(*to) {}

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
    throw TraceError(path_, skipped_ + place, "no valid JSON");
  }

 private:
  void Descend() {
    if (++depth_ > kDeepest) throw TraceError(path_, "not a report: nested deeper than any of them");
  }

  const std::string& path_;
  uint64_t skipped_;
  JsonEvents& to_;
  int depth_ = 0;
};

/// The bytes of a file as the library takes them, a block at a time.
class FileBytes {
 public:
  explicit FileBytes(std::FILE* file) : file_(file) { Fill(); }
  bool is_at_end() const { return at_ == size_; }
  const char& current() const { return buffer_[at_]; }
  void Advance() {
    if (++at_ == size_) Fill();
  }

 private:
  void Fill() {
    at_ = 0;
    size_ = std::fread(buffer_.data(), 1, buffer_.size(), file_);
  }

  std::FILE* file_;
  std::array<char, 65536> buffer_;
  size_t at_ = 0;
  size_t size_ = 0;
};

struct FileIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  FileBytes* bytes;  // null: the end

  reference operator*() const { return bytes->current(); }
  FileIterator& operator++() { return bytes->Advance(), *this; }
  void operator++(int) { bytes->Advance(); }
  friend bool operator==(const FileIterator& a, const FileIterator& b) { return a.is_at_end() == b.is_at_end(); }
  bool is_at_end() const { return bytes == nullptr || bytes->is_at_end(); }
};

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

JsonFile::JsonFile(const std::string& path) : path_(path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  struct stat status = {};
  if (fd < 0 || fstat(fd, &status) != 0) throw TraceError(path, strerror(errno));
  file_.reset(fdopen(fd, "rb"));
  if (S_ISDIR(status.st_mode)) throw TraceError(path, "it is a directory, and no report");
  is_pipe_ = !S_ISREG(status.st_mode);
  size_t of_mark = 0;
  for (first_ = std::fgetc(file_.get()); first_ != EOF; first_ = std::fgetc(file_.get()), ++skipped_) {
    const auto byte = static_cast<char>(first_);
    if (of_mark < kByteOrderMark.size() && skipped_ == of_mark && byte == kByteOrderMark[of_mark]) {
      ++of_mark;
    } else if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r') {
      break;
    }
  }
  if (first_ != EOF) std::ungetc(first_, file_.get());
}

void JsonFile::Read(JsonEvents* to) {
  FileBytes bytes(file_.get());
  Forwarder forwarder(path_, skipped_, to);
  nlohmann::json::sax_parse(FileIterator{&bytes}, FileIterator{nullptr}, &forwarder);
  if (std::ferror(file_.get()) != 0) throw TraceError(path_, strerror(errno));
}

void ReadJson(const std::string& path, JsonEvents* to) { JsonFile(path).Read(to); }

JsonValue ReadJsonValue(const std::string& path) {
  JsonValueMaker maker;
  ReadJson(path, &maker);
  return maker.Take();
}

JsonValue ParseJson(std::string_view text, const std::string& name) {
  JsonValueMaker maker;
  Forwarder forwarder(name, 0, &maker);
  nlohmann::json::sax_parse(text.begin(), text.end(), &forwarder);
  return maker.Take();
}

}  // namespace fdaudit::analyzer
