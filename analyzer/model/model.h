#pragma once

// What the trace files of a session say together: process images and how they ended, descriptors, call paths, time.
// Detectors ask it; nothing here judges. Built once, from files whose writers may still be at work.

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analyzer/model/call_paths.h"
#include "analyzer/model/losses.h"
#include "analyzer/model/process.h"
#include "analyzer/model/redact.h"
#include "analyzer/model/timeline.h"
#include "analyzer/trace/trace_file.h"

namespace fdaudit::analyzer {

struct ModelOptions {
  SymbolLookup lookup;                                                ///< empty: frames stay module and offset
  CodeLookup code_lookup;                                             ///< empty: code made at run time stays nameless
  std::function<Liveness(const LiveQuery&)> liveness = &AskLiveness;  ///< tests put their own here
  /// Why a program can't be audited, as its file shows; kNone where it can, or is not known. Empty: this is not
  /// checked.
  std::function<trace::ExecProblem(const std::string& program)> target_problem;
  bool redact = false;  ///< hashes in place of arguments, program names, and names of what was opened
};

/// From then on a process was in a context: a test, or what it named itself (fdaudit_checkpoint).
struct ContextChange {
  double time_s;
  std::string text;   ///< empty = in none
  uint64_t left = 0;  ///< descriptors that the context before left open
};

/// Images that ended with nothing to report, and whose records the trace has given to others.
struct Folded {
  uint64_t images = 0;
  uint64_t opened = 0;
  uint64_t closed = 0;
};

struct Session {
  std::vector<std::string> command;
  std::string host;
  int64_t started_realtime_ns = 0;
  double duration_s = 0;
  bool is_running = false;         ///< some process of it still runs
  Folded folded;                   ///< what is not among the processes
  Losses lost;                     ///< evidence for which the trace had no room
  std::vector<std::string> notes;  ///< what is wrong with the trace files, a sentence each
};

class Model {
 public:
  Model(std::vector<TraceFile> files, ModelOptions options);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const std::vector<TraceFile>& files() const { return files_; }
  const std::vector<Process>& processes() const { return processes_; }
  const Session& session() const { return session_; }
  /// The name of something that a program opened, as reports may show it: redacted where that was asked for.
  std::string Shown(const std::string& target) const { return options_.redact ? Redacted(target) : target; }
  /// Adds a sentence to session().notes.
  void AddNote(std::string note) { session_.notes.push_back(std::move(note)); }
  CallPaths& paths() { return paths_; }

  /// The process with an image number of a trace file; kNoProcess where unknown.
  ProcessIndex Find(uint32_t file, uint32_t image) const;

  /// The process that did something with that number at a stamp: a number may have been an earlier image's, which ended
  /// with nothing to report. kNoProcess where that one did it.
  ProcessIndex FindAt(uint32_t file, uint32_t image, uint64_t stamp) const;

  /// The process that had `pid`, as `reader`'s pid namespace knows it, at a time of the session; kNoProcess where it
  /// was not audited.
  ProcessIndex FindPid(ProcessIndex reader, int pid, double time_s) const;

  /// The present, on the session's clock, where the trace was made on this machine since it was booted.
  double Now(uint32_t file) const;

  /// Seconds since the session's start.
  double Seconds(uint32_t file, uint64_t stamp) const;

  /// Path and name of an act's call.
  PathId PathOf(uint32_t file, const trace::Act& act) { return paths_.Intern(file, act.stack, Find(file, act.image)); }
  /// The test that a process ran at a time of the session; empty where none is known.
  std::string ContextAt(ProcessIndex process, double time_s) const;
  /// Whether a process had yet to reach `checkpoint` then, it or the nearest one before it that ever did. False where
  /// none of them did.
  bool IsBefore(const std::string& checkpoint, ProcessIndex process, double time_s) const;
  /// Whether any process ever reached it.
  bool Reaches(const std::string& checkpoint) const;
  /// What a process worked at, one context after the other.
  const std::vector<ContextChange>& ContextsOf(ProcessIndex process) const;
  const std::string& CallOf(uint32_t file, const trace::Act& act) const { return files_[file].CallName(act.call); }

  /// Calls `visit(process, fd, const trace::Slot&)` for every descriptor number that any process ever used; a visitor
  /// of four arguments gets trace::SlotBlock::last_use as well.
  template <typename Visit>
  void ForEachSlot(Visit visit) const {
    for (uint32_t file = 0; file < files_.size(); ++file) {
      const auto in_block = [&](uint64_t, const trace::SlotBlock& block) {
        const ProcessIndex process = Find(file, block.image);
        if (process == kNoProcess || block.first_fd < 0 || block.first_fd > INT32_MAX - 16) return;
        for (uint32_t i = 0; i < trace::kSlotsPerBlock; ++i) {
          if (block.slots[i].head.count == 0) continue;
          const int fd = block.first_fd + static_cast<int>(i);
          if constexpr (std::is_invocable_v<Visit, ProcessIndex, int, const trace::Slot&, uint64_t>) {
            visit(process, fd, block.slots[i], block.last_use[i]);
          } else {
            visit(process, fd, block.slots[i]);
          }
        }
      };
      files_[file].ForEach<trace::SlotBlock>(trace::RegionKind::kSlots, in_block);
    }
  }

  /// The slot of a number; false where the process never used it, or its ledger was released.
  bool FindSlot(ProcessIndex process, int fd, trace::Slot* out) const;

 private:
  void ReadImages(uint32_t file);
  void SortAndLink();
  void LinkSuccessorsAcrossFiles();
  void LinkNamedOrigins();
  void LinkSuccessorsByPid();
  bool IsSamePlace(ProcessIndex a, ProcessIndex b) const;
  void NoteUnauditedExecs();
  void ReadContexts();
  void CountSlots();
  void DecideEnds();
  void ApplyRunStatus(uint32_t file);
  void DescribeSession();
  Losses LossesOf(uint32_t file) const;
  void RedactProcesses();
  ProcessEnd EndOf(const Process& process) const;

  std::vector<TraceFile> files_;
  ModelOptions options_;
  CallPaths paths_;
  std::vector<Timeline> timelines_;                      // by file
  std::vector<double> file_offsets_;                     // seconds from the session's start to the file's
  std::vector<Process> processes_;                       // in the order of their starts
  std::vector<trace::ImageRecord> raw_;                  // as processes_; emptied once it has been linked
  std::unordered_map<uint64_t, ProcessIndex> by_image_;  // file << 32 | image
  std::unordered_map<uint64_t, uint64_t> blocks_;        // process << 32 | first_fd -> block
  std::unordered_map<ProcessIndex, std::vector<ContextChange>> contexts_;  // by time
  Session session_;
};

/// The current life of a slot.
inline const trace::Incarnation& CurrentLife(const trace::Slot& slot) { return slot.lives[slot.head.count & 1]; }

/// A fixed-size text field as a string.
template <size_t N>
std::string FieldText(const char (&field)[N]) {
  return std::string(field, strnlen(field, N));
}

}  // namespace fdaudit::analyzer
