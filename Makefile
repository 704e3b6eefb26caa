# fdaudit: who opened every descriptor, who closed it, who leaked it, who closed it twice.
#
#   make            the shim and the analyzer          make demo     the main job on a real program
#   make test       every test                         make help     the other targets
#
# Sources are found by wildcard; a folder of tests that needs more than that brings a build.mk, included below. Other
# compilers: make CXX=clang++ CC=clang BUILD=build-clang.

VERSION := 1.0.0

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= /usr/bin/python3
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif

# Debian package names. `make` installs the first list, `make test` the first two, and so on; see .ci/install-packages.
# What has a ? behind it is done without where there is no such package: its tests are skipped.
BUILD_PACKAGES := gcc g++ binutils libc6-dev libdw-dev libelf-dev libunwind-dev libfmt-dev libcli11-dev \
                  nlohmann-json3-dev libtomlplusplus-dev zlib1g-dev perl esbuild \
                  node-d3-scale node-d3-axis node-d3-shape node-d3-hierarchy node-d3-selection
GTEST_PACKAGES := libgtest-dev
TEST_PACKAGES := python3 python3-jsonschema libxml2-utils git perl sqlite3 nodejs tar findutils \
                 cmake pkgconf catch2? doctest-dev? python3-pytest? python3-greenlet? libpython3.11? clang? \
                 libclang-rt-dev? musl-tools? golang-go? gdb? dwz? xz-utils? libcap2-bin? netbase? \
                 libjemalloc2? libtcmalloc-minimal4? libmimalloc2.0?
LINT_PACKAGES := clang-format clang-tidy python3
BENCH_PACKAGES := valgrind strace

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

# V=1 shows the commands themselves. $(call say,WORD) names what is made, and runs the rest of its line.
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $@;)

# As many jobs as processors, where the caller did not say otherwise.
ifeq (,$(filter -j% --jobserver%,$(MAKEFLAGS)))
MAKEFLAGS += -j$(shell nproc)
endif

# --- flags ------------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow
COMMON := -std=c++20 $(WARNINGS) -I. -MMD -MP

# -g1: functions and lines, and no variables. It takes a fifth less of a compiler's time than -g, and a fifth of the space;
# -O1 for the tests another sixth. `make CXXFLAGS=-g` brings the variables back.

# The shim lives in other people's processes: no C++ runtime, no exceptions, nothing exported but what exports.map says.
SHIM_FLAGS := $(COMMON) -O2 -g1 -fPIC -fvisibility=hidden -fno-exceptions -fno-rtti -fno-threadsafe-statics \
              -ftls-model=initial-exec -fno-omit-frame-pointer -fno-stack-protector -U_FORTIFY_SOURCE
# Code and constants in one segment: two mappings less to make at every exec and to copy at every fork.
SHIM_LINK := -shared -g -Wl,-z,defs -Wl,-z,now -Wl,-z,noseparate-code -Wl,--build-id -Wl,--hash-style=gnu -Wl,-soname,libfdaudit.so
# clang and gcc name some of libfmt's templates differently (up to fmt 9), and Debian's library is gcc's.
ANALYZER_FLAGS := $(COMMON) -O2 -g1 -DFDAUDIT_VERSION='"$(VERSION)"' $(if $(findstring clang,$(CXX)),-DFMT_HEADER_ONLY)
ANALYZER_LIBS ?= -ldw -lelf -lfmt -lz -lunwind-generic
TEST_FLAGS := $(COMMON) -O1 -g1
TEST_LIBS ?= -lgtest_main -lgtest -lpthread

# --- sources ----------------------------------------------------------------------------------------------------------

