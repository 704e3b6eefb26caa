#include "shim/base/message.h"

#include "shim/base/raw_io.h"
#include "shim/base/text.h"

namespace fdaudit::shim {
namespace {

struct FileIdentity {
  dev_t device;
  ino_t inode;
};
constinit FileIdentity standard_error = {};
constinit bool had_standard_error = false;

bool Identify(FileIdentity* out) {
  struct stat status = {};
  if (!SystemCallsAllowed() || raw::Fstat(2, &status) != 0) return false;
  *out = {status.st_dev, status.st_ino};
  return true;
}

}  // namespace

void RememberStandardError() { had_standard_error = Identify(&standard_error); }

void Complain(const char* what, const char* detail) {
  FileIdentity now = {};
  if (!had_standard_error || !Identify(&now)) return;
  if (now.device != standard_error.device || now.inode != standard_error.inode) return;
  char line[1024];
  TextBuilder text(line, sizeof line - 1);
  text.Add("fdaudit: ").Add(what).Add(detail).Add("\n");
  raw::Write(2, text.text(), text.size());
}

}  // namespace fdaudit::shim
