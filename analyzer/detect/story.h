#pragma once

// From the trace's acts to the events of a finding's story, and what all detectors need to put a finding together.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/detect/evidence.h"
#include "analyzer/detect/finding.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

StoryEvent EventOf(Model& model, uint32_t file, Role role, const trace::Act& act, int fd);

/// Adds how `process` got a descriptor: opened, duplicated or received, or by whom it was opened and then inherited.
void AddOpening(Model& model, ProcessIndex process, const trace::Incarnation& life, int fd,
                std::vector<StoryEvent>* events);

/// Adds the close of a life; where the process inherited the number closed already, that too.
void AddClosing(Model& model, ProcessIndex process, const trace::Incarnation& life, int fd,
                std::vector<StoryEvent>* events);

DescriptorNote NoteOf(const Model& model, ProcessIndex process, int fd, const trace::Incarnation& life,
                      const std::string& target);

/// "process 4711 (worker)", "an unknown process".
std::string NameOf(const Model& model, const Sender& sender);

/// Count, numbers and descriptors of a piece of evidence. `life`: which of its two incarnations the descriptors are.
void TakeNumbers(const Model& model, const Proof& proof, size_t life, Finding* finding);

/// A finding about a piece of evidence; its story only says so far how the process got the one of the two incarnations
/// (`life`: 0 = the number's last one) that it is about.
Finding BeginFinding(Model& model, const Proof& proof, size_t life, Kind kind, Severity severity);

/// The same for an act that came too late: with the close of the life that it meant, and what became of the number.
Finding BeginLate(Model& model, const Ruling& ruling, const Proof& proof, Kind kind, Severity severity);

/// `finding` reports what would have been one of `kind`: it is as severe, and gates for that kind too.
void TakeIn(Kind kind, Severity severity, Finding* finding);

/// Distinct, ascending, at most kMaxFds.
void TidyFds(std::vector<int>* fds);

}  // namespace fdaudit::analyzer
