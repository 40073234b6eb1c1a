#!/bin/sh
# Begins every session of a sandbox box, whichever SSH server took it, in an environment made from
# nothing: the box knows no more of its host than a real one would, and nothing of the developer.
# $1: the sandbox's folder; $2: the account; $3: the emulator's path, or nothing.
# SSH_ORIGINAL_COMMAND: what the client asked to run; without it, a shell.
folder=$1 user=$2 emulator=$3

mkdir -p "$folder/root/home" "$folder/root/tmp"
cd "$folder/root/home" || exit 1

set -- \
    "HOME=$folder/root/home" \
    "TMPDIR=$folder/root/tmp" \
    "USER=$user" "LOGNAME=$user" "SHELL=/bin/sh" \
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    "EDGEPACK_SANDBOX=$folder"
[ -z "$emulator" ] || set -- "$@" "EDGEPACK_EMULATOR=$emulator"
[ -z "$TERM" ] || set -- "$@" "TERM=$TERM"

if [ -n "$SSH_ORIGINAL_COMMAND" ]; then
    exec env -i "$@" /bin/sh -c "$SSH_ORIGINAL_COMMAND"
fi
exec env -i "$@" /bin/sh
