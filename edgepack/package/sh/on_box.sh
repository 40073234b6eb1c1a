#!/bin/sh
# Makes of a model, on the box itself, what only the box can make. Called as:
#   sh make-engine.sh [OUT [CACHE]]
# OUT: where the result goes (here, where it is left out); CACHE: where results are kept.
# Beside it lie the model's files. Written for the least shell there is: busybox's sh, dash and bash.
# It ends with 0; 4: a file is damaged; 5: a program or the device is not here; 6: a step failed; 12: a folder
# cannot be written; 130: it was ended.
#
# shellcheck disable=SC2015  # `a && b || end` is meant: end when either did
# shellcheck disable=SC2016  # words for people have backticks in them
# shellcheck disable=SC2030,SC2031  # what a subshell finds is meant to end with it
set -u
LC_ALL=C
export LC_ALL
ESC=$(printf '\033')
KEPT=8 # results in the cache

say() { printf '%s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

end() { # STATUS SENTENCE [WHY [FIX]]
	{
		say "$TITLE: $2"
		[ -z "${3:-}" ] || say "  why: $3"
		[ -z "${4:-}" ] || say "  fix: $4"
	} >&2
	exit "$1"
}

unwritten() { # PATH
	end 12 "could not write $1" "$(df -Pk "${1%/*}" 2>/dev/null | awk 'NR == 2 { print $4 " KiB are free" }')"
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

nap() { sleep 0.2 2>/dev/null || sleep 1; }

sha_of() { # FILE   by stdin: a name with a quote or a backslash is written in another way by some
	if have sha256sum; then
		sha256sum <"$1"
	elif have openssl; then
		openssl dgst -sha256 -r <"$1"
	else
		busybox sha256sum <"$1"
	fi 2>/dev/null | cut -c 1-64
}

# What a program printed, without colours and whatever else could do things to a terminal.
plain() { sed "s/$ESC\[[0-9;]*[A-Za-z]//g" | tr '\r' '\n' | tr -d '\000-\010\013\014\016-\037\177'; }

# A session of its own where there is setsid, so that what it starts ends with it.
limited() { # SECONDS KIB COMMAND...   in `work`; its exit status, or 124 where the time was not enough
	last=$(($(seconds) + $1))
	inner='cd "$1" || exit 126; [ "$2" = 0 ] || ulimit -v "$2" 2>/dev/null; shift 2; exec "$@"'
	kib=$2
	shift 2
	if have setsid; then
		group=-
		setsid sh -c "$inner" sh "$work/work" "$kib" "$@" </dev/null &
	else
		group=
		sh -c "$inner" sh "$work/work" "$kib" "$@" </dev/null &
	fi
	runs=$!
	while kill -0 "$runs" 2>/dev/null; do
		if [ "$(seconds)" -gt "$last" ]; then
			put_down
			return 124
		fi
		nap
	done
	wait "$runs"
	came=$?
	runs=
	return "$came"
}

put_down() { # ends what `limited` started: asked first, then made to
	kill -s TERM -- "$group$runs" 2>/dev/null
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		kill -0 "$runs" 2>/dev/null || break
		nap
	done
	kill -s KILL -- "$group$runs" 2>/dev/null
	wait "$runs" 2>/dev/null
	runs=
}

tidy() {
	[ -z "${runs:-}" ] || put_down
	[ -z "${work:-}" ] || rm -rf "$work"
}

# --- where things are

folder_of() { # FOLDER   its full path; made where it is not there
	mkdir -p -- "$1" 2>/dev/null
	(CDPATH='' cd -- "$1" 2>/dev/null && pwd -P) || unwritten "$1"
}

located() { # NAME   each place of a program of that name, best first
	if [ -n "$pointed" ]; then
		finds | while IFS= read -r at; do
			[ "${at##*/}" != "$1" ] || [ ! -x "$pointed/$at" ] || say "$pointed/$at"
		done
	fi
	at=$(command -v "$1") && [ "${at#/}" != "$at" ] && say "$at"
	places | while IFS= read -r at; do
		[ "${at##*/}" != "$1" ] || [ ! -x "$at" ] || say "$at"
	done
}

find_program() { # NAME   sets `program` and `name`
	name=$1
	program=$(located "$1" | head -n 1)
	if [ "$1" = python ]; then
		program=$({
			located python3
			located python
		} | head -n 1)
	fi
	[ -n "$program" ] || end 5 "$1 is not on this box" "$TOOL makes the model here" \
		"get it: $FROM${VARIABLE:+; or say where it lies: $VARIABLE=FOLDER}"
}

find_sdk() { # NAME   sets `sdk`, the toolkit's folder, from a program of it where nobody said it
	find_program "$1"
	sdk=$pointed
	[ -z "$sdk" ] || return 0
	at=$(readlink -f "$program" 2>/dev/null) || at=$program
	sdk=$(finds | while IFS= read -r inside; do
		case $at in
		*/"$inside") say "${at%"/$inside"}" ;;
		esac
	done | head -n 1)
	[ -n "$sdk" ] || sdk=${at%/*}
}

# --- what the result depends on

fact() { # NAME PATTERN PROGRAM ARGUMENT...   a line `NAME: what it said`; "-" where it said nothing
	fact=$1
	pattern=$2
	asked=$(located "$3" | head -n 1)
	shift 3
	heard=
	if [ -n "$asked" ] && limited 60 0 "$asked" "$@" >"$work/said" 2>&1; then
		heard=$(plain <"$work/said" | grep -Eo -e "$pattern" | head -n 8 | tr '\n' ';')
	fi
	say "$fact: ${heard:--}"
}

file_fact() { # NAME PATTERN FILE
	heard=
	[ ! -r "$3" ] || heard=$(plain <"$3" | grep -Eo -e "$2" | head -n 8 | tr '\n' ';')
	say "$1: ${heard:--}"
}

device_here() { # KEY   whether one of the facts that name the device was answered
	devices | while IFS= read -r fact; do
		! grep -q -e "^$fact: [^-]" "$1" || say "$fact"
	done | grep -q .
}

check_files() { # lines of `sha256 path` on stdin; says them again
	while read -r sha path; do
		[ -f "$here/$path" ] || end 4 "$path is not beside this script" "" "copy the whole folder to the box"
		[ "$(sha_of "$here/$path")" = "$sha" ] ||
			end 4 "$path is damaged" "its sha256 is not $sha" "copy the whole folder to the box again"
		say "file $sha $path"
	done
}

describe() { # all that the result depends on
	say "steps $STEPS"
	files | check_files || exit $?
	facts
	programs | while IFS= read -r name; do
		find_program "$name"
		say "program $name $(sha_of "$program")"
	done || exit $?
	variables
}

# --- the steps

has_flag() { # FLAG   whether `program --help` says it
	if [ "${helped:-}" != "$program" ]; then
		limited 60 0 "$program" --help >"$work/help" 2>&1
		helped=$program
	fi
	grep -Fq -e "$1" "$work/help"
}

perform() { # SECONDS KIB COMMAND...   sets `status`, leaves its words in work/said
	took=$1
	kib=$2
	shift 2
	say "$TITLE: $name"
	{
		say "\$ $name"
		for word in "$@"; do say "    $word"; done
	} >>"$log" || unwritten "$log"
	limited "$took" "$kib" "$@" >"$work/raw" 2>&1
	status=$?
	plain <"$work/raw" >"$work/said"
	{
		cat "$work/said"
		say "[exit $status]"
	} >>"$log"
	[ "$status" -ne 124 ] || failed "$name did not finish in $took s"
}

said() { grep -Eq -e "$1" "$work/said"; }

fails_on() { # PATTERN
	! said "$1" || failed "$name says that it failed (exit code $status)"
}

ended_well() { [ "$status" -eq 0 ] || failed "$name ended with exit code $status"; }

must_say() { # PATTERN
	said "$1" || failed "$name ended with exit code 0 and did not say $1, as it does where it succeeds"
}

must_leave() { # PATH
	[ -f "$1" ] && [ -s "$1" ] || failed "$name ended with exit code 0 and wrote no ${1##*/}"
}

