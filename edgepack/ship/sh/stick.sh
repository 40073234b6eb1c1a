# Installs the release in this file on the box that it is run on: nothing is asked of any network. Called as:
#   sh FILE [ROOT]        ROOT: edgepack's folder on the box, where it is not the one that fleet.yaml has
#   sh FILE --check [ROOT]   looks whether it could be installed, and changes nothing
# After these lines comes a small tar (the box's script, the release's list, a helper, signatures), then the cargo.
# Written for the least shell there is: busybox's sh, dash and bash.
set -u
LC_ALL=C
export LC_ALL
umask 022
stage=
token=

say() { printf '%s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

stop() { # SENTENCE [FIX]
	say "edgepack: $1" >&2
	[ -z "${2:-}" ] || say "  fix: $2" >&2
	exit 1
}

# Whatever ends this: what was switched goes back, what was staged is discarded, the lock is given back.
undo() {
	trap '' INT TERM HUP
	case $stage in
	switched)
		on_box back "$token" "$APP" "the stick's installation failed" | sed -n 's/^current \(.*\)/it went back to release \1/p' >&2
		stage=staged
		;;
	esac
	[ "$stage" != staged ] || on_box discard "$token" "$APP" "$RELEASE" >/dev/null 2>&1
	[ -z "$stage" ] || on_box unlock "$token" >/dev/null 2>&1
	[ -z "${work:-}" ] || rm -rf "$work"
}

on_box() { sh "$script" "$ROOT" "$@" 2>"$work/said" || { cat "$work/said" >&2; return 1; }; }

must() { # NOUN ARGUMENT...   its words, or the end of all this
	heard=$(on_box "$@") || stop "it failed at: $1"
}

sum_of() { # of stdin
	if have sha256sum; then
		sha256sum
	elif have openssl; then
		openssl dgst -sha256 -r
	else
		busybox sha256sum
	fi | cut -c 1-64
}

from_byte() { tail -c "+$(($1 - 1000000000 + 1))" "$file"; }

of_probe() { say "$probe" | sed -n "s/^$1 //p"; }

look() { # everything that can be said before anything is changed
	script=$work/$SCRIPT
	probe=$(sh "$script" "$ROOT" probe "$APP" <"$work/digests") || stop "the box's script does not run here"
	arch=$(of_probe arch)
	[ "$arch" = "$ARCH" ] || stop "the release is for $ARCH, this box is $arch"
	[ "$(of_probe writable)" = yes ] || stop "$(of_probe user) may not write in $(of_probe folder)"
	case ",$(of_probe filesystem | cut -d ' ' -f 2)," in
	*,noexec,*) stop "programs in $(of_probe folder) cannot be started: it is mounted noexec" ;;
	esac
	free=$(of_probe disk_free_kb)
	[ "${free:-$NEEDED_KB}" -ge "$NEEDED_KB" ] || stop "$NEEDED_KB KiB are needed in $ROOT, $free are free"
	inodes=$(of_probe inodes_free)
	[ "${inodes:-0}" -eq 0 ] || [ "$inodes" -ge "$FILES" ] || stop "$FILES files are needed, there is room for $inodes"
	libc=$(of_probe libc)
	case $LIBC in
	glibc\ *)
		say "$LIBC|$libc" | awk -F '[ .|]' '{ exit !($4 == "unknown" || ($4 == $1 && ($5 > $2 || ($5 == $2 && $6 >= $3)))) }' ||
			stop "the program needs $LIBC, the box has $libc"
		;;
	esac
	while read -r base; do
		of_probe have | grep -qx "$base" || stop "this file was made for a box that has release $SINCE, and this one lacks a file of it" \
			"make one without --since: edgepack export stick NODE"
	done <"$work/bases"
	[ -z "$MODEL_KEY" ] || [ -f "$work/model-key" ] || of_probe opens | grep -q " $MODEL_KEY " ||
		stop "the model is encrypted, and its key $MODEL_KEY is not on this box" \
			"edgepack key wrap NODE --device SOURCE:FINGERPRINT, then make the file again"
	say "$probe" | grep -q '^lock [^ ]* [1-9]' && stop "somebody else is working on this box: $(of_probe lock)"
	return 0
}

