#!/bin/sh
# edgepack on the box. Written for the least shell there is: busybox's sh, dash and bash all run it.
# Called as:  sh box-DIGEST.sh ROOT NOUN [ARGUMENT...]   with data, where a noun takes any, on stdin.
#
# On stdout: first a line `edgepack-box 1`, then lines of `word value`, a line `.` now and then so
# that the other end sees life in a long step, and `=` before each line that another program wrote.
# A failure is `edgepack-error KIND sentence` on stderr and exit 20; KIND is one word.
#
# shellcheck disable=SC2015  # `a && b || fail` is meant: fail when either did
set -u
LC_ALL=C
export LC_ALL

say() { printf '%s\n' "$*"; }

fail() { # KIND SENTENCE...
	kind=$1
	shift
	printf 'edgepack-error %s %s\n' "$kind" "$*" >&2
	calm
	exit 20
}

have() { command -v "$1" >/dev/null 2>&1; }

# Values become parts of paths: a letter, digit or _ first, then also . - +
word() { # NAME VALUE
	case $2 in
	'' | [!A-Za-z0-9_]* | *[!A-Za-z0-9._+-]*) fail usage "$1 is not a plain word: $2" ;;
	esac
}

number() { # NAME VALUE
	case $2 in
	'' | *[!0-9]* | ??????????????*) fail usage "$1 is not a number: $2" ;;
	esac
}

digest() { # VALUE
	case $1 in
	*[!0-9a-f]*) fail usage "not a sha256: $1" ;;
	esac
	[ ${#1} -eq 64 ] || fail usage "not a sha256: $1"
}

relative() { # VALUE: a path below a folder, that does not leave it
	case /$1/ in
	// | //* | */../* | */./* | *[!A-Za-z0-9._+=,@%~:/-]*) fail usage "not a plain relative path: $1" ;;
	esac
}

# Seconds since the box started: wall clocks of boxes without a battery jump.
seconds() {
	if [ -r /proc/uptime ]; then
		IFS=. read -r up _ </proc/uptime
		say "$up"
	else
		date +%s
	fi
}

boot() { # one word that changes with each start of the box
	if [ -r /proc/sys/kernel/random/boot_id ]; then
		cat /proc/sys/kernel/random/boot_id
	else
		say unknown
	fi
}

nap() { sleep 0.2 2>/dev/null || sleep 1; }

# For loops in the background: a sleep that ends when they are told to.
doze() { # SECONDS
	trap 'kill "$sleeper" 2>/dev/null; exit 0' TERM
	sleep "$1" >/dev/null 2>&1 &
	sleeper=$!
	wait "$sleeper"
}

# Run what may take minutes on a slow disk (to write, read back, delete) and says at most whole short lines: in what is
# longer than a write, a sign of life would stand in the middle, so that comes after `calm`.
patiently() { # COMMAND...
	beats &
	beating=$!
	"$@"
	ended=$?
	calm
	return "$ended"
}

calm() { # ends the signs of life, where there are any
	[ -z "${beating:-}" ] || kill "$beating" 2>/dev/null
	beating=
}

beats() { # (in the background; not for longer than the script lives)
	beat=0
	while doze 1 && kill -0 "$$" 2>/dev/null; do
		beat=$((beat + 1))
		[ $((beat % 5)) -ne 0 ] || say .
	done
}

# What a reader must see whole or not at all: written aside, then renamed.
put() { # FILE   (content on stdin)
	cat >"$1.new.$$" && mv -f "$1.new.$$" "$1" || fail_writing "$1"
}

# Why a write failed, as far as it can be told: the two causes that a person can do something about.
fail_writing() { # PATH
	at=$1
	while [ ! -d "$at" ]; do at=$(dirname "$at"); done
	[ -w "$at" ] || fail permission "no permission to write in $at"
	left=$(free_kb "$at")
	if [ "${left:-1024}" -lt 64 ]; then
		fail disk-full "no space left for $1: $left KiB free"
	fi
	fail write "could not write $1"
}

free_kb() { df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

journal() { # OP APP RELEASE RESULT   (the last 2000 lines are kept)
	say "$(date -u +%Y-%m-%dT%H:%M:%SZ) $1 $2 $3 $4" >>"$ROOT/journal" || return 0
	lines=$(wc -l <"$ROOT/journal")
	if [ "$lines" -gt 4000 ]; then
		tail -n 2000 "$ROOT/journal" | put "$ROOT/journal"
	fi
}

# sha256 of the files named on stdin, one a line: `HEX NAME`. openssl uses the CPU's own
# instructions where sha256sum mostly does not.
hashes() {
	if have openssl; then
		xargs -r openssl dgst -sha256 -r
	elif have sha256sum; then
		xargs -r sha256sum
	else
		xargs -r busybox sha256sum
	fi 2>/dev/null | sed 's/^\([0-9a-f]*\) [ *]/\1 /'
}

flush() { sync -f "$ROOT" 2>/dev/null || sync; }

detach() { # COMMAND...   runs on when the SSH session ends, and holds none of its pipes
	if have setsid; then
		setsid "$@" </dev/null >/dev/null 2>&1 &
	else
		(
			trap '' HUP
			exec "$@"
		) </dev/null >/dev/null 2>&1 &
	fi
}

# Run a command for at most some seconds, with a sign of life each second; its exit status, or 124.
limited() { # SECONDS COMMAND...   (its stdout and stderr are the caller's to redirect; signs go to 3)
	end=$(($(seconds) + $1))
	shift
	"$@" </dev/null 3>&- &
	runs=$!
	trap '' PIPE # set only now: the command itself is to end when nobody reads it
	while kill -0 "$runs" 2>/dev/null; do
		if [ "$(seconds)" -gt "$end" ] || ! say . 2>/dev/null >&3; then
			kill -KILL "$runs" 2>/dev/null
			wait "$runs" 2>/dev/null
			return 124
		fi
		nap
	done
	wait "$runs"
}

# The program's command line: EDGEPACK_EMULATOR, which only a sandbox sets, goes before it.
program() { # RELEASE-FOLDER APP ARGUMENT...
	exe=$1/bin/$2
	shift 2
	if [ -n "${EDGEPACK_EMULATOR:-}" ]; then
		set -- "$EDGEPACK_EMULATOR" "$exe" "$@"
	else
		set -- "$exe" "$@"
	fi
	exec "$@"
}
