#include "analyzer/model/redact.h"

#include <fmt/core.h>

#include "analyzer/model/frame_class.h"
#include "analyzer/model/hash.h"

namespace fdaudit::analyzer {

std::string Redacted(std::string_view text) {
  if (text.empty()) return "";
  Fnv hash;
  hash.Add(text);
  const bool is_system = text.front() == '/' && !IsOwnPath(text);
  return fmt::format("{}#{:08x}", is_system ? "/usr/" : "", static_cast<uint32_t>(hash.value() ^ hash.value() >> 32));
}

}  // namespace fdaudit::analyzer