# A file in shim/arch guards itself by #if defined(__x86_64__) and the like, so all of them are compiled everywhere.
SHIM_SOURCES := $(wildcard shim/*.cc shim/*/*.cc shim/*/*/*.cc shim/arch/*.S)
SHIM_OBJECTS := $(patsubst %,$(BUILD)/obj/%.o,$(SHIM_SOURCES))
ANALYZER_SOURCES := $(wildcard analyzer/*.cc analyzer/*/*.cc analyzer/*/*/*.cc)
ANALYZER_OBJECTS := $(patsubst %,$(BUILD)/obj/%.o,$(ANALYZER_SOURCES)) $(BUILD)/obj/viewer-assets.cc.o $(BUILD)/obj/report-schema.cc.o
ANALYZER_LIBRARY := $(filter-out $(BUILD)/obj/analyzer/main.cc.o,$(ANALYZER_OBJECTS))
UNIT_SOURCES := $(wildcard tests/unit/*.cc tests/support/*.cc)
UNIT_OBJECTS := $(patsubst %,$(BUILD)/obj/%.o,$(UNIT_SOURCES))
EXPORTS := $(wildcard shim/interpose/exports.map)
PLACES := shim/base/large.ld

SHIM := $(BUILD)/libfdaudit.so
FDAUDIT := $(BUILD)/fdaudit

.PHONY: all
all: $(SHIM) $(FDAUDIT)  ## build the shim and the analyzer (default)

# --- packages ---------------------------------------------------------------------------------------------------------

HAVE := $(BUILD)/packages
# $(1): name of the list. The check asks dpkg, not the network, and is repeated only when this file changes.
define package_list
$(HAVE)/$(1): Makefile .ci/install-packages
	@mkdir -p $$(@D)
	@.ci/install-packages $$($(2))
	@touch $$@
endef
$(eval $(call package_list,build,BUILD_PACKAGES))
$(eval $(call package_list,gtest,GTEST_PACKAGES))
$(eval $(call package_list,test,TEST_PACKAGES))
$(eval $(call package_list,lint,LINT_PACKAGES))
$(eval $(call package_list,bench,BENCH_PACKAGES))
# One apt at a time. What unit tests are compiled with comes first: the rest is installed meanwhile.
$(HAVE)/gtest $(HAVE)/lint: | $(HAVE)/build
$(HAVE)/test: | $(HAVE)/gtest
$(HAVE)/bench: | $(HAVE)/test

# --- compiling --------------------------------------------------------------------------------------------------------

# Changes when compilers or flags do, so that a build folder never mixes two.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@new=$@.$$$$; \
	  printf '%s\n' "$(CC) $(CXX)" '$(SHIM_FLAGS) $(SHIM_LINK) $(ANALYZER_FLAGS) $(TEST_FLAGS) $(CXXFLAGS)' > $$new; \
	  if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
.PHONY: FORCE

$(BUILD)/obj/shim/%.cc.o: shim/%.cc $(BUILD)/flags | $(HAVE)/build
	@mkdir -p $(@D)
	$(call say,CXX) $(CXX) $(SHIM_FLAGS) $(CXXFLAGS) -c $< -o $@

$(BUILD)/obj/shim/%.S.o: shim/%.S $(BUILD)/flags | $(HAVE)/build
	@mkdir -p $(@D)
	$(call say,AS) $(CC) -g -I. -MMD -MP -c $< -o $@

$(BUILD)/obj/analyzer/%.cc.o: analyzer/%.cc $(BUILD)/flags | $(HAVE)/build
	@mkdir -p $(@D)
	$(call say,CXX) $(CXX) $(ANALYZER_FLAGS) $(CXXFLAGS) -c $< -o $@

$(BUILD)/obj/tests/%.cc.o: tests/%.cc $(BUILD)/flags | $(HAVE)/gtest
	@mkdir -p $(@D)
	$(call say,CXX) $(CXX) $(TEST_FLAGS) $(CXXFLAGS) -c $< -o $@

# The page's script and style, with what they need of other packages.
$(BUILD)/viewer-assets.cc: analyzer/viewer/web/bundle.pl $(wildcard analyzer/viewer/web/*.js analyzer/viewer/web/*.css) | $(HAVE)/build
	$(call say,PAGE) perl $< analyzer/viewer/web > $@

# What a stored report is checked against when it is read. Adjacent literals are one: some compilers take up to 64 KB.
$(BUILD)/report-schema.cc: docs/report.schema.json | $(HAVE)/build
	@mkdir -p $(@D)
	$(call say,SCHEMA) { echo '#include "analyzer/output/report_schema.h"'; \
	  echo 'const char fdaudit::analyzer::kReportSchema[] ='; \
	  perl -0777 -ne 'print map { "R\"schema($$_)schema\"\n" } /.{1,16000}/gs' $<; echo ';'; } > $@

$(BUILD)/obj/viewer-assets.cc.o $(BUILD)/obj/report-schema.cc.o: $(BUILD)/obj/%.cc.o: $(BUILD)/%.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CXX) $(CXX) $(ANALYZER_FLAGS) $(CXXFLAGS) -c $< -o $@

# Linked by the C driver and with -z defs: whoever brings libstdc++ into the shim learns it here.
$(SHIM): $(SHIM_OBJECTS) $(EXPORTS) $(PLACES)
	$(call say,LINK) $(CC) $(SHIM_LINK) $(if $(EXPORTS),-Wl$(comma)--version-script=$(EXPORTS)) -Wl$(comma)-T$(comma)$(PLACES) $(LDFLAGS) -o $@ $(SHIM_OBJECTS)
	@size=$$(readelf -lW $@ | awk '$$1 == "TLS" { print $$6 }'); [ $$((size)) -le $(MOST_TLS) ] || \
	  { echo "$@: $$((size)) bytes of thread-local storage, $(MOST_TLS) at most: beside an auditor (LD_AUDIT) it would not load"; exit 1; }
comma := ,
# Of the static TLS that libraries share which the dynamic linker loads late.
MOST_TLS := 1000

$(FDAUDIT): $(ANALYZER_OBJECTS)
	$(call say,LINK) $(CXX) -g -Wl,--build-id $(LDFLAGS) -o $@ $(ANALYZER_OBJECTS) $(ANALYZER_LIBS)

# -z now: a signal in the dynamic linker's lazy binding interrupts code whose frame hangs on RBX, which no walk of ours
# follows (docs/unwinding.md).
$(BUILD)/tests/unit: $(UNIT_OBJECTS) $(ANALYZER_LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK) $(CXX) -g -Wl,-z,now $(LDFLAGS) -o $@ $^ $(ANALYZER_LIBS) $(TEST_LIBS)

-include $(patsubst %.o,%.d,$(SHIM_OBJECTS) $(ANALYZER_OBJECTS) $(UNIT_OBJECTS))

# --- tests ------------------------------------------------------------------------------------------------------------

# A suite is a command whose last line reads "N passed, N failed, N skipped" (or a GoogleTest binary), and what must be
# built before it. `make test-NAME` runs one of them.
TEST_ENV = FDAUDIT=$(abspath $(FDAUDIT)) SHIM=$(abspath $(SHIM)) BUILD=$(abspath $(BUILD)) CC=$(CC) CXX=$(CXX)

SUITES :=
ifneq (,$(UNIT_SOURCES))
SUITES += unit
endif
SUITE_unit = $(PYTHON) tests/support/shards.py $(BUILD)/tests/unit --gtest_brief=1
SUITE_unit_NEEDS = $(BUILD)/tests/unit

# tests/NAME/run.py: a suite without more ado.
PYTHON_SUITES := cli gate formats standing watch header interposers scenarios culprits python resilience transparency companions field
SUITES += $(foreach s,$(PYTHON_SUITES),$(if $(wildcard tests/$(s)/run.py),$(s)))
$(foreach s,$(PYTHON_SUITES),$(eval SUITE_$(s) = $(PYTHON) tests/$(s)/run.py $$(ARGS)))

# Rules, suites (SUITES += name, SUITE_name, SUITE_name_NEEDS) and objects of the folders that need own ones.
-include $(wildcard tests/*/build.mk)

