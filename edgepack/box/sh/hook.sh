# The release's own scripts around a switch. What they print goes into the journal, a line each.

# Says `exit STATUS`, 124 where the time was not enough, and the last lines that the script wrote after `! `.
noun_hook() { # TOKEN APP RELEASE before-switch|after-switch|healthy SECONDS
	hold "$1"
	word app "$2"
	digest "$3"
	number seconds "$5"
	case $4 in
	before-switch | after-switch | healthy) ;;
	*) fail usage "no such hook: $4" ;;
	esac
	token=$1 app=$2 name=$3 which=$4 last=$(($(seconds) + $5))
	home=$ROOT/apps/$app
	[ -x "$home/releases/$name/hooks/$which" ] || fail missing "release $name of $app has no hook $which"
	mkdir -p "$ROOT/incoming" "$home/data" 2>/dev/null || fail_writing "$home/data"
	out=$ROOT/incoming/hook.$$
	journal "$which" "$app" "$name" begins
	keeping "$token" &
	keeper=$!
	before=$(release_at "$home/current")
	if have setsid; then group=-; else group=; fi
	(
		cd "$home/data" || exit 126
		EDGEPACK_APP=$app EDGEPACK_DATA=$home/data EDGEPACK_RELEASE=$home/releases/$name
		EDGEPACK_CURRENT=${before:+$home/releases/$before}
		export EDGEPACK_APP EDGEPACK_DATA EDGEPACK_RELEASE EDGEPACK_CURRENT
		if [ -n "$group" ]; then exec setsid "$EDGEPACK_RELEASE/hooks/$which"; else exec "$EDGEPACK_RELEASE/hooks/$which"; fi
	) </dev/null >"$out" 2>&1 &
	runs=$!
	trap '' PIPE
	late=
	while kill -0 "$runs" 2>/dev/null; do
		if [ "$(seconds)" -gt "$last" ] || ! say . 2>/dev/null; then
			late=yes
			kill -s TERM -- "$group$runs" 2>/dev/null
			sleep 1
			kill -s KILL -- "$group$runs" 2>/dev/null
			break
		fi
		nap
	done
	wait "$runs"
	status=$?
	[ -z "$late" ] || status=124
	kill "$keeper" 2>/dev/null
	# What anybody's script prints ends up on a terminal.
	tr -c '\n\t -~' '?' <"$out" | tail -n 30 | cut -c 1-300 >"$out.said"
	while IFS= read -r line || [ -n "$line" ]; do
		journal "$which" "$app" "$name" "says: $line"
		say "! $line"
	done <"$out.said"
	rm -f "$out" "$out.said"
	journal "$which" "$app" "$name" "ended with $status"
	renew
	say "exit $status"
}
