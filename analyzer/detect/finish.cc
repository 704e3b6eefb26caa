#include "analyzer/detect/finish.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "analyzer/detect/fingerprint.h"
#include "analyzer/detect/last_use.h"
#include "analyzer/model/python_act.h"
#include "analyzer/model/test_frames.h"

namespace fdaudit::analyzer {
namespace {

std::string Where(Model& model, const Finding& finding, Role role) {
  for (const StoryEvent& event : finding.events) {
    if (event.role != role || event.is_background) continue;
    const Frame* frame = model.paths().Location(event.path, event.seen_through);
    if (frame == nullptr) {
      return event.call.empty() ? "?" : event.call + (event.has_lost_path ? " (call path not recorded)" : "");
    }
    const bool collected = PythonActOf(model.paths().Frames(event.path)).by_collector;
    return Describe(*frame) + (collected ? " (by Python's collector)" : "");
  }
  return "a place that was not recorded";
}

/// " from process 4711 (worker)", where all of them were received from there.
std::string FromWhom(const Model& model, const Finding& finding) {
  if (finding.descriptors.empty() || !finding.descriptors[0].received_from) return "";
  const Sender& sender = *finding.descriptors[0].received_from;
  const bool same = std::all_of(finding.descriptors.begin(), finding.descriptors.end(), [&](const auto& note) {
    return note.received_from && note.received_from->pid == sender.pid;
  });
  return same && sender.pid != 0 ? " from " + NameOf(model, sender) : "";
}

/// The place where the story's first descriptor came from, in whatever way.
std::string WhereOpened(Model& model, const Finding& finding) {
  for (const Role role : {Role::kOpened, Role::kDuplicated, Role::kReceived}) {
    const bool is_in_story = std::any_of(finding.events.begin(), finding.events.end(), [role](const StoryEvent& event) {
      return event.role == role && !event.is_background;
    });
    const char* verb = role == Role::kOpened ? "opened" : role == Role::kDuplicated ? "duplicated" : "received";
    if (is_in_story) return fmt::format("{} at {}{}", verb, Where(model, finding, role), FromWhom(model, finding));
  }
  const bool inherited = std::any_of(finding.events.begin(), finding.events.end(),
                                     [](const StoryEvent& event) { return event.role == Role::kInherited; });
  return inherited ? "inherited" : "opened unseen";
}

std::string EndOf(const Process& process) {
  switch (process.end.kind) {
    case EndKind::kSignal:
      return fmt::format("when signal {} ended the process", process.end.status);
    case EndKind::kKilled:
      return "when the process was killed";
    case EndKind::kRunning:
      return "while the process runs";
    case EndKind::kUnknown:
      return "when the trace ends";
    default:
      return "when the process exited";
  }
}

/// "; descriptor 3, which it was made from, was closed at …": the code that closed it may believe that nothing is left.
std::string OriginalClosed(Model& model, const Finding& finding) {
  const size_t next = finding.deciding + 1;
  if (finding.count != 1 || finding.held_until_exit || next >= finding.events.size()) return "";
  const StoryEvent& last = finding.events[next];
  if (!last.is_background || last.role != Role::kClosed) return "";
  const Frame* frame = model.paths().Location(last.path);
  return fmt::format("; descriptor {}, which it was made from, was closed{}", last.fd,
                     frame == nullptr ? "" : " at " + Describe(*frame));
}

std::string LeakMessage(Model& model, const Finding& finding) {
  const Process& process = model.processes()[finding.processes.front()];
  const bool runs = process.end.kind == EndKind::kRunning || process.end.kind == EndKind::kUnknown;
  const bool one = finding.count == 1;
  std::string more = finding.growing ? ", and the number keeps growing (8 or more leaking calls)" : "";
  if (!finding.keeper.empty()) more += "; " + finding.keeper;
  more += OriginalClosed(model, finding);
  if (finding.over_images) {
    return fmt::format(
        "{} descriptors {} were left behind when process {} executed itself anew, one after the other, "
        "and the number keeps growing (8 or more images)",
        finding.count, WhereOpened(model, finding), process.pid);
  }
  if (finding.collected) {
    return fmt::format("{} descriptors {} were closed by Python's collector alone: this relies on garbage collection",
                       finding.count, WhereOpened(model, finding));
  }
  if (finding.held_until_exit) {
    return fmt::format("{} descriptor{} {} {} closed only by the end of the program{}", finding.count, one ? "" : "s",
                       WhereOpened(model, finding), one ? "was" : "were", more);
  }
  return fmt::format("{} descriptor{} {} {} {} {}{}", finding.count, one ? "" : "s", WhereOpened(model, finding),
                     runs ? (one ? "is" : "are") : (one ? "was" : "were"), "still open",
                     finding.processes.size() == 1
                         ? EndOf(process)
                         : fmt::format("at the end of {} processes", finding.processes.size()),
                     more);
}

std::string Subject(const Finding& finding) {
  return finding.count == 1 ? fmt::format("descriptor {}", finding.events[finding.deciding].fd)
                            : fmt::format("{} descriptors", finding.count);
}

/// What the first close had reported, though it had closed the number.
std::string WhatItReported(const Finding& finding) {
  if (finding.error == 0) return "";
  return fmt::format("; the close had failed with {}{}", ErrorName(finding.error),
                     finding.error == EINTR ? ", but the number was closed" : "");
}

/// What fits as well as a late close or use.
std::string OtherHistory(Model& model, const Finding& finding) {
  if (finding.certainty != Certainty::kOneOf) return "";
  return fmt::format("; or {} closed a number that was no longer its own, and this one is right",
                     Where(model, finding, Role::kClosed));
}

std::string DoubleCloseMessage(Model& model, const Finding& finding) {
  const char* form = finding.count == 1 ? "{}, {}, was closed at {} and closed again at {}"
                                        : "{} {} were closed at {} and closed again at {}";
  return fmt::format(fmt::runtime(form), Subject(finding), WhereOpened(model, finding),
                     Where(model, finding, Role::kClosed), Where(model, finding, Role::kClosedAgain)) +
         OtherHistory(model, finding) + WhatItReported(finding);
}

bool HasRole(const Finding& finding, Role role) {
  return std::any_of(finding.events.begin(), finding.events.end(),
                     [role](const StoryEvent& event) { return event.role == role; });
}

std::string WrongCloseMessage(Model& model, const Finding& finding) {
  if (finding.events[finding.deciding].role == Role::kClosed) {
    return fmt::format("{} closed {}, {}, {}", Where(model, finding, Role::kClosed), Subject(finding),
                       WhereOpened(model, finding), finding.claim);
  }
  std::string message = fmt::format("{}{} closed {} that {} had opened{}", Where(model, finding, Role::kClosedAgain),
                                    HasRole(finding, Role::kClosed) ? ", closed already," : "", Subject(finding),
                                    Where(model, finding, Role::kReopened),
                                    HasRole(finding, Role::kClosed) ? " since" : " and closes elsewhere itself");
  if (finding.certainty == Certainty::kOneOf) {
    const bool used = HasRole(finding, Role::kUsed);
    message += fmt::format("; or the descriptor was handed over to it, and the {} at {} came too late",
                           used ? "use" : "close", Where(model, finding, used ? Role::kUsed : Role::kOwnerCloseFailed));
  }
  return message + WhatItReported(finding);
}

std::string UseAfterCloseMessage(Model& model, const Finding& finding) {
  return fmt::format("{}, {}, {} closed at {} and used at {}", Subject(finding), WhereOpened(model, finding),
                     finding.count == 1 ? "was" : "were", Where(model, finding, Role::kClosed),
                     Where(model, finding, Role::kUsed)) +
         OtherHistory(model, finding);
}

std::string CollateralCloseMessage(Model& model, const Finding& finding) {
  const bool used = HasRole(finding, Role::kUsed);
  return fmt::format("the sweep at {} closed {}, {}, and {} at {}", Where(model, finding, Role::kClosed),
                     Subject(finding), WhereOpened(model, finding), used ? "it was used" : "its owner closed it",
                     Where(model, finding, used ? Role::kUsed : Role::kOwnerCloseFailed));
}

std::string OverwriteMessage(Model& model, const Finding& finding) {
  return fmt::format("{} overwrote descriptor {}, {}; {} then closed what was no longer its own",
                     Where(model, finding, Role::kOverwritten), finding.events[finding.deciding].fd,
                     WhereOpened(model, finding), Where(model, finding, Role::kClosed));
}

std::string CloseErrorMessage(Model& model, const Finding& finding) {
  const char* meaning =
      finding.error == EINTR ? "it is closed, and must not be closed again" : "what was written may be lost";
  return fmt::format("close at {} failed with {} for {}, {}: {}", Where(model, finding, Role::kClosed),
                     ErrorName(finding.error), Subject(finding), WhereOpened(model, finding), meaning);
}

std::string StdReusedMessage(Model& model, const Finding& finding) {
  constexpr const char* kNames[] = {"standard input", "standard output", "standard error"};
  const int fd = finding.events[finding.deciding].fd;
  return fmt::format("{} became {}: {} was closed at {} and handed out at {}", kNames[std::clamp(fd, 0, 2)],
                     finding.descriptors.empty() || finding.descriptors[0].target.empty()
                         ? "another descriptor"
                         : finding.descriptors[0].target,
                     fd, Where(model, finding, Role::kClosed), Where(model, finding, Role::kReopened));
}

std::string ExhaustedMessage(Model& model, const Finding& finding) {
  std::string holders;
  for (const StoryEvent& event : finding.events) {
    if (event.role != Role::kOpened || event.count == 0) continue;
    const Frame* frame = model.paths().Location(event.path);
    holders += fmt::format("{} {} opened at {}", holders.empty() ? ":" : ",", event.count,
                           frame == nullptr ? "an unknown place" : Describe(*frame));
  }
  const std::string where = Where(model, finding, Role::kExhausted);
  if (finding.error == 0) {
    return fmt::format("{} of {} descriptors were open at {}{}", finding.held, finding.limit, where, holders);
  }
  const std::string times = finding.count == 1 ? "" : fmt::format(" ({} times)", finding.count);
  return fmt::format("{} at {}{} with {} of {} descriptors open{}", ErrorName(finding.error), where, times,
                     finding.held, finding.limit, holders);
}

std::string ExecLeakMessage(Model& model, const Finding& finding) {
  return fmt::format("{}, opened at {} without close-on-exec, crossed an exec to {}", Subject(finding),
                     Where(model, finding, Role::kOpened), model.processes()[finding.processes.front()].exe);
}

std::string PipeHeldMessage(Model& model, const Finding& finding) {
  std::string holders;
  for (const StoryEvent& event : finding.events) {
    if (event.role != Role::kForked && event.role != Role::kExec) continue;
    const Process& holder = model.processes()[event.process];
    const char* self = event.process == finding.processes.front() ? ", the reader itself" : "";
    holders += fmt::format("{}process {} ({}{})", holders.empty() ? "" : ", ", holder.pid, BaseName(holder.exe), self);
  }
  const Process& reader = model.processes()[finding.events.back().process];
  const bool runs = reader.end.kind == EndKind::kRunning;
  return fmt::format("a read at {} {} {:.1f} s for a pipe, {}, whose write end only {} has, which never wrote to it",
                     Where(model, finding, Role::kUsed), runs ? "has waited" : "had waited", finding.waited_s,
                     WhereOpened(model, finding), holders);
}

std::string BadCloseMessage(Model& model, const Finding& finding) {
  const std::string place = Where(model, finding, Role::kClosed);
  if (finding.fds.size() == 1) {
    const std::string times = finding.count == 1 ? "" : fmt::format(" ({} times)", finding.count);
    const int fd = finding.fds.front();
    return fmt::format("{} closed {}, which {}{}", place, fd, fd < 0 ? "is no descriptor" : "was never open here",
                       times);
  }
  return fmt::format("{} closed {} numbers that were never open here", place, finding.count);
}

std::string BadUseMessage(Model& model, const Finding& finding) {
  const StoryEvent& use = finding.events[finding.deciding];
  const std::string times = finding.count == 1 ? "" : fmt::format(" ({} times)", finding.count);
  const std::string place = fmt::format("{} at {}", use.call, Where(model, finding, Role::kUsed));
  if (!finding.claim.empty()) {
    return fmt::format("{} failed with {}: {}, {}, {}{}", place, ErrorName(finding.error), Subject(finding),
                       WhereOpened(model, finding), finding.claim, times);
  }
  if (finding.fds.size() != 1) return fmt::format("{} used {} numbers that were never open here", place, finding.count);
  const int fd = finding.fds.front();
  return fmt::format("{} used {}, which {}{}", place, fd, fd < 0 ? "is no descriptor" : "was never open here", times);
}

std::string ClosedInUseMessage(Model& model, const Finding& finding) {
  const StoryEvent& use = finding.events[finding.deciding - 1];
  return fmt::format("{}, {}, {} closed at {} while another thread was inside {} at {}", Subject(finding),
                     WhereOpened(model, finding), finding.count == 1 ? "was" : "were",
                     Where(model, finding, Role::kClosed), use.call, Where(model, finding, Role::kUsed));
}

std::string MessageOf(Model& model, const Finding& finding) {
  switch (finding.kind) {
    case Kind::kLeak:
      return LeakMessage(model, finding);
    case Kind::kDoubleClose:
      return DoubleCloseMessage(model, finding);
    case Kind::kWrongClose:
      return WrongCloseMessage(model, finding);
    case Kind::kUseAfterClose:
      return UseAfterCloseMessage(model, finding);
    case Kind::kCollateralClose:
      return CollateralCloseMessage(model, finding);
    case Kind::kOverwrite:
      return OverwriteMessage(model, finding);
    case Kind::kBadUse:
      return BadUseMessage(model, finding);
    case Kind::kCloseError:
      return CloseErrorMessage(model, finding);
    case Kind::kStdReused:
      return StdReusedMessage(model, finding);
    case Kind::kExhausted:
      return ExhaustedMessage(model, finding);
    case Kind::kPipeHeld:
      return PipeHeldMessage(model, finding);
    case Kind::kClosedInUse:
      return ClosedInUseMessage(model, finding);
    case Kind::kExecLeak:
      return ExecLeakMessage(model, finding);
    default:
      return BadCloseMessage(model, finding);
  }
}

/// Own is where the location is; where no stack was recorded, where the program lies.
bool IsOwnFinding(const Model& model, const DetectOptions& options, const Finding& finding) {
  if (finding.location) return IsOwn(*finding.location, options.source_root);
  Frame program;
  program.module = model.processes()[finding.processes.front()].exe;
  return IsOwn(program, options.source_root);
}

}  // namespace

void Finish(Model& model, const DetectOptions& options, std::vector<Finding>* findings) {
  for (Finding& finding : *findings) {
    const StoryEvent& deciding = finding.events[finding.deciding];
    if (const Frame* frame = model.paths().Location(deciding.path, deciding.seen_through)) finding.location = *frame;
    finding.own = IsOwnFinding(model, options, finding);
    // One that another's program leaves to its exit: hardly any does not.
    const bool is_single = finding.kind == Kind::kLeak && !finding.growing && !finding.growth;
    if (is_single && !finding.own) finding.severity = Severity::kNote;
    finding.context = model.ContextAt(deciding.process, deciding.time_s);
    if (finding.context.empty()) finding.context = TestOf(model.paths().Frames(deciding.path));
    FoldLastUses(model, &finding.last_uses);
    finding.message = MessageOf(model, finding);
  }
  AssignFingerprints(model.paths(), findings);
}

}  // namespace fdaudit::analyzer
