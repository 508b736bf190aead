# `make test` and `make demo` set themselves up on a machine that has only Python 3.11 and pip.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo

.PHONY: test demo

test: $(VENV)/installed
	$(VENV)/bin/python -m pytest

# Linux gives memory back after every large tensor otherwise, and waits for it again (docs/training.md).
demo: export GLIBC_TUNABLES = glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592
demo: $(VENV)/installed
	$(VENV)/bin/ifgan demo --out $(DEMO)

# torch and torchvision first and as a pair, so that no other package's requirement picks another build.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet "torch==2.14.1" "torchvision==0.29.1"
	$(VENV)/bin/python -m pip install --quiet --editable ".[train,synthetic,light,video,heic,ray,dev]"
	touch $@