TESTED = all $(HAVE)/test $(foreach s,$(SUITES),$(SUITE_$(s)_NEEDS))
COMMANDS = $(foreach s,$(SUITES),'$(s)=$(SUITE_$(s))')

.PHONY: test
test: $(TESTED)  ## build and run every test
	@$(TEST_ENV) $(PYTHON) tests/support/suites.py $(COMMANDS)

.PHONY: soak
soak: $(TESTED)  ## every test, SOAK_ROUNDS times (20), half of them with all processors busy (docs/testing.md)
	@$(TEST_ENV) $(PYTHON) tests/support/soak.py $(COMMANDS)

define suite_target
.PHONY: test-$(1)
test-$(1): all $(HAVE)/test $(SUITE_$(1)_NEEDS)
	@$$(TEST_ENV) $$(PYTHON) tests/support/suites.py '$(1)=$$(SUITE_$(1))'
endef
$(foreach s,$(SUITES),$(eval $(call suite_target,$(s))))
## V=1: show the commands
## test-NAME: one suite of: unit, cli, interposers, scenarios, resilience, transparency, field … (ARGS=… goes to it)

# --- the rest ---------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: all  ## audit a real program and a small leaky one, and print what was found
	@CC=$(CC) BUILD=$(BUILD) bash tests/demo/demo.sh

