# The shim's stack walk stands on its own: unit tests, referees and a benchmark link its objects.
STACK_PARTS := $(addprefix stack/,cfi_program cfi_rules expression libunwind_rules objects rule_cache walk memory thread_blocks range \
               step) interpose/libraries_behind
STACK_OBJECTS := $(patsubst %,$(BUILD)/obj/shim/%.cc.o,$(STACK_PARTS))
