#pragma once

// JSON Schema (2020-12), as far as docs/report.schema.json uses it: type, const, enum, pattern, minimum, properties,
// propertyNames, additionalProperties, required, items, maxItems, minItems, uniqueItems, anyOf and $ref into $defs.
// What describes (title, description, format, default) decides nothing, but that a required property with a default may
// be missing: reports that older versions stored lack what was added since.

#include <optional>
#include <string>

#include "analyzer/output/json/value.h"

namespace fdaudit::analyzer {

/// What is wrong with a document, and where.
struct SchemaViolation {
  std::string pointer;  ///< RFC 6901: "/findings/0/growth"; empty for the whole document
  std::string what;     ///< "'calls' is missing"
};

class JsonSchema {
 public:
  /// `schema` is our own, and known to be right.
  explicit JsonSchema(JsonValue schema) : root_(std::move(schema)) {}

  /// The first violation; nothing where there is none. Adds defaults of what is missing.
  std::optional<SchemaViolation> Check(JsonValue* document) const { return Check(root_, document); }

 private:
  std::optional<SchemaViolation> Check(const JsonValue& schema, JsonValue* value) const;
  std::optional<SchemaViolation> CheckObject(const JsonValue& schema, JsonValue* value) const;
  std::optional<SchemaViolation> CheckList(const JsonValue& schema, JsonValue* value) const;
  std::optional<SchemaViolation> CheckAnyOf(const JsonValue& schema, JsonValue* value) const;
  const JsonValue& Resolve(const std::string& reference) const;

  JsonValue root_;
};

}  // namespace fdaudit::analyzer
