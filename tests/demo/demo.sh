#!/bin/bash
# The main job, on a program that every machine has and on a small leaky one. BUILD and CC come from the Makefile.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
mkdir -p "$build/demo"

show() {
  printf '\n$ fdaudit run --'
  printf ' %q' "$@"
  printf '\n'
  "$build/fdaudit" run -- "$@" || true
}

"${CC:-gcc}" -g -o "$build/demo/leaky" tests/demo/leaky.c

show bash -c 'for word in one two; do grep -c "$word" <<<"$word"; done; ls / | sort | tail -n 1'
show git --version
show "$build/demo/leaky"
