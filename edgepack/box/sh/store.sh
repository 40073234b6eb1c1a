# Bytes come in here: one tar of files named by their sha256.

noun_receive() { # TOKEN gzip|plain   (the tar on stdin)
	hold "$1"
	trap '' PIPE # a cut link must not stop us before what came whole is kept
	dir=$ROOT/incoming/$1
	rm -rf "$dir"
	mkdir -p "$dir" "$ROOT/store" 2>/dev/null || fail_writing "$dir"
	renewing "$1" "$dir" &
	renewer=$!
	whole=yes
	(
		cd "$dir" || exit 1
		if [ "$2" = gzip ]; then gzip -dc | tar -xf -; else tar -xf -; fi
	) 2>"$dir.said" || whole=no
	kill "$renewer" 2>/dev/null
	check_received "$dir" "$whole"
	rm -rf "$dir" "$dir.said"
}

# The lease goes on for as long as bytes come, and ends when they stop.
renewing() { # TOKEN FOLDER
	exec </dev/null >/dev/null 2>&1
	before=
	while doze 20 && kill -0 "$$"; do
		now=$(ls -ln "$2")
		[ "$now" = "$before" ] || hold "$1"
		before=$now
	done
}

check_received() { # FOLDER WHOLE
	bad=0
	flush
	(cd "$1" && ls) | (cd "$1" && hashes) >"$1.sums"
	while read -r sum name; do
		if [ "$sum" = "$name" ]; then
			say "received $sum"
		else
			bad=$((bad + 1))
		fi
	done <"$1.sums"
	if [ "$2" = yes ] && [ "$bad" -gt 0 ]; then
		rm -rf "$1" "$1.said" "$1.sums"
		fail bad-digest "$bad of the files that came do not have the sha256 they were announced with"
	fi
	# Of a tar that was cut off, the whole files are good: the next attempt need not send them.
	while read -r sum name; do
		[ "$sum" != "$name" ] || mv -f "$1/$name" "$ROOT/store/$name"
	done <"$1.sums"
	rm -f "$1.sums"
	if [ "$2" = no ]; then
		why=$(tail -n 1 "$1.said")
		rm -rf "$1" "$1.said"
		case $why in
		*[Nn]o\ space*) fail disk-full "no space left on the box: $(free_kb "$ROOT") KiB free" ;;
		*) fail cut-off "the files did not come whole: ${why:-the link ended}" ;;
		esac
	fi
}

# Away with what broken deploys left. The lock is held, so nobody else's work is touched.
clean() {
	for leftover in "$ROOT"/incoming/* "$ROOT"/lock.ended.* "$ROOT"/apps/*/releases/*.tmp; do
		case $leftover in
		*\*) ;;
		# What came in part goes on where it stopped, for a week.
		*.part) [ -z "$(find "$leftover" -prune -mtime +7 2>/dev/null)" ] || rm -f "$leftover" ;;
		*) rm -rf "$leftover" && say "removed ${leftover#"$ROOT"/}" ;;
		esac
	done
	for app in "$ROOT"/apps/*; do
		[ -d "$app" ] || continue
		repair "${app##*/}"
	done
}

# Releases beyond the newest ones, then every file in the store that no release lists.
noun_collect() { # TOKEN APP KEEP
	hold "$1"
	word app "$2"
	number keep "$3"
	app=$ROOT/apps/$2
	current=$(release_at "$app/current")
	previous=$(release_at "$app/previous")
	kept=0
	(cd "$app/releases" 2>/dev/null && ls -t -- *.list 2>/dev/null) | while read -r list; do
		name=${list%.list}
		kept=$((kept + 1))
		if [ "$kept" -gt "$3" ] && [ "$name" != "$current" ] && [ "$name" != "$previous" ]; then
			drop "$app/releases/$name"
			say "dropped $name"
		fi
	done
	sweep
}

sweep() {
	mkdir -p "$ROOT/incoming" "$ROOT/store"
	cat "$ROOT"/apps/*/releases/*.list 2>/dev/null | cut -d ' ' -f 1 | sort -u >"$ROOT/incoming/wanted.$$" ||
		fail_writing "$ROOT/incoming"
	(cd "$ROOT/store" && ls) | sort | while read -r sha; do
		grep -q "^$sha\$" "$ROOT/incoming/wanted.$$" || rm -f "$ROOT/store/$sha"
	done
	rm -f "$ROOT/incoming/wanted.$$"
}
