#pragma once

// Stored JSON, as events: the one place where a JSON library is known.

#include <string>

#include "analyzer/output/json/events.h"
#include "analyzer/output/json/value.h"

namespace fdaudit::analyzer {

/// Throws TraceError where the file can't be opened, is no JSON (with the place of the first byte that is wrong), or
/// nests deeper than any report does; what `to` throws passes through.
void ReadJson(const std::string& path, JsonEvents* to);
JsonValue ReadJsonValue(const std::string& path);

}  // namespace fdaudit::analyzer
