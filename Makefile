# smeserver-mxbackup: make a host a backup MX, safely.
VENV ?= .venv
PYTEST = $(VENV)/bin/python -m pytest

help:
	@echo 'make demo      the main job from end to end, in a throwaway root'
	@echo 'make test      lint and every test (installs what it needs)'
	@echo 'make proof     the long tests, with every count in full'
	@echo 'make lint      style, types, shell programs, manual pages, spec'
	@echo 'make bench     how fast the commands are; BESIDE=CHECKOUT: beside those of another version'
	@echo 'make rpms      the three packages and their sources, in dist/'
	@echo 'make debs      the Debian package, in dist/'
	@echo 'make repo      a dnf repository of them, in dist/repo/'
	@echo 'make release   all checks, then the packages built twice, and their checksums'
	@echo 'make links     the event, template and panel links under root/'
	@echo 'make picture   who imports whom, drawn in docs/architecture.md'
	@echo 'make version   the version of mxbackup/__init__.py, written wherever else it stands'
	@echo 'make needs     installs what lint, tests and bench need'
	@echo 'make packages  installs what the packages and the demo need'
	@echo 'make clean     removes what make made'

needs:
	@packaging/install-needs $(VENV)

packages:
	@packaging/install-needs --demo

lint: needs
	@packaging/lint $(VENV)

# Both, whatever the first says: one run tells all.
test: needs
	@packaging/lint $(VENV); lint=$$?; $(PYTEST) -n 2 --dist loadgroup -m 'not proof' tests && exit $$lint

proof: needs
	$(PYTEST) -n 2 --dist loadgroup -m proof tests

# What cannot be installed here the demo leaves out, and says so.
demo:
	@packaging/install-needs --demo
	@demo/demo

rpms: packages
	packaging/build-rpms dist

debs: packages
	packaging/build-debs dist

repo: rpms
	packaging/build-repo dist

release: needs
	@packaging/release $(VENV)

bench: needs
	$(VENV)/bin/python bench/run $(if $(BESIDE),--beside $(BESIDE))

links:
	@/usr/bin/python3 createlinks

picture:
	@/usr/bin/python3 tests/rooms.py

version:
	@packaging/version

clean:
	rm -rf build dist .venv .pytest_cache .hypothesis node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help needs packages lint test proof demo rpms debs repo release bench links picture version clean
