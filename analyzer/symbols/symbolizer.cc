#include "analyzer/symbols/symbolizer.h"

#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "analyzer/symbols/module_reader.h"
#include "analyzer/symbols/reader_process.h"

namespace fdaudit::analyzer {
namespace {

constexpr int kMostReaders = 4;  // each that dies has taken its share of time

constexpr char kLookup = 'l';
constexpr char kProblem = 'p';

/// What goes between the two processes: numbers, and texts with their length before them.
class Message {
 public:
  Message() = default;
  explicit Message(std::string_view text) : text_(text) {}

  template <typename T>
  Message& Put(T number) {
    static_assert(std::is_trivially_copyable_v<T>);
    text_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  template <typename Bytes>
  Message& PutBytes(const Bytes& bytes) {
    Put(static_cast<uint32_t>(bytes.size()));
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return *this;
  }

  /// 0, or an empty one, at the end.
  template <typename T>
  T Take() {
    T number{};
    if (text_.size() - at_ < sizeof number) return number;
    std::memcpy(&number, text_.data() + at_, sizeof number);
    at_ += sizeof number;
    return number;
  }
  template <typename Bytes>
  Bytes TakeBytes() {
    const size_t size = std::min<size_t>(Take<uint32_t>(), text_.size() - at_);
    Bytes bytes(text_.begin() + static_cast<ptrdiff_t>(at_), text_.begin() + static_cast<ptrdiff_t>(at_ + size));
    at_ += size;
    return bytes;
  }
  bool is_at_end() const { return at_ == text_.size(); }

  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
  size_t at_ = 0;
};

std::string PackFrames(const std::vector<SymbolFrame>& frames) {
  Message message;
  for (const SymbolFrame& frame : frames) {
    message.PutBytes(frame.function).PutBytes(frame.file).Put(int32_t{frame.line}).Put(frame.is_inlined);
    message.Put(int32_t{frame.first_line}).Put(frame.site);
  }
  return std::move(message).text();
}

std::vector<SymbolFrame> UnpackFrames(std::string_view text) {
  std::vector<SymbolFrame> frames;
  for (Message message(text); !message.is_at_end();) {
    SymbolFrame frame;
    frame.function = message.TakeBytes<std::string>();
    frame.file = message.TakeBytes<std::string>();
    frame.line = message.Take<int32_t>();
    frame.is_inlined = message.Take<uint8_t>() != 0;
    frame.first_line = message.Take<int32_t>();
    frame.site = message.Take<uint64_t>();
    frames.push_back(std::move(frame));
  }
  if (frames.empty()) frames.emplace_back();
  return frames;
}

/// In the reader.
std::string AnswerTo(ModuleReader* reader, std::string_view question) {
  Message message(question);
  const char what = message.Take<char>();
  const auto address = message.Take<uint64_t>();
  ModuleRef ref;
  ref.path = message.TakeBytes<std::string>();
  ref.build_id = message.TakeBytes<std::vector<uint8_t>>();
  return what == kLookup ? PackFrames(reader->Lookup(ref, address)) : reader->Problem(ref);
}

}  // namespace

Symbolizer::Symbolizer(Options options) : options_(std::move(options)), readers_left_(kMostReaders) {}

Symbolizer::~Symbolizer() = default;

std::string Symbolizer::Ask(char what, const ModuleRef& ref, uint64_t address, Module* module) {
  if (module->is_refused) return "";
  if (!reader_ && readers_left_ > 0) {
    reader_ = std::make_unique<ReaderProcess>([this] {
      const auto reader = std::make_shared<ModuleReader>(options_);
      return [reader](std::string_view question) { return AnswerTo(reader.get(), question); };
    });
  }
  Message question;
  question.Put(what).Put(address).PutBytes(ref.path).PutBytes(ref.build_id);
  if (reader_) {
    if (std::optional<std::string> answer = reader_->Ask(std::move(question).text())) return *std::move(answer);
    reader_.reset();
    --readers_left_;
  }
  module->is_refused = module->has_problem = true;
  module->problem = ref.path + ": reading its symbols took more memory or time than a file of its size may take";
  return "";
}

std::vector<SymbolFrame> Symbolizer::Lookup(const ModuleRef& ref, uint64_t address) {
  Module& module = Find(ref);
  const auto [known, is_new] = module.frames.try_emplace(address);
  if (is_new) known->second = UnpackFrames(Ask(kLookup, ref, address, &module));
  return known->second;
}

std::string Symbolizer::Problem(const ModuleRef& ref) {
  Module& module = Find(ref);
  if (!module.has_problem) {
    std::string problem = Ask(kProblem, ref, 0, &module);
    if (!module.is_refused) module.problem = std::move(problem);
    module.has_problem = true;
  }
  return module.problem;
}

}  // namespace fdaudit::analyzer