.PHONY: docs
docs: all  ## write docs/interposers.md and docs/uses.md from the shim's table of calls
	@$(TEST_ENV) $(PYTHON) tests/interposers/page.py --write

.PHONY: bench
bench: all $(HAVE)/bench  ## cost of the shim, beside Valgrind and strace (QUICK=1: fewer rounds)
	@$(TEST_ENV) $(PYTHON) tests/bench/run.py $(if $(QUICK),--quick) $(ARGS)

.PHONY: distros
distros: all  ## the tests in Debian 11, 13 and sid (as root, with mmdebstrap; ARGS=--help)
	@$(TEST_ENV) $(PYTHON) tests/distros/run $(ARGS)

SHIM_HEADERS = $(wildcard shim/*.h shim/*/*.h shim/*/*/*.h)
ANALYZER_HEADERS = $(wildcard analyzer/*.h analyzer/*/*.h analyzer/*/*/*.h) shim/trace/format.h
TEST_HEADERS = $(wildcard tests/*/*.h)
LINTED = $(filter-out %.S,$(SHIM_SOURCES)) $(ANALYZER_SOURCES) $(wildcard tests/*/*.cc)
.PHONY: lint lint-format lint-includes lint-tidy
lint: lint-format lint-includes lint-tidy  ## format, include rules and clang-tidy
lint-format: | $(HAVE)/lint
	@clang-format --dry-run -Werror $(LINTED) $(SHIM_HEADERS) $(ANALYZER_HEADERS) $(TEST_HEADERS)
lint-includes: | $(HAVE)/lint
	$(PYTHON) tests/lint/includes.py
lint-tidy: $(patsubst %,$(BUILD)/tidy/%.ok,$(LINTED))

# Checked again when the file, a header of its half or the rules change.
define tidy
@mkdir -p $(@D)
@echo clang-tidy $<
@clang-tidy --quiet --warnings-as-errors='*' $< -- $(filter-out -MMD -MP,$(1)) > $@.log 2>&1 || { cat $@.log; exit 1; }
@touch $@
endef
$(BUILD)/tidy/shim/%.ok: shim/% .clang-tidy $(SHIM_HEADERS) | $(HAVE)/lint
	$(call tidy,$(SHIM_FLAGS))
