#!/bin/sh
# The main job, from a trained model to answers from a box, each step by the command a user would type.
# $EDGEPACK: the edgepack to run. Ctrl-C at any time: the same command goes on where it stopped.
set -eu
cd "$(dirname "$0")"
edgepack=${EDGEPACK:-edgepack}

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

step() {
  printf '\n%s== %s%s\n$ edgepack %s\n' "$bold" "$1" "$plain" "$2"
  # The words of a step hold no spaces of their own.
  # shellcheck disable=SC2086
  "$edgepack" $2
}

echo "digits: LeNet-5, trained on handwritten digits, onto box-07, a Raspberry Pi 4 (here: a sandbox)."
echo "The first time takes minutes, most of them for compiling the C++ library, libc and ncnn for the box;"
echo "all of it is kept, the second time takes seconds."

step "1. convert, compile, prove on golden vectors, bundle" "build --for box-07"
step "2. a box: SSH on loopback, the target's programs by qemu-user" "sandbox up box-07"
step "3. what a deploy would do" "deploy box-07 --dry-run"
step "4. deploy: send what is missing, prove on the box, switch, watch, confirm" "deploy box-07"
step "5. ask the box: 360 handwritten digits it has never seen" "ask box-07"
step "6. what runs there now" "status"

echo
echo "box-07 goes on answering. Try: edgepack -h; edgepack logs box-07 --journal -C examples/digits"
echo "Away with it: edgepack sandbox down box-07 -C examples/digits"
