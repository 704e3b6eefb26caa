# `make fuzz`: the trace reader, and all that follows it, on damaged traces, for FUZZ_SECONDS (60). Needs clang.

FUZZ_SECONDS ?= 60
FUZZ := $(BUILD)/fuzz
FUZZ_CXX ?= clang++
FUZZ_FLAGS := -std=c++20 -g -O1 -I. -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_SOURCES = $(filter-out analyzer/main.cc analyzer/commands/%,$(ANALYZER_SOURCES)) tests/support/trace_builder.cc \
               tests/support/rich_trace.cc
FUZZ_OBJECTS = $(patsubst %,$(FUZZ)/obj/%.o,$(FUZZ_SOURCES))

$(FUZZ)/obj/%.cc.o: %.cc | $(HAVE)/lint
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

$(FUZZ)/reader: tests/fuzz/reader_fuzz.cc $(FUZZ_OBJECTS)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(ANALYZER_LIBS)

$(FUZZ)/seed: tests/fuzz/seed.cc tests/support/trace_builder.cc tests/support/rich_trace.cc
	@mkdir -p $(@D)/corpus
	$(CXX) -std=c++20 -I. -o $@ $^
	$@ $(FUZZ)/corpus/rich

.PHONY: fuzz
fuzz: $(FUZZ)/reader $(FUZZ)/seed
	cd $(FUZZ) && ./reader -max_total_time=$(FUZZ_SECONDS) -max_len=100000 -timeout=10 -rss_limit_mb=2048 corpus

-include $(patsubst %.o,%.d,$(FUZZ_OBJECTS))
