#pragma once

// One detector a file. Each reads the model and adds what it found; the groups put equal causes together.

#include <string>
#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/detect/grouping.h"
#include "analyzer/detect/story.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

struct DetectOptions {
  std::string source_root;  ///< sources below it are own, wherever the program lies; empty = none
};

/// Runs all detectors: the worst finding first, each complete.
std::vector<Finding> Detect(Model& model, const DetectOptions& options);

/// The steps of Detect(). Close records that a detector has told are marked in `told`, so that the next one leaves them
/// out: one number, one story, one finding.
void FindWrongCloses(Model& model, const std::vector<CloseRecord>& closes, std::vector<bool>* told, Grouping* out);
void FindDoubleCloses(Model& model, const std::vector<CloseRecord>& closes, std::vector<bool>* told, Grouping* out);
void FindBadCloses(Model& model, const std::vector<CloseRecord>& closes, std::vector<bool>* told, Grouping* out);
void FindLeaks(Model& model, Grouping* out);

}  // namespace fdaudit::analyzer
