# Two commands: `make demo` and `make test`. Both do all the set-up; nothing global, no root.
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(p) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
EDGEPACK := $(BIN)/edgepack -C examples/digits

.PHONY: demo test test-lab test-dockerfile test-referrers test-toolchains test-crashes lab-cluster test-cluster test-recipes lint lock recipes recipes-slice operators operators-slice faults faults-slice chaos chaos-as-root chaos-slice chaos-slice-as-root refusals bench bench-images fuzz-service bench-service show-board plug-pulling clean

$(VENV)/.complete: requirements/dev.txt requirements/uv.txt pyproject.toml
	@echo "== the environment: $(VENV), from requirements/dev.txt (hash-pinned; about 20 s the first time)"
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "edgepack needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@rm -f $@
	@"$(PYTHON)" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: $(VENV)/.complete
	@EDGEPACK="$(CURDIR)/$(BIN)/edgepack" sh examples/digits/demo.sh

test: $(VENV)/.complete
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n 2 --dist loadgroup --durations=60 --durations-min=4

test-lab: $(VENV)/.complete
	sh tests/lab/setup
	$(BIN)/pytest tests/lab --durations=30 --durations-min=4

# A registry that lists what refers to an image, compiled once (half a minute of one core), and one without that.
test-referrers: $(VENV)/.complete
	sh tests/lab/setup
	$(BIN)/pytest -m heavy tests/lab/test_referrers.py

# The whole example by a compiler in a container, its ncnn too: ten minutes.
test-toolchains: $(VENV)/.complete
	sh tests/lab/setup
	$(BIN)/pytest -m heavy tests/lab/test_toolchain_container.py

# Crashes of all kinds in programs for the other architectures, by qemu-user: two minutes.
test-crashes: $(VENV)/.complete
	$(BIN)/pytest -m heavy tests/compile/test_crash.py

# A Dockerfile by each who builds one, and docker 26's stores: as root, an hour.
test-dockerfile: $(VENV)/.complete
	sh tests/lab/setup
	$(BIN)/pytest -m heavy tests/lab/test_dockerfile.py tests/lab/test_images_newer.py

# A Kubernetes API server with its controllers, compiled from Debian's sources: a quarter of an hour, once.
lab-cluster: $(VENV)/.complete
	$(BIN)/python -m tests.lab.cluster_programs

test-cluster: lab-cluster
	sh tests/lab/setup
	$(BIN)/pytest -m heavy tests/lab/test_cluster.py --durations=12

# Every toolkit that the package index gives, for real: some gigabytes of environments, and an hour.
test-recipes: $(VENV)/.complete
	$(BIN)/pytest -m heavy tests/recipes

recipes: $(VENV)/.complete
	$(BIN)/python -m bench.recipes

# Three of its cases, drawn by the commit; what they were is said.
recipes-slice: $(VENV)/.complete
	$(BIN)/python -m bench.recipes --network lenet --slice 3 --seed $$(printf '%d' "0x$$(git rev-parse --short=7 HEAD)")

# Which ONNX operators each toolkit has: into docs/proof/operators.md and the recipes. What is known is kept.
operators: $(VENV)/.complete
	$(BIN)/python -m bench.operators

operators-slice: $(VENV)/.complete
	$(BIN)/python -m bench.operators --slice 12 --seed $$(printf '%d' "0x$$(git rev-parse --short=7 HEAD)")

faults: $(VENV)/.complete
	$(BIN)/python -m bench.faults --also 1 2

faults-slice: $(VENV)/.complete
	$(BIN)/python -m bench.faults --slice 4 --seed $$(printf '%d' "0x$$(git rev-parse --short=7 HEAD)")

lint: $(VENV)/.complete
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Deploys that are struck down, hours of them; what was done is kept by the box's script, and gone on with.
# As root also on boxes with a root of their own, with full disks, writes that are lost, and the board's power.
chaos: $(VENV)/.complete
	-$(BIN)/python -m bench.chaos --trials 600
	@[ "$$(id -u)" -ne 0 ] || $(MAKE) --no-print-directory chaos-as-root
	$(BIN)/python -m bench.chaos.page

chaos-as-root:
	sh tests/lab/setup
	-$(BIN)/python -m bench.chaos --trials 300 --kind debian
	-$(BIN)/python -m bench.chaos --trials 300 --kind busybox
	-$(BIN)/python -m bench.chaos.cuts --keep
	-$(BIN)/python -m bench.chaos.board --trials 50
	-$(BIN)/python -m bench.chaos.cuts --keep --mutant no-sync --each 25
	-$(BIN)/python -m bench.chaos --mutant no-rename --trials 120 --only "side is killed at stag|again at stag"
	-$(BIN)/python -m bench.chaos --mutant no-verify --trials 300 --only "rots|something else"

# Some of its trials, drawn by the commit; what they were is said.
chaos-slice: $(VENV)/.complete
	$(BIN)/python -m bench.chaos --slice 6
	@[ "$$(id -u)" -ne 0 ] || $(MAKE) --no-print-directory chaos-slice-as-root

chaos-slice-as-root:
	sh tests/lab/setup
	$(BIN)/python -m bench.chaos --slice 4 --kind debian
	$(BIN)/python -m bench.chaos.cuts --each 2

show-board: $(VENV)/.complete
	sh tests/lab/setup
	$(BIN)/python -m tests.lab.show_board

plug-pulling: $(VENV)/.complete
	sh tests/lab/setup
	$(BIN)/python -m tests.lab.plug_pulling

refusals: $(VENV)/.complete
	$(BIN)/python -m bench.refusals

# Malformed requests against the service under the sanitizers, ten minutes of them.
fuzz-service: $(VENV)/.complete
	$(BIN)/python -m bench.service_fuzz --seconds 600 --seed $$(printf '%d' "0x$$(git rev-parse --short=7 HEAD)")

# The service beside a Python server with ONNX Runtime, in the same run.
bench-service: $(VENV)/.complete
	$(BIN)/python -m bench.service

# Four architectures at once, beside docker's builder and podman's. As root.
bench-images: $(VENV)/.complete
	sh tests/lab/setup
	$(BIN)/python -m bench.images

bench: $(VENV)/.complete
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.noop

lock:
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 --custom-compile-command "make lock" requirements/uv.in -o requirements/uv.txt
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 --custom-compile-command "make lock" pyproject.toml -o requirements/edgepack.txt
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 --custom-compile-command "make lock" --extra dev -c requirements/edgepack.txt pyproject.toml -o requirements/dev.txt

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache examples/*/.edgepack examples/*/dist
