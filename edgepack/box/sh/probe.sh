# What the box is, for the decision whether it can take a bundle. Changes nothing.

machine() {
	case ${EDGEPACK_EMULATOR:-} in
	'') kind=$(uname -m) ;;
	*)
		kind=${EDGEPACK_EMULATOR##*/qemu-}
		kind=${kind%-static}
		;;
	esac
	case $kind in
	arm | armv7* | armv8l) say armhf ;;
	arm64) say aarch64 ;;
	amd64) say x86_64 ;;
	*) say "$kind" ;;
	esac
}

libc() {
	if [ -n "${EDGEPACK_EMULATOR:-}" ]; then
		say none
	elif have getconf && version=$(getconf GNU_LIBC_VERSION 2>/dev/null); then
		say "$version"
	elif have ldd; then
		ldd --version 2>&1 | awk 'NR == 1 && /musl/ { musl = 1 }
			musl && $1 == "Version" { print "musl", $2; found = 1 }
			NR == 1 && !musl { print "glibc", $NF; found = 1 }
			END { if (!found) print "unknown" }'
	else
		say unknown
	fi
}

memory() { # a line of /proc/meminfo, in KiB
	[ -r /proc/meminfo ] && awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo
}

nearest() { # the folder that would hold PATH, or PATH itself
	at=$1
	while [ ! -e "$at" ]; do
		case $at in
		*/*) at=${at%/*} ;;
		*) at=. ;;
		esac
		[ -n "$at" ] || at=/
	done
	say "$at"
}

mounted() { # the file system's type and options below PATH
	point=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $NF }')
	[ -r /proc/mounts ] && awk -v at="$point" '$2 == at { type = $3; options = $4 }
		END { if (type) print type, options }' /proc/mounts
}

facts() { # of the folder that exists
	say "arch $(machine)"
	say "machine $(uname -m)"
	say "kernel $(uname -sr)"
	say "emulator ${EDGEPACK_EMULATOR:-}"
	say "libc $(libc)"
	say "root $ROOT"
	say "folder $1"
	say "disk_free_kb $(free_kb "$1")"
	say "inodes_free $(df -Pi "$1" 2>/dev/null | awk 'NR == 2 && $4 ~ /^[0-9]+$/ { print $4 }')"
	say "filesystem $(mounted "$1")"
	say "memory_total_kb $(memory MemTotal)"
	say "memory_available_kb $(memory MemAvailable)"
	say "clock $(date +%s)"
	say "user $(id -un 2>/dev/null || id -u)"
}

tools() {
	for tool in tar gzip openssl sha256sum busybox setsid sync awk sed xargs df readlink; do
		! have "$tool" || say "tool $tool"
	done
	case $(mv --help 2>&1) in
	*-T*) say "tool mv-T" ;;
	esac
}

# Of the digests on stdin, those whose bytes are in the store and are still right: a worn flash
# cell must not make it into the next release.
stored() {
	[ -d "$ROOT/store" ] || return 0
	(
		cd "$ROOT/store" || exit 0
		while read -r sha; do
			digest "$sha"
			[ ! -f "$sha" ] || say "$sha"
		done | hashes
	) | while read -r sum name; do
		if [ "$sum" = "$name" ]; then say "have $sum"; else say "damaged $name"; fi
	done
}

noun_probe() { # [APP]   (digests on stdin)
	folder=$(nearest "$ROOT")
	facts "$folder"
	if [ -d "$folder" ] && [ -w "$folder" ]; then say "writable yes"; else say "writable no"; fi
	tools
	stored
	for app in "$ROOT"/apps/*; do
		[ ! -f "$app/runs" ] || say "runs ${app##*/} $(cat "$app/runs")"
		[ ! -L "$app/current" ] || say "current ${app##*/} $(release_at "$app/current")"
	done
	if [ $# -gt 0 ]; then
		word app "$1"
		for release in "$ROOT/apps/$1/releases"/*; do
			case $release in
			*.list | *.signed | *.tmp | *.old | */\*) ;;
			*) say "release ${release##*/}" ;;
			esac
		done
		bases "$1"
		show_device "$1"
		show_licence "$1"
		show_keys "$1"
	fi
	for helper in "$ROOT"/bin/helper-*; do
		[ ! -f "$helper" ] || say "helper ${helper##*/helper-}"
	done
	noun_parts
	show_trust
	say "boots $(boots)"
	[ -n "${EDGEPACK_EMULATOR:-}" ] || versions "" # those of the machine that emulates say nothing
	show_lock
}