keep() { # NAME PATH...   the one file that a pattern fitted
	kept=$1
	shift
	[ $# -eq 1 ] && [ -f "$1" ] && [ -s "$1" ] || failed "$name ended with exit code 0 and wrote no $kept"
	case $kept in
	*/*) mkdir -p "$made/${kept%/*}" || unwritten "$made/$kept" ;;
	esac
	cp "$1" "$made/$kept" || unwritten "$made/$kept"
}

write() { # NAME TEXT   a file that a step reads, in its work folder
	case $1 in
	*/*) mkdir -p "$work/work/${1%/*}" || unwritten "$work/work/$1" ;;
	esac
	printf '%s' "$2" >"$work/work/$1" || unwritten "$work/work/$1"
}

failed() { # SENTENCE   with the vendor's words explained, as far as they are known
	why=
	fix="what it printed is in $log"
	known_errors
	tail -n 20 "$work/said" | cut -c 1-500 | sed 's/^/  | /' >&2
	end 6 "$TOOL failed: $1" "$why" "$fix"
}

explain() { # PATTERN WHY FIX   the first that fits counts
	[ -z "$why" ] && said "$1" || return 0
	why=$2
	fix="$3; what it printed is in $log"
}

# --- what was made

whole() { # FOLDER   whether a kept result is as it was made
	[ -s "$1/sums" ] || return 1
	while read -r sum path; do
		[ -f "$1/$path" ] && [ "$(sha_of "$1/$path")" = "$sum" ] || return 1
	done <"$1/sums"
}

