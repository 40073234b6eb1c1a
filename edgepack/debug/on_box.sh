#!/bin/sh
# A debugger's other end on the box. Sent as an argument of `sh -c`, so that stdin is gdbserver's alone; it must stay
# well below the 9000 bytes that dropbear takes. Written for the least shell there is, as box/sh is.
# Called with ROOT, TOKEN (names the session's own folder) and what to do.
#
# shellcheck disable=SC2015,SC2016  # `a && b || fail` is meant: fail when either did; gdb's packets begin with a $
set -u
say() { printf '%s\n' "$*"; }
fail() { # KIND SENTENCE...
	kind=$1
	shift
	printf 'edgepack-error %s %s\n' "$kind" "$*" >&2
	exit 20
}
nap() { sleep 0.2 2>/dev/null || sleep 1; }
seconds() {
	IFS=. read -r up _ </proc/uptime
	say "$up"
}
sum() { { openssl dgst -sha256 -r || sha256sum || busybox sha256sum; } <"$1" 2>/dev/null | cut -c 1-64; }

case $1 in /*) ROOT=$1 ;; *) ROOT=$(pwd)/$1 ;; esac
DIR=$ROOT/debug/$2
does=$3
shift 3
export LC_ALL=C

do_look() { # APP PID   what decides whether a debugger may look at it. Changes nothing
	say "uid $(id -u)"
	say "yama $(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || say 0)"
	say "gdbserver $(command -v gdbserver)"
	say "owner $(awk '$1 == "Uid:" { print $2 }' "/proc/$2/status" 2>/dev/null)"
	say "tracer $(awk '$1 == "TracerPid:" { print $2 }' "/proc/$2/status" 2>/dev/null)"
	if [ -x "$ROOT/debug/gdbserver" ]; then say "kept $(sum "$ROOT/debug/gdbserver")"; fi
}

do_head() { # FILE BYTES
	exec head -c "$2" "$1"
}

# Folders of sessions that a power cut ended are removed by the next one.
do_push() { # SHA256 SIZE keep|once   (gdbserver on stdin)
	for old in "$ROOT"/debug/s-*; do
		[ -d "$old" ] || continue
		read -r pid 2>/dev/null <"$old/pid" || pid=
		[ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && continue
		[ -z "$(find "$old" -prune -mmin +1 2>/dev/null)" ] || rm -rf "$old"
	done
	mkdir -p "$DIR" 2>/dev/null || fail permission "nothing can be written below $ROOT"
	say "$PPID" >"$DIR/pid"
	[ "$2" -gt 0 ] || exit 0
	made=$DIR/gdbserver
	[ "$3" = once ] || made=$ROOT/debug/gdbserver
	cat >"$made.part" 2>/dev/null
	if [ "$(wc -c <"$made.part")" -ne "$2" ]; then
		rm -rf "$made.part" "$DIR"
		free=$(df -Pk "$ROOT" 2>/dev/null | awk 'NR == 2 { print $4 }')
		[ "${free:-9999}" -ge $(($2 / 1024 + 64)) ] || fail disk-full "no room for gdbserver: $free KiB free"
		fail cut-off "gdbserver did not come whole"
	fi
	[ "$(sum "$made.part")" = "$1" ] || { rm -rf "$made.part" "$DIR"; fail bad-digest "gdbserver came damaged"; }
	chmod 755 "$made.part" && mv -f "$made.part" "$made" || fail write "could not write $made"
}

do_leash() { # while somebody is there, a line comes every few seconds; after `=`, what would take the breakpoints out
	while read -r line; do
		seconds >"$DIR/seen" || exit 0
		case $line in "="*) printf '%s' "${line#=}" >"$DIR/undo.new" && mv -f "$DIR/undo.new" "$DIR/undo" ;; esac
	done 2>/dev/null
}

# gdbserver reads nothing while the program runs, and leaves breakpoints in it when nobody is at the other end. So the
# program is stopped with a signal that does nothing else, and gdbserver is told what gdb would have told it. (The
# first packets are for what of them it takes for an interrupt, or was cut in the middle.)
let_go() { # PID
	[ -n "$gone" ] || gone=$(seconds)
	if [ $(($(seconds) - gone)) -gt 15 ]; then
		kill -KILL "$server" 2>/dev/null
	elif [ -n "$told" ]; then
		return 0
	elif grep -q '^State:.t' "/proc/$1/status" 2>/dev/null; then
		nap
		{ printf '$qC#b4$qC#b4' && cat "$DIR/undo"; } >&5 2>/dev/null
		exec 5>&-
		told=yes
	else
		kill -CONT "$1" 2>/dev/null
	fi
}

still_there() { # SECONDS   both the stream and the leash
	[ -z "$told_to" ] && kill -0 "$feeder" 2>/dev/null || return 1
	read -r seen 2>/dev/null <"$DIR/seen" || return 0
	[ $(($(seconds) - seen)) -le "$1" ]
}

do_attach() { # GDBSERVER PID SECONDS   says `ready` once the program has stopped; from then on gdb's protocol
	trap '' HUP PIPE
	gone='' told='' told_to=''
	trap 'told_to=yes' TERM INT
	say "$$" >"$DIR/pid"
	case $1 in pushed) set -- "$DIR/gdbserver" "$2" "$3" ;; kept) set -- "$ROOT/debug/gdbserver" "$2" "$3" ;; esac
	for pipe in in out; do
		mkfifo "$DIR/$pipe" 2>/dev/null || mknod "$DIR/$pipe" p 2>/dev/null || fail write "no pipe can be made in $DIR"
	done
	exec 3<&0 4>"$DIR/said"
	seconds >"$DIR/seen"
	"$1" --once --attach - "$2" <"$DIR/in" >"$DIR/out" 3<&- 2>&4 4>&- &
	server=$!
	cat <&3 >"$DIR/in" 4>&- &
	feeder=$!
	cat <"$DIR/out" 3<&- 4>&- &
	drain=$!
	exec 3<&- 4>&- 5>"$DIR/in" 6<>"$DIR/out" # else its first write to a link that is gone would be its end
	until grep -q '^Attached' "$DIR/said" || ! kill -0 "$server" 2>/dev/null; do nap; done
	! grep -q '^Attached' "$DIR/said" || say ready 2>/dev/null
	while kill -0 "$server" 2>/dev/null; do
		still_there "$3" || let_go "$2"
		nap
	done
	wait "$server"
	ended=$?
	kill "$feeder" 2>/dev/null
	exec 6<&-
	wait "$drain"
	sed 's/^/! /' "$DIR/said" >&2
	rm -rf "$DIR"
	rmdir "$ROOT/debug" 2>/dev/null
	exit "$ended"
}

"do_$does" "$@"
