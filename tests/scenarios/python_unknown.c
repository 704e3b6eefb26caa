// What looks like an interpreter of a version that nobody knows yet: its frames stay native, and the report says so.
#include "scenario.h"

char _PyRuntime[4096] = "nobody knows";
const unsigned long Py_Version = 0x036300f0;  // 3.99.0

void* PyGILState_GetThisThreadState(void) { abort(); }
int Py_IsInitialized(void) { abort(); }
char PyCode_Type[512];
int _PyEval_EvalFrameDefault(const char* file) { return open(file, O_RDONLY) >= 0; }  // @opened

int main(void) {
  MUST(_PyEval_EvalFrameDefault("/dev/null") == 1);
  return 0;
}