# The box takes the first signature that is of one of its keys.
show_signature() {
	say "$probe" | grep -q '^enrolled' || return 0
	for signed in "$work"/signature-*; do
		[ -f "$signed" ] || continue
		if sed 1d "$signed" | on_box authorise "$token" "$(head -n 1 "$signed")" >/dev/null 2>&1; then
			return 0
		fi
	done
	stop "no key that this box was enrolled with signed this release" "edgepack sign, then make the file again"
}

bring() {
	case $KIND in
	parcels)
		must helper "$token" "$HELPER" <"$work/helper"
		came=$(from_byte "$CARGO" | on_box parcels "$token" "$HELPER") || stop "the files could not be brought in"
		! say "$came" | grep -q '^bad ' || stop "some files came out as something else: the stick or the box's storage is faulty"
		;;
	files)
		came=$(from_byte "$CARGO" | on_box receive "$token" plain) || stop "the files could not be brought in"
		;;
	esac
}

prove() {
	[ "$SAMPLES" -gt 0 ] || {
		say "  no golden vectors: nothing is proven"
		return 0
	}
	must verify "$token" "$APP" "$RELEASE" 900
	report=$(say "$heard" | sed -n 's/^=//p' | tr -d '\n')
	say "$heard" | grep -qx 'exit 0' && say "$report" | grep -q "\"samples\": *${SAMPLES}[,}]" &&
		say "$report" | grep -q '"ok": *true' && ! say "$report" | grep -q '"ok": *false' || {
		say "$heard" | sed -n 's/^! //p' >&2
		stop "the program does not compute on this box what was trained: $(say "$heard" | grep '^exit ')"
	}
}

# The program looks at its licence before it loads a model, and ends with 15 where it would not run.
licensed() {
	[ "$LICENSED" = yes ] && [ "$WAY" != compose ] || return 0
	say "- the licence"
	data=$ROOT/apps/$APP/data
	"$ROOT/apps/$APP/releases/$RELEASE/bin/$APP" infer --data "$data" "$work/no picture" >/dev/null 2>"$work/words" </dev/null
	[ $? -ne 15 ] || stop "the program would not run: $(head -n 1 "$work/words" | tr -cd ' -~')" \
		"edgepack licence issue NODE --until DATE --key KEY, and copy licences/NODE.licence to $data/licence"
}

hook() { # WHICH SECONDS
	[ "$2" -gt 0 ] || return 0
	say "- the hook $1"
	must hook "$token" "$APP" "$RELEASE" "$1" "$2"
	say "$heard" | sed -n 's/^! /  /p'
	say "$heard" | grep -qx 'exit 0' || stop "the hook $1 failed"
}

# As the deployer judges it: its process lives, was not started twice, and wrote of itself twice, with enough frames.
healthy() {
	on_box watch "$token" "$APP" "$TIMEOUT" | awk -v release="$RELEASE" -v least="$MIN_FPS" '
		$1 == "program" { alive = $2; pid = $3; is = $4; restarts = $6; ended = $7 }
		$1 == "status" { told = $0 }
		$1 == "tick" {
			if (restarts + 0 > 0) { print "it ended by itself with " ended; exit }
			if (alive == "yes" && is == release && told ~ "\"pid\": *(1|" pid ")[,}]") {
				if (!(told in seen)) { seen[told] = 1; count++ }
				fps = told
				if (!sub(/.*"fps": */, "", fps)) fps = 0
				if (count >= 2 && fps + 0 >= least + 0) { print "healthy"; exit }
			}
			alive = told = restarts = ""
		}'
}

# The release's own probe, again and again until it says yes.
ask_probe() {
	[ "$HEALTHY_S" -gt 0 ] || return 0
	say "- the release's own probe"
	tries=0
	until must hook "$token" "$APP" "$RELEASE" healthy "$HEALTHY_S" && say "$heard" | grep -qx 'exit 0'; do
		say "$heard" | sed -n 's/^! /  /p'
		tries=$((tries + 1))
		[ "$tries" -lt "$TIMEOUT" ] || stop "the new release's own probe does not find it healthy"
		sleep 1
	done
}

