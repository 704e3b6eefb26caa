# The shim's stack walk stands on its own: unit tests, referees and a benchmark link its objects.
STACK_PARTS := cfi_program cfi_rules dwarf_expression libraries_behind libunwind_rules objects rule_cache stack \
               stack_memory stack_range stack_step
STACK_OBJECTS := $(patsubst %,$(BUILD)/obj/shim/%.cc.o,$(STACK_PARTS))
