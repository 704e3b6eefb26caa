# `make fuzz`: what reads input of anybody's making, on damaged input, each target for FUZZ_SECONDS (60). Needs clang.
# tests/fuzz/corpus/TARGET is where each begins; `make fuzz-reader` runs one of them. What it finds new is kept in
# $(BUILD)/fuzz/corpus/TARGET.

FUZZ_SECONDS ?= 60
FUZZ := $(BUILD)/fuzz
FUZZ_CXX ?= clang++
FUZZ_FLAGS := -std=c++20 -g -O1 -I. -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.cc,%,$(wildcard tests/fuzz/*_fuzz.cc))
FUZZ_SOURCES = $(filter-out analyzer/main.cc,$(ANALYZER_SOURCES)) tests/support/trace_builder.cc \
               tests/support/rich_trace.cc
FUZZ_OBJECTS = $(patsubst %,$(FUZZ)/obj/%.o,$(FUZZ_SOURCES)) $(FUZZ)/obj/viewer-assets.cc.o $(FUZZ)/obj/report-schema.cc.o

$(FUZZ)/obj/%.cc.o: %.cc | $(HAVE)/lint
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

$(FUZZ)/obj/viewer-assets.cc.o $(FUZZ)/obj/report-schema.cc.o: $(FUZZ)/obj/%.cc.o: $(BUILD)/%.cc | $(HAVE)/lint
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -c $< -o $@

$(FUZZ_TARGETS:%=$(FUZZ)/%): $(FUZZ)/%: tests/fuzz/%_fuzz.cc $(FUZZ_OBJECTS)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(ANALYZER_LIBS)

$(FUZZ)/seed: tests/fuzz/seed.cc tests/support/trace_builder.cc tests/support/rich_trace.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -I. -o $@ $^

.PHONY: fuzz $(FUZZ_TARGETS:%=fuzz-%)
fuzz: $(FUZZ_TARGETS:%=fuzz-%)

# Symbols of what a trace names are not read: the reader's targets do not fork.
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: $(FUZZ)/% $(FUZZ)/seed
	@mkdir -p $(FUZZ)/corpus/$*
	$(if $(filter reader,$*),$(FUZZ)/seed $(FUZZ)/corpus/reader/rich)
	cd $(FUZZ) && ./$* -max_total_time=$(FUZZ_SECONDS) -max_len=100000 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	  corpus/$* $(wildcard $(CURDIR)/tests/fuzz/corpus/$*)

-include $(patsubst %.o,%.d,$(FUZZ_OBJECTS))