install() {
	say "- $APP $VERSION, release $RELEASE"
	mkdir -p "$ROOT/bin" && cp "$script" "$ROOT/bin/$SCRIPT.new.$$" && mv -f "$ROOT/bin/$SCRIPT.new.$$" "$ROOT/bin/$SCRIPT" ||
		stop "could not write to $ROOT"
	script=$ROOT/bin/$SCRIPT
	token=stick$$-$(date +%s)
	must lock "$token" "stick@$(uname -n):$$"
	stage=locked
	show_signature
	say "- bring in what the box lacks, and compare each sha256"
	bring
	stage=staged
	heard=$(on_box stage "$token" "$APP" "$RELEASE" <"$work/list") || stop "it failed at: stage"
	! say "$heard" | grep -q '^damaged ' || stop "what was written reads back as something else: the box's storage is failing"
	if [ "$MAKE_S" -gt 0 ]; then
		say "- make $MAKES"
		# shellcheck disable=SC2086  # several plain words
		must make "$token" "$APP" "$RELEASE" "$MAKE_S" $MAKES
		say "$heard" | grep -qx 'exit 0' || {
			say "$heard" | sed -n 's/^[=!] *//p' >&2
			stop "the box could not make $MAKES"
		}
	fi
	heard=$(on_box runs "$token" "$APP" "$WAY" "$MEMORY" "$CPU" "$STAMP" "$RELEASE" <"$work/compose.yaml") ||
		stop "it failed at: runs"
	[ ! -f "$work/model-key" ] || must secrets "$token" "$APP" key "$MODEL_KEY" "$(sum_of <"$work/model-key")" <"$work/model-key"
	say "- the golden vectors"
	prove
	licensed
	hook before-switch "$BEFORE_S"
	say "- switch"
	must switch "$token" "$APP" "$RELEASE" "$((2 * TIMEOUT + AFTER_S + HEALTHY_S + 45))"
	stage=switched
	hook after-switch "$AFTER_S"
	say "- watch its health for at most $TIMEOUT s"
	state=$(healthy)
	[ "$state" = healthy ] || stop "the new release is not healthy: ${state:-it did not show that it works in time}"
	ask_probe
	must confirm "$token" "$APP" "$RELEASE"
	stage=locked
	if [ "$AT_BOOT" = yes ]; then
		must enable "$token"
		say "$heard" | sed -n 's/^line /it will not start with the box; add to its start-up: /p'
	fi
	must collect "$token" "$APP" 3
	must journal "$token" stick "$APP" "$RELEASE" ok
	say "done: $APP $VERSION answers"
}

main() {
	check=
	[ "${1:-}" != --check ] || { check=yes && shift; }
	case ${1:-$FOLDER} in
	/*) ROOT=${1:-$FOLDER} ;;
	*) ROOT=${HOME:?}/${1:-$FOLDER} ;;
	esac
	case $0 in
	/*) file=$0 ;;
	*) file=$(pwd)/$0 ;;
	esac
	[ "$(from_byte "$SMALL" | sum_of)" = "$SHA256" ] || stop "this file is damaged" "copy it to the stick again"
	at=$ROOT
	while [ ! -d "$at" ]; do at=$(dirname "$at"); done
	for old in "$at"/.stick.*; do # of one whose power was cut
		[ ! -d "$old" ] || kill -0 "${old##*.}" 2>/dev/null || rm -rf "$old"
	done
	work=$at/.stick.$$
	trap undo EXIT
	trap 'stop "it was ended"' INT TERM HUP
	mkdir "$work" 2>/dev/null || { work= && stop "no permission to write in $at"; }
	(cd "$work" && from_byte "$SMALL" | head -c "$SMALL_BYTES" | tar -xf -) || stop "this file cannot be unpacked"
	look
	if [ -L "$ROOT/apps/$APP/current" ] && [ "$(of_probe "current $APP")" = "$RELEASE" ]; then
		say "$APP $VERSION is the current release already; it is started anew"
	fi
	[ -z "$check" ] || { say "it could be installed here" && return 0; }
	install
}

main "$@"
exit
