# The short way in. Each target installs and fetches what it lacks; CMakePresets.json holds the details.
#
#   make              build/release/bin/puffindb
#   make debug        build/debug, with AddressSanitizer and UndefinedBehaviorSanitizer
#   make test         all suites on the debug build; last line: N passed, N failed
#   make test-long    the same with the long tests, and unit tests under ThreadSanitizer
#   make check        format, layers, headers, sizes, documents, spelling, clang-tidy
#   make demo         a small lake, a running stack, distributed queries
#   make bench        side by side with plain DuckDB
#   make package      build/package/engine.zip, the engine function for AWS Lambda
#   make fuzz         every fuzz target for FUZZ_SECONDS (default 30), with clang
#   make install      into PREFIX (default /usr/local), stripped
#   make clean        removes build/; downloads stay in the cache (deps/fetch --help)

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 30

.DEFAULT_GOAL := release
.PHONY: release debug test test-long check demo bench package fuzz install clean help system deps

system:
	@deps/install-debian build test

deps: system
	@deps/fetch --prefix >/dev/null

release debug: deps
	@tools/build $@

test: debug
	@tests/run

test-long: debug
	@tools/build tsan unit_tests
	@tests/run --long

check: deps
	@deps/install-debian check
	@tools/check

demo: release
	@tools/demo

bench: release
	@bench/run

package: release
	@functions/engine/package

fuzz: deps
	@deps/install-debian check
	@tools/build fuzz
	@tools/fuzz $(FUZZ_SECONDS)

install: release
	cmake --install build/release --strip --prefix $(PREFIX)

clean:
	rm -rf build

help:
	@sed -n '3,15s/^# \{0,1\}//p' Makefile
