#pragma once

// What the shim proved at the moment: closes and uses that failed with EBADF, and stale closes caught in the act. Each
// piece belongs to one story: once a detector has reported it, later ones leave it out.

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/detect/judge/proof.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

class Evidence {
 public:
  /// All of it, in the order of the deciding calls.
  explicit Evidence(Model& model);

  /// Leaves out failed closes by which a function made room for what it then put on the number, or had just looked for
  /// there in vain: they were meant to fail where there was nothing. After the model knows the helpers.
  void LeaveOutMadeRoom();

  const std::vector<Proof>& proofs() const { return proofs_; }
  size_t size() const { return proofs_.size(); }
  const Proof& operator[](size_t index) const { return proofs_[index]; }
  bool IsReported(size_t index) const { return reported_[index]; }
  uint32_t FileOf(size_t index) const { return model_.processes()[proofs_[index].process].file; }

  /// `finding` reports this piece. What else happened to the same life, and is not reported yet, belongs to the
  /// same story: it follows as further events, failed closes in the role `close_role`.
  void Report(size_t index, Role close_role, Finding* finding);

  /// The piece is reported with another of the same cause.
  void MarkReported(size_t index) { reported_[index] = true; }

  /// The error of this life's close (EINTR …), now reported with the piece that reports the close; 0 = none.
  int TakeErrorOf(ProcessIndex process, int fd, const trace::Incarnation& life);

 private:
  using LifeKey = std::tuple<ProcessIndex, int, uint64_t, uint64_t>;  // number, stamps of its opening and its close

  void Index();
  static LifeKey KeyOf(ProcessIndex process, int fd, const trace::Incarnation& life);
  static LifeKey KeyOf(const Proof& proof) { return KeyOf(proof.process, proof.record.fd, proof.last()); }
  /// Index of the close error that belongs to this life; size() = none.
  size_t FindError(ProcessIndex process, int fd, const trace::Incarnation& life) const;

  Model& model_;
  std::vector<Proof> proofs_;
  std::vector<bool> reported_;
  std::map<LifeKey, std::vector<size_t>> of_life_;
};

}  // namespace fdaudit::analyzer
