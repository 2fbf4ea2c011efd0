# smeserver-mxbackup: make a host a backup MX, safely.
VENV ?= .venv
PYTEST = $(VENV)/bin/python -m pytest

help:
	@echo 'make demo    the main job from end to end, in a throwaway root'
	@echo 'make test    every test (installs what it needs)'
	@echo 'make rpms    the three packages and their sources, in dist/'
	@echo 'make repo    a dnf repository of them, in dist/repo/'
	@echo 'make bench   how fast the commands are'
	@echo 'make links   the event, template and panel links under root/'
	@echo 'make clean   removes what make made'

needs:
	@packaging/install-needs $(VENV)

packages:
	@packaging/install-needs --demo

test: needs
	$(PYTEST) -n 2 --dist loadgroup tests

# What cannot be installed here the demo leaves out, and says so.
demo:
	@packaging/install-needs --demo || echo 'The demo goes on with what is there.'
	@demo/demo

rpms: packages
	packaging/build-rpms dist

repo: rpms
	packaging/build-repo dist

bench: needs
	$(VENV)/bin/python bench/run

links:
	@/usr/bin/python3 createlinks

clean:
	rm -rf build dist .venv .pytest_cache .hypothesis node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help needs packages test demo rpms repo bench links clean
