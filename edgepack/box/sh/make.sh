# What only the box can make of a model (an engine for its own GPU), by the release's own script, while it is staged.
# Its results are kept in $ROOT/made by the digest of the model, the options, the runtime's version and the device; the
# script makes them anew when one of these changes. What was made is listed in the release's `.made`, with its sha256.

# Says the script's words after `=`, where it failed the end of its log after `! `, and its exit status after
# `exit`: 124 where the time was not enough.
noun_make() { # TOKEN APP RELEASE SECONDS FILE...
	hold "$1"
	word app "$2"
	digest "$3"
	number seconds "$4"
	token=$1 app=$2 name=$3 last=$(($(seconds) + $4))
	shift 4
	release=$ROOT/apps/$app/releases/$name
	[ -f "$release/model/make-engine.sh" ] || fail missing "release $name of $app has no make-engine.sh"
	for file in "$@"; do relative "$file"; done
	mkdir -p "$ROOT/made" "$ROOT/incoming" 2>/dev/null || fail_writing "$ROOT/made"
	out=$ROOT/incoming/make.$$
	keeping "$token" &
	keeper=$!
	sh "$release/model/make-engine.sh" "$release/model" "$ROOT/made" </dev/null >"$out" 2>&1 &
	maker=$!
	trap '' PIPE # set only now: what the script starts is to end when nobody reads it
	while kill -0 "$maker" 2>/dev/null; do
		if [ "$(seconds)" -gt "$last" ] || ! say . 2>/dev/null; then
			put_down "$maker"
			break
		fi
		nap
	done
	wait "$maker"
	status=$?
	[ "$(seconds)" -le "$last" ] || [ "$status" -eq 0 ] || status=124
	kill "$keeper" 2>/dev/null
	tail -n 40 "$out" | cut -c 1-1000 | sed 's/^/=/'
	words=$(sed -n 's/^make-engine: .*(\(made .*\))$/\1/p' "$out" | head -n 1)
	rm -f "$out"
	if [ "$status" -eq 0 ]; then
		patiently note_made "$release" "$@"
	else # the release, and its log with it, does not stay
		tail -n 30 "$release/model/make-engine.log" 2>/dev/null | cut -c 1-1000 | sed 's/^/! /'
	fi
	journal make "$app" "$name" "${words:-failed with $status}"
	renew
	say "exit $status"
}

# The script ends what it started when it is asked to; after 10 s nobody asks any more.
put_down() { # PID
	kill -TERM "$1" 2>/dev/null
	end=$(($(seconds) + 10))
	while kill -0 "$1" 2>/dev/null; do
		[ "$(seconds)" -le "$end" ] || kill -KILL "$1" 2>/dev/null
		nap
	done
}

note_made() { # RELEASE-FOLDER FILE...
	into=$1
	shift
	for file in "$@"; do
		[ -s "$into/$file" ] || fail not-made "make-engine.sh said that all is well, and there is no $file"
	done
	(cd "$into" && for file in "$@"; do say "$file"; done | hashes) | put "$into/.made" || exit 20
	flush
}

# A release that is staged once more keeps what was made for it: should it not be made again, the old one runs on.
carry_made() { # OLD-FOLDER NEW-FOLDER
	[ -f "$1/.made" ] && [ -z "$(made_damaged "$1")" ] || return 0
	while read -r _ file; do
		[ ! -f "$1/$file" ] || ln "$1/$file" "$2/$file" 2>/dev/null || cp "$1/$file" "$2/$file" || fail_writing "$2/$file"
	done <"$1/.made"
	cp "$1/.made" "$2/.made" || fail_writing "$2/.made"
}

made_damaged() { # RELEASE-FOLDER   `damaged PATH` for what was made and is something else by now
	[ -f "$1/.made" ] || return 0
	{
		(cd "$1" && cut -d ' ' -f 2- .made | hashes) | sed 's/^/is /'
		sed 's/^/should /' "$1/.made"
	} | awk '$1 == "is" { sum[$3] = $2 }
		$1 == "should" && sum[$3] != $2 { print "damaged", $3 }'
}
