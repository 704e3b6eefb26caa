# Nanoseconds a frame of the shim's stack walk. `make bench` measures whole programs; this one is for work on the walk.
include tests/support/stack.mk
$(BUILD)/tests/stack_bench: $(BUILD)/obj/tests/bench/stack_bench.cc.o $(STACK_OBJECTS)
	@mkdir -p $(@D)
	$(CXX) -g $(LDFLAGS) -o $@ $^

.PHONY: bench-stack
bench-stack: $(BUILD)/tests/stack_bench  ## nanoseconds a frame of the stack walk
	$<

-include $(BUILD)/obj/tests/bench/stack_bench.cc.d
