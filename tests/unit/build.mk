include tests/support/stack.mk
$(BUILD)/tests/unit: $(STACK_OBJECTS)
