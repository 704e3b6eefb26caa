# What drives a browser, pinned by package-lock.json. Where npm or the network is missing, the tests are skipped.
SUITES += page
SUITE_page = $(PYTHON) tests/page/run.py $(ARGS)
SUITE_page_NEEDS = $(BUILD)/tests/page/ready
PAGE_PACKAGES := nodejs chromium? $(if $(shell command -v npm),,npm?)
$(eval $(call package_list,page,PAGE_PACKAGES))
$(HAVE)/page: | $(HAVE)/test

$(BUILD)/tests/page/ready: tests/page/package.json tests/page/package-lock.json | $(HAVE)/page
	@mkdir -p $(@D)
	@cp tests/page/package.json tests/page/package-lock.json $(@D)
	@cd $(@D) && npm ci --silent --no-audit --no-fund --ignore-scripts || echo "npm ci failed: the browser tests will be skipped" >&2
	@touch $@
