#!/bin/bash
# The main job, on programs that every machine has and on a small leaky one. BUILD and CC come from the Makefile.
set -eu
cd "$(dirname "$0")/../.."
build=$(realpath "${BUILD:-build}")
rm -rf "$build/demo"
mkdir -p "$build/demo"
"${CC:-gcc}" -g -o "$build/demo/leaky" tests/demo/leaky.c

cd "$build/demo"
PATH=$build:$PATH
for command in \
  "fdaudit run -- bash -c 'git init -q project; ls /etc > project/list; git -C project status --short'" \
  "fdaudit run -- ./leaky"; do
  printf '\n$ %s\n' "$command"
  eval "$command" || true
done
