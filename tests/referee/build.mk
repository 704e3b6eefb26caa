# The referees: our unwind rules and frames against libunwind's (docs/unwinding.md).
include tests/support/stack.mk
REFEREE_OBJECTS := $(patsubst %,$(BUILD)/obj/tests/referee/%.cc.o,rules frames)
REFEREE_FILES ?= vdso $(wildcard /lib/x86_64-linux-gnu/libc.so.6 /lib64/ld-linux-x86-64.so.2 \
                   /lib/x86_64-linux-gnu/libm.so.6 /lib/x86_64-linux-gnu/libstdc++.so.6 \
                   /lib/x86_64-linux-gnu/libgcc_s.so.1 /lib/x86_64-linux-gnu/libcrypto.so.3 /usr/bin/git \
                   /usr/bin/bash /usr/bin/perl /usr/bin/python3.11 /usr/bin/node)

# Into a library that is preloaded, so its tables of the shim's parts are its own.
$(BUILD)/obj/tests/referee/frames.cc.o: TEST_FLAGS += -fPIC -fvisibility=hidden -ftls-model=initial-exec \
                                                      -fno-omit-frame-pointer -fno-exceptions

$(BUILD)/tests/referee-rules: $(BUILD)/obj/tests/referee/rules.cc.o $(STACK_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -g $(LDFLAGS) -o $@ $^

$(BUILD)/tests/referee-frames.so: $(BUILD)/obj/tests/referee/frames.cc.o $(STACK_OBJECTS)
	@mkdir -p $(@D)
	$(CC) -g -shared $(LDFLAGS) -o $@ $^ -lunwind

SUITES += referee
SUITE_referee = $(PYTHON) tests/referee/run.py $(BUILD)/tests/referee-rules $(BUILD)/tests/referee-frames.so \
                $(REFEREE_FILES)
SUITE_referee_NEEDS = $(BUILD)/tests/referee-rules $(BUILD)/tests/referee-frames.so

-include $(REFEREE_OBJECTS:.o=.d)
