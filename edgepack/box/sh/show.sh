# What somebody far away wants to know. Changes nothing, except that `feed` brings images.

noun_status() { # APP
	word app "$1"
	app=$ROOT/apps/$1
	say "clock $(date +%s)"
	say "boots $(boots)"
	for link in current previous; do
		release=$(release_at "$app/$link")
		[ -z "$release" ] || say "$link $release"
	done
	if read -r _ release before until booted 2>/dev/null <"$app/unconfirmed"; then
		say "unconfirmed $release $before $((until - $(seconds)))"
	fi
	# A switch or a way back that was cut short near its end: the next lock finishes it.
	if [ -f "$app/confirmed" ] || [ -f "$app/going-back" ]; then say "unfinished"; fi
	[ ! -f "$app/paused" ] || say "paused"
	show_program "$1"
	[ ! -f "$app/current/release.json" ] || show_file release "$app/current/release.json"
	show_lock
}

show_program() { # APP
	app=$ROOT/apps/$1
	say "supervisor $(supervisor "$1")"
	if read -r pid release since restarts status 2>/dev/null <"$app/run/program"; then
		alive=no
		if [ -n "$(supervisor "$1")" ] && kill -0 "$pid" 2>/dev/null; then alive=yes; fi
		say "program $alive $pid $release $since $restarts $status"
	fi
	if [ -f "$app/data/status.json" ]; then
		say "status_age $(($(date +%s) - $(date -r "$app/data/status.json" +%s 2>/dev/null || date +%s)))"
		show_file status "$app/data/status.json"
	fi
}

show_file() { # WORD FILE   a small file of another's, in one line
	say "$1 $(head -c 65536 "$2" 2>/dev/null | tr '\n' ' ')"
}

noun_watch() { # TOKEN APP SECONDS   the program's state each second, for the health gate
	hold "$1"
	word app "$2"
	number seconds "$3"
	last=$(($(seconds) + $3))
	ticks=0
	while [ "$(seconds)" -le "$last" ]; do
		show_program "$2"
		say "tick"
		ticks=$((ticks + 1))
		[ $((ticks % 10)) -ne 0 ] || hold "$1"
		sleep 1
	done
}

noun_logs() { # APP log|journal LINES FOLLOW   FOLLOW: seconds to go on for
	word app "$1"
	number lines "$3"
	number follow "$4"
	case $2 in
	log) file=$ROOT/apps/$1/data/log ;;
	journal) file=$ROOT/journal ;;
	*) fail usage "no such log: $2" ;;
	esac
	[ -f "$file" ] || fail missing "there is no ${file#"$ROOT"/} yet"
	size=$(wc -c <"$file") # what comes while we read is for `follow`
	{
		if [ "$2" = log ] && [ -f "$file.1" ] && [ "$(wc -l <"$file")" -lt "$3" ]; then
			cat "$file.1"
		fi
		head -c "$size" "$file"
	} | tail -n "$3" | cut -c 1-4000 | sed 's/^/=/'
	[ "$4" -eq 0 ] || follow "$file" "$size" "$4" alive
}

# New whole lines of a file from a byte on, as they come; TICK is called whenever there are no more.
follow() { # FILE OFFSET SECONDS TICK
	last=$(($(seconds) + $3))
	at=$2
	rest=
	while [ -f "$1" ] && [ "$(seconds)" -le "$last" ]; do
		exec 4<"$1"
		skip "$at"
		while size=$(wc -c <"$1") && [ "$size" -ge "$at" ] && [ "$(seconds)" -le "$last" ]; do
			at=$size
			while IFS= read -r line <&4; do
				say "=$rest$line"
				rest=
			done
			rest=$rest$line
			"$4"
			nap
		done
		at=0 # the file was emptied: from its beginning again
		rest=
	done
	exec 4<&-
}

skip() { # BYTES   of descriptor 4
	dd bs=65536 count=$(($1 / 65536)) <&4 >/dev/null 2>&1
	[ $(($1 % 65536)) -eq 0 ] || dd bs=$(($1 % 65536)) count=1 <&4 >/dev/null 2>&1
}

# Images for a running program: unpacked aside under a dot-name, then each renamed.
noun_feed() { # APP TOKEN INBOX SINK   (a tar on stdin)
	word app "$1"
	word token "$2"
	relative "$3"
	relative "$4"
	data=$ROOT/apps/$1/data
	[ -n "$(supervisor "$1")" ] || fail not-running "$1 is not running"
	aside=$data/$3/.feed-$2
	mkdir -p "$aside" 2>/dev/null || fail_writing "$aside"
	if ! (cd "$aside" && tar -xf -) 2>/dev/null; then
		rm -rf "$aside"
		fail cut-off "the images did not come whole"
	fi
	say "offset $(wc -c <"$data/$4" 2>/dev/null || say 0)"
	inbox=$data/$3
	set --
	for image in "$aside"/*; do
		set -- "$@" "$image"
		[ $# -ge 64 ] || continue
		renamed "$inbox" "$@"
		set --
	done
	[ $# -eq 0 ] || renamed "$inbox" "$@"
	rmdir "$aside"
}

# One process for many: on a slow box 360 of them are a minute of silence.
renamed() { # FOLDER FILE...
	into=$1
	shift
	mv -f "$@" "$into/" || fail_writing "$into"
	alive
}

alive() { say .; }

# The sink's new lines, and `rejected NAME` for each of TOKEN's images that the program cannot read.
noun_answers() { # APP TOKEN INBOX SINK OFFSET SECONDS
	word app "$1"
	word token "$2"
	relative "$3"
	relative "$4"
	number offset "$5"
	number seconds "$6"
	rejects=$ROOT/apps/$1/data/$3/.rejected/ask-$2-
	sink=$ROOT/apps/$1/data/$4
	last=$(($(seconds) + $6))
	while [ ! -f "$sink" ] && [ "$(seconds)" -le "$last" ]; do
		rejected
		nap
	done
	[ ! -f "$sink" ] || follow "$sink" "$5" "$6" rejected
}

rejected() {
	say .
	for image in "$rejects"*; do
		[ ! -f "$image" ] || say "rejected ${image##*/}"
	done
}