$(BUILD)/tidy/analyzer/%.ok: analyzer/% .clang-tidy $(ANALYZER_HEADERS) | $(HAVE)/lint
	$(call tidy,$(ANALYZER_FLAGS))
$(BUILD)/tidy/tests/%.ok: tests/% .clang-tidy $(SHIM_HEADERS) $(ANALYZER_HEADERS) $(TEST_HEADERS) | $(HAVE)/lint $(HAVE)/test
	$(call tidy,$(TEST_FLAGS) -Ishim)

.PHONY: format
format: | $(HAVE)/lint  ## put every C++ file into the house format
	clang-format -i $(LINTED) $(SHIM_HEADERS) $(ANALYZER_HEADERS) $(TEST_HEADERS)

# What is installed: without debug information, which lies in a file of its own that the other one names. Both appear at
# once and whole, since two checks of the tests may install at the same time.
$(BUILD)/install/%: $(BUILD)/%
	@mkdir -p $(@D)
	@new=$$(mktemp -d $@.XXXXXX) && objcopy --only-keep-debug $< $$new/$(@F).debug && chmod 644 $$new/$(@F).debug && \
	  objcopy --strip-unneeded --add-gnu-debuglink=$$new/$(@F).debug $< $$new/$(@F) && mv -f $$new/* $(@D)/ && rmdir $$new
STRIPPED := $(patsubst $(BUILD)/%,$(BUILD)/install/%,$(FDAUDIT) $(SHIM))

.PHONY: install
install: all $(STRIPPED)  ## install under PREFIX (default /usr/local; DESTDIR is honoured)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/fdaudit $(DESTDIR)$(PREFIX)/share/doc/fdaudit
	install -m 755 $(BUILD)/install/fdaudit $(DESTDIR)$(PREFIX)/bin/fdaudit
	install -m 755 $(BUILD)/install/libfdaudit.so $(DESTDIR)$(PREFIX)/lib/fdaudit/libfdaudit.so
	install -m 644 LICENSE $(wildcard README.md CHANGELOG.md docs/*.*) $(DESTDIR)$(PREFIX)/share/doc/fdaudit/
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,include lib/pkgconfig lib/cmake/fdaudit share/doc/fdaudit/examples/ctest)
	install -m 644 shim/fdaudit.h $(DESTDIR)$(PREFIX)/include/fdaudit.h
	install -m 644 docs/examples/*.* $(DESTDIR)$(PREFIX)/share/doc/fdaudit/examples/
	install -m 644 docs/examples/ctest/* $(DESTDIR)$(PREFIX)/share/doc/fdaudit/examples/ctest/
	install -m 644 shim/install/fdauditConfig.cmake $(DESTDIR)$(PREFIX)/lib/cmake/fdaudit/
	sed 's/@VERSION@/$(VERSION)/' shim/install/fdauditConfigVersion.cmake.in > \
	  $(DESTDIR)$(PREFIX)/lib/cmake/fdaudit/fdauditConfigVersion.cmake
	sed 's/@VERSION@/$(VERSION)/' shim/install/fdaudit.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/fdaudit.pc

# Where debuggers look first: by the build ID, its first two digits a folder.
.PHONY: install-debug
install-debug: $(STRIPPED)  ## install their debug information, where debuggers find it by build ID
	@for file in $(STRIPPED); do \
	  id=$$(LC_ALL=C readelf -n $$file | sed -n 's/.*Build ID: //p'); \
	  install -D -m 644 $$file.debug "$(DESTDIR)$(PREFIX)/lib/debug/.build-id/$${id:0:2}/$${id:2}.debug" || exit 1; \
	done

.PHONY: clean
clean:  ## remove what was built
	rm -rf $(BUILD)

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 } \
	  /^## [a-zA-Z=1-]+: / { sub(/^## /, ""); split($$0, p, ": "); printf "  make %-13s %s\n", p[1], substr($$0, length(p[1]) + 3) }' Makefile
