// Where the threads of a hung or crashed process stand, as `report --pid` and `--core` have found it.

#include <fmt/core.h>

#include <string>

#include "analyzer/viewer/parts.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

std::string NumbersOf(const Json& list) {
  std::string text;
  for (const Json& fd : list) text += (text.empty() ? "" : ", ") + std::to_string(fd.Int());
  return text;
}

void WriteHolder(const Json& holder, Html* out) {
  out->Raw("<li>its other end is held by process ").Number(holder["pid"].Count());
  if (const std::string program = holder["program"].Text(); !program.empty()) {
    out->Raw(" (<bdi>").Text(program).Raw("</bdi>)");
  }
  out->Raw(" as descriptor ").Raw(std::to_string(holder["fd"].Int()));
  if (const std::string call = holder["call"].Text(); !call.empty()) {
    out->Raw(", which waits in <code>").Text(call).Raw("</code>");
    if (!holder["waits_for"].empty()) out->Raw(" of descriptor ").Text(NumbersOf(holder["waits_for"]));
  }
  out->Raw("</li>\n");
}

void WriteWaited(const Json& waited, Html* out) {
  out->Raw("<li>descriptor <b>").Raw(std::to_string(waited["fd"].Int())).Raw("</b>: ");
  const std::string target = waited["target"].Text();
  out->Text(waited["type"].Text()).Raw(" <bdi>").Text(target).Raw("</bdi>");
  if (const std::string watches = waited["watches"].Text(); !watches.empty()) out->Raw("; ").Text(watches);
  if (waited["opened"].IsObject()) {
    const Json& opened = waited["opened"];
    out->Raw(", opened by <code>").Text(opened["call"].Text()).Raw("</code>");
    if (const std::string place = opened["location"].Text(); !place.empty()) {
      out->Raw(" at <bdi>").Text(place).Raw("</bdi>");
    }
    if (const std::string process = opened["process"].Text(); !process.empty()) {
      out->Raw(" in <a href=\"#").Text(process).Raw("\">").Text(process).Raw("</a>");
    }
  }
  if (waited["other_end"].IsList()) {
    out->Raw("<ul>");
    for (const Json& holder : waited["other_end"]) WriteHolder(holder, out);
    if (waited["other_end"].empty()) out->Raw("<li>no process holds its other end</li>");
    out->Raw("</ul>");
  }
  out->Raw("</li>\n");
}

}  // namespace

void WriteThreads(const Json& document, const PageOptions& options, Html* out) {
  for (const Json& problem : document["standing"]["problems"]) {
    out->Raw("<p>").Text(problem.Text()).Raw("</p>\n");
  }
  out->Raw("<ul class=tree>\n");
  for (const Json& thread : document["threads"]) {
    out->Raw("<li><b>thread ").Number(thread["thread"].Count()).Raw("</b> <bdi>").Text(thread["name"].Text());
    out->Raw("</bdi>: ").Text(thread["state"].Text());
    if (const std::string call = thread["call"].Text(); !call.empty()) out->Raw(" in <code>").Text(call).Raw("</code>");
    out->Raw("<ul>");
    for (const Json& waited : thread["waits_for"]) WriteWaited(waited, out);
    out->Raw("</ul>");
    if (const std::string problem = thread["problem"].Text(); !problem.empty()) {
      out->Raw("<p>").Text(problem).Raw("</p>");
    }
    WriteFrames(document, thread["frames"], options, out);
    out->Raw("</li>\n");
  }
  out->Raw("</ul>\n");
}

}  // namespace fdaudit::analyzer
