#pragma once

// One detector a file. Each reads the model and adds what it found; the groups put equal causes together.

#include <string>
#include <vector>

#include "analyzer/detect/evidence.h"
#include "analyzer/detect/finding.h"
#include "analyzer/detect/grouping.h"
#include "analyzer/detect/story.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

class CulpritJudge;

struct DetectOptions {
  std::string source_root;                ///< sources below it are own, wherever the program lies; empty = none
  std::vector<std::string> helpers = {};  ///< functions that open or close for others, as the user says
  std::string ignore_before = {};  ///< a checkpoint: what a process did before it is left out; empty = nothing is
};

/// Runs all detectors: the worst finding first, each complete. `left_out`: descriptors that options.ignore_before has
/// spared.
std::vector<Finding> Detect(Model& model, const DetectOptions& options, uint64_t* left_out = nullptr);

/// The steps of Detect(), in the contract's order of precedence: one number, one story, one finding.
void FindWrongCloses(Model& model, const CulpritJudge& judge, Evidence* evidence, Grouping* out);
void FindCollateralCloses(Model& model, const DetectOptions& options, Evidence* evidence, Grouping* out);
void FindDoubleCloses(Model& model, const CulpritJudge& judge, Evidence* evidence, Grouping* out);
void FindUsesAfterClose(Model& model, const CulpritJudge& judge, Evidence* evidence, Grouping* out);
void FindOverwrites(Model& model, Evidence* evidence, Grouping* out);
void FindCloseErrors(Model& model, Evidence* evidence, Grouping* out);
void FindStdReused(Model& model, Evidence* evidence, Grouping* out);
void FindExhaustion(Model& model, Evidence* evidence, Grouping* out);
void FindExecLeaks(Model& model, Evidence* evidence, Grouping* out);
void FindHeldPipes(Model& model, Evidence* evidence, Grouping* out);
void FindBadUses(Model& model, Evidence* evidence, Grouping* out);
void FindClosedInUse(Model& model, Evidence* evidence, Grouping* out);
void FindBadCloses(Model& model, Evidence* evidence, Grouping* out);
void FindLeaks(Model& model, const Evidence& evidence, Grouping* out);
void FindCollected(Model& model, const DetectOptions& options, Grouping* out);

}  // namespace fdaudit::analyzer