store() { # puts `made` into the cache, whole or not at all
	results | while IFS= read -r path; do
		say "$(sha_of "$made/$path") $path"
	done >"$made/sums" || unwritten "$made"
	cp "$work/key" "$made/key" || unwritten "$made"
	aside=$cache/.new.$$
	rm -rf "$aside" "${cache:?}/$key"
	mkdir -p "$aside" && mv "$made" "$aside/$key" && mv "$aside/$key" "$cache/" || unwritten "$cache"
	rm -rf "$aside"
	number=0
	# Names are digests: nothing in them needs care.
	for old in $(cd "$cache" && ls -1t); do
		case $old in
		*[!0-9a-f]*) continue ;;
		esac
		number=$((number + 1))
		[ "$number" -le "$KEPT" ] || rm -rf "${cache:?}/$old"
	done
}

deliver() { # WORDS   from the cache to OUT, each file whole or not at all
	results | while IFS= read -r path; do
		case $path in
		*/*) mkdir -p "$out/${path%/*}" || unwritten "$out/$path" ;;
		esac
		cp "$cache/$key/$path" "$out/$path.new.$$" && mv -f "$out/$path.new.$$" "$out/$path" ||
			unwritten "$out/$path"
		say "$TITLE: $out/$path ($1)"
	done || exit $?
}

leftovers() { # work folders of those that were ended by force
	for old in "$out/.$TITLE".*; do
		[ -d "$old" ] || continue
		kill -0 "${old##*.}" 2>/dev/null || rm -rf "$old"
	done
}

settle() { # OUT CACHE   folders, traps, and all that the steps see
	out=$(folder_of "$1") && cache=$(folder_of "$2") || exit 12
	leftovers
	log=$out/$TITLE.log
	work=$out/.$TITLE.$$
	made=$work/made
	trap tidy EXIT
	trap 'exit 130' INT TERM HUP
	mkdir "$work" "$made" "$work/work" "$work/home" "$work/tmp" 2>/dev/null || unwritten "$work"
	: >"$log" || unwritten "$log"
	HOME=$work/home TMPDIR=$work/tmp PYTHONDONTWRITEBYTECODE=1
	export HOME TMPDIR PYTHONDONTWRITEBYTECODE
}

main() { # [OUT [CACHE]]
	case $0 in
	*/*) here=$(CDPATH='' cd -- "${0%/*}" && pwd -P) ;;
	*) here=$(pwd -P) ;;
	esac
	case ${1:-} in
	-*) end 2 "there is no option $1" "" "sh $TITLE.sh [OUT [CACHE]]" ;;
	esac
	kept_at=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/edgepack/on-box
	runs=
	settle "${1:-.}" "${2:-$kept_at}"
	find_sdk "$(programs | head -n 1)"
	environment
	describe >"$work/key" || exit $?
	device_here "$work/key" || end 5 "no device for $RUNTIME is here" "$ASKED" \
		"run it on the box that the model is for, and look at its driver"
	cat "$work/key" >>"$log"
	key=$(sha_of "$work/key")
	if whole "$cache/$key"; then
		touch "$cache/$key"
		deliver "made before of the same model, options, runtime and device"
		return 0
	fi
	began=$(seconds)
	steps
	store
	deliver "made in $(($(seconds) - began)) s"
}
