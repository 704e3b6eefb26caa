# A browser, and what runs the driver. Where Chromium is missing, the tests that need it are skipped.
SUITES += page
SUITE_page = $(PYTHON) tests/page/run.py $(ARGS)
SUITE_page_NEEDS = $(HAVE)/page
PAGE_PACKAGES := nodejs chromium?
$(eval $(call package_list,page,PAGE_PACKAGES))
$(HAVE)/page: | $(HAVE)/test
