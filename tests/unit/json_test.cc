// JSON that is written, kept and read: the words that write it, its text, values, stored files.

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "analyzer/output/json/reader.h"
#include "analyzer/output/json/text.h"
#include "analyzer/output/json/value.h"
#include "analyzer/output/json/writer.h"
#include "analyzer/trace/trace_error.h"
#include "tests/support/workshop.h"

namespace fdaudit::testing {
namespace {

using analyzer::JsonEvents;
using analyzer::JsonText;
using analyzer::JsonValue;
using analyzer::JsonValueMaker;
using analyzer::JsonWriter;

template <typename Body>
std::string Written(Body body, JsonText::Layout layout = JsonText::Layout::kCompact) {
  return JsonString(layout, [&](JsonEvents* to) {
    JsonWriter out(to);
    body(out);
  });
}

template <typename T>
std::string Element(const T& value) {
  return Written([&](JsonWriter& out) { out.Value(value); });
}

std::string TextOf(const JsonValue& value) {
  return JsonString(JsonText::Layout::kCompact, [&](JsonEvents* to) { value.Send(to); });
}

JsonValue Stored(const std::string& text) {
  const Workshop shop;
  shop.Write("stored.json", text);
  return analyzer::ReadJsonValue(shop.Path("stored.json"));
}

// --- text

TEST(JsonText, IndentsByTwoAndLeavesTheEmptyOnOneLine) {
  const auto body = [](JsonWriter& out) {
    out.Object([&] {
      out.Object("none", [] {});
      out.List("nothing", [] {});
      out.Field("list", std::vector<int>{1, 2});
      out.List("deep", [&] { out.Object([&] { out.Field("a", nullptr); }); });
      out.Field("last", true);
    });
  };
  EXPECT_EQ(Written(body, JsonText::Layout::kIndented),
            "{\n  \"none\": {},\n  \"nothing\": [],\n  \"list\": [\n    1,\n    2\n  ],\n"
            "  \"deep\": [\n    {\n      \"a\": null\n    }\n  ],\n  \"last\": true\n}");
  EXPECT_EQ(Written(body), R"({"none":{},"nothing":[],"list":[1,2],"deep":[{"a":null}],"last":true})");
}

TEST(JsonText, EscapesWhatAStringMayNotHold) {
  EXPECT_EQ(Element("a\"b\\c/\b\t\n\f\r\x01\x1f\x7f"), R"("a\"b\\c/\b\t\n\f\r\u0001\u001f)"
                                                       "\x7f\"");
  EXPECT_EQ(Element(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(Element("äöü €  𝄞"), "\"äöü €  𝄞\"");
  EXPECT_EQ(Written([](JsonWriter& out) { out.Object([&] { out.Field("\"", 1); }); }), R"({"\"":1})");
}

TEST(JsonText, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(Element("a\xff"
                    "b"),
            "\"a\ufffdb\"");
  EXPECT_EQ(Element("\xc0\xaf"), "\"\ufffd\ufffd\"");  // overlong
  EXPECT_EQ(Element("\xe2\x82"), "\"\ufffd\ufffd\"");  // cut short
}

TEST(JsonText, NumbersAreTheShortestThatReadBackTheSame) {
  EXPECT_EQ(Element(0), "0");
  EXPECT_EQ(Element(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(Element(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(Element(0.0), "0.0");
  EXPECT_EQ(Element(3.0), "3.0");
  EXPECT_EQ(Element(-0.5), "-0.5");
  EXPECT_EQ(Element(0.1), "0.1");
  EXPECT_EQ(Element(0.000123), "0.000123");
  EXPECT_EQ(Element(1e-06), "1e-06");
  EXPECT_EQ(Element(2.5e-05), "2.5e-05");
  EXPECT_EQ(Element(123456.789012), "123456.789012");
  EXPECT_EQ(Element(1e+22), "1e+22");
  EXPECT_EQ(Element(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(Element(std::numeric_limits<double>::quiet_NaN()), "null");
}

TEST(JsonText, ArrivesInPiecesThatAreNoDocument) {
  size_t most = 0;
  std::string all;
  JsonText text([&](std::string_view piece) {
    most = std::max(most, piece.size());
    all += piece;
  });
  JsonWriter out(&text);
  out.List([&] {
    for (int i = 0; i < 100000; ++i) out.Value("0123456789");
  });
  EXPECT_LT(most, size_t{1} << 17);
  EXPECT_EQ(all.size(), 100000 * 16 - 1 + 3u);
}

TEST(JsonWriter, WhatThereIsNotIsNull) {
  EXPECT_EQ(Element(std::optional<int>()), "null");
  EXPECT_EQ(Element(std::optional<int>(7)), "7");
  EXPECT_EQ(Element(std::vector<std::string>{"a", "b"}), R"(["a","b"])");
}

// --- values

TEST(JsonValue, WhatIsMissingOrOfAnotherTypeReadsAsNothing) {
  const JsonValue value = Stored(R"({"text": "t", "list": [1], "number": -3, "real": 1.5})");
  EXPECT_TRUE(value["none"].IsNull());
  EXPECT_EQ(value["none"]["deeper"][7]["still"].Text(), "");
  EXPECT_EQ(value["text"].Int(), 0);
  EXPECT_EQ(value["text"]["list"].size(), 0u);
  EXPECT_EQ(value["list"].Text(), "");
  EXPECT_EQ(value["list"][1].Int(), 0);
  EXPECT_EQ(value["number"].Count(), 0u);
  EXPECT_EQ(value["number"].Int(), -3);
  EXPECT_EQ(value["real"].Int(), 1);
  EXPECT_FALSE(value["number"].IsTrue());
}

TEST(JsonValue, NumbersAreClampedToTheirType) {
  const JsonValue value = Stored("[1e300, -1e300, 18446744073709551615, 9223372036854775807]");
  EXPECT_EQ(value[0].Int(), std::numeric_limits<int>::max());
  EXPECT_EQ(value[0].Count(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(value[1].Int(), std::numeric_limits<int>::min());
  EXPECT_EQ(value[2].Count(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(value[3].Int(), std::numeric_limits<int>::max());
}

TEST(JsonValue, WritesWhatItHasRead) {
  const std::string text = R"({"b":[1,-2,2.5,true,null,{},[]],"a":"\"\\\n","b2":18446744073709551615})";
  EXPECT_EQ(TextOf(Stored(text)), text);
}

TEST(JsonValue, OfMembersWithOneNameTheLastCounts) {
  EXPECT_EQ(TextOf(Stored(R"({"a":1,"b":2,"a":3})")), R"({"a":3,"b":2})");
}

TEST(JsonValue, ManyMembersAreFoundAndKeepTheirOrder) {
  JsonValue value;
  for (int i = 0; i < 1000; ++i) {
    value.At(std::to_string(i)) = i;
    EXPECT_EQ(value[std::to_string(i / 2)].Int(), i / 2);
  }
  const JsonValue copy = value;
  value.At("999") = "changed";
  EXPECT_EQ(value.size(), 1000u);
  EXPECT_EQ(value["999"].Text(), "changed");
  EXPECT_EQ(copy["999"].Int(), 999);
  EXPECT_EQ(copy.Members()[500].name, "500");
  EXPECT_EQ(copy.Find("1000"), nullptr);
}

TEST(JsonValue, EqualIsWhatHoldsTheSame) {
  EXPECT_EQ(Stored(R"([1,{"a":"x"}])"), Stored(R"([1, {"a": "x"}])"));
  EXPECT_FALSE(Stored(R"([1,{"a":"x"}])") == Stored(R"([1,{"a":"y"}])"));
  EXPECT_FALSE(Stored("[1]") == Stored("[1,2]"));
  EXPECT_FALSE(JsonValue("1") == JsonValue(1));
}

// --- stored files

TEST(JsonReader, SaysWhereTheFirstWrongByteIs) {
  try {
    Stored("{\"a\": tru}");
    FAIL() << "read";
  } catch (const analyzer::TraceError& error) {
    EXPECT_NE(std::string(error.what()).find("at offset 10: no valid JSON"), std::string::npos) << error.what();
  }
  EXPECT_THROW(Stored(""), analyzer::TraceError);
  EXPECT_THROW(Stored("{} {}"), analyzer::TraceError);
  EXPECT_THROW(Stored("[\"\xff\"]"), analyzer::TraceError);
  EXPECT_THROW(analyzer::ReadJsonValue("/nonexistent"), analyzer::TraceError);
  EXPECT_THROW(analyzer::ReadJsonValue("/"), analyzer::TraceError);
}

TEST(JsonReader, RefusesADepthThatNoReportHas) {
  EXPECT_NO_THROW(Stored(std::string(64, '[') + std::string(64, ']')));
  EXPECT_THROW(Stored(std::string(1000000, '[')), analyzer::TraceError);
}

}  // namespace
}  // namespace fdaudit::testing
