include tests/support/stack.mk
$(BUILD)/tests/unit: $(STACK_OBJECTS)
$(BUILD)/tests/unit: $(BUILD)/obj/shim/libraries_behind.cc.o
