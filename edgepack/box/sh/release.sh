# A release is a folder of links into the store. It is made aside and renamed, so it is whole or
# not there.

# What was written is read back: `damaged PATH` as in `check`.
noun_stage() { # TOKEN APP RELEASE   (lines of `sha256 mode path` on stdin)
	hold "$1"
	word app "$2"
	digest "$3"
	releases=$ROOT/apps/$2/releases
	made=$releases/$3.tmp
	rm -rf "$made"
	mkdir -p "$made" "$ROOT/apps/$2/data" 2>/dev/null || fail_writing "$made"
	while read -r sha mode path; do
		digest "$sha"
		relative "$path"
		place "$ROOT/store/$sha" "$mode" "$made/$path"
		say "$sha $mode $path"
	done >"$releases/$3.list.tmp" || exit 20
	! enrolled || admit "$1" "$2" "$3" "$releases/$3.list.tmp"
	mv -f "$releases/$3.list.tmp" "$releases/$3.list" || fail_writing "$releases/$3.list"
	flush
	if [ -d "$releases/$3" ]; then
		carry_made "$releases/$3" "$made"
		mv -T "$releases/$3" "$releases/$3.old"
	fi
	mv -T "$made" "$releases/$3" || fail_writing "$releases/$3"
	rm -rf "$releases/$3.old"
	noun_check "$2" "$3"
}

# A link where the file system has links and the mode can be shared, else a copy.
place() { # STORED MODE PATH
	mkdir -p "${3%/*}" 2>/dev/null || fail_writing "$3"
	[ -f "$1" ] || fail missing "the store has no ${1##*/}"
	case $2 in
	0755) if [ -x "$1" ] && ln "$1" "$3" 2>/dev/null; then return 0; fi ;;
	0644) if ln "$1" "$3" 2>/dev/null; then return 0; fi ;;
	*) fail usage "not a mode of a release's file: $2" ;;
	esac
	cp "$1" "$3" 2>/dev/null && chmod "$2" "$3" || fail_writing "$3"
}

noun_discard() { # TOKEN APP RELEASE   a release that will not be used after all
	hold "$1"
	word app "$2"
	digest "$3"
	way_back "$2"
	app=$ROOT/apps/$2
	for kept in current previous; do
		[ "$(release_at "$app/$kept")" != "$3" ] || return 0
	done
	drop "$app/releases/$3"
	[ -L "$app/current" ] || rm -f "$app/runs"
	[ -L "$app/current" ] || rmdir "$app/releases" "$app/data" "$app" 2>/dev/null
	sweep
}

# Renamed first: what is half gone must not lie under a release's name, nor stay when its list is gone.
drop() { # RELEASE-FOLDER
	rm -rf "$1.tmp"
	mv -T "$1" "$1.tmp" 2>/dev/null
	rm -rf "$1.tmp" "$1".list* "$1.signed" "$1".compose.yaml*
}

# Whether every file of a release is there and right, `damaged PATH` for each that is not, and what
# the release says of itself.
noun_check() { # APP RELEASE
	word app "$1"
	digest "$2"
	release=$ROOT/apps/$1/releases/$2
	[ -d "$release" ] && [ -f "$release.list" ] || fail missing "there is no release $2 of $1"
	found=$(
		{
			(cd "$release" && cut -d ' ' -f 3 | hashes) <"$release.list" | sed 's/^/is /'
			sed 's/^/should /' "$release.list"
		} | awk '$1 == "is" { sum[$3] = $2 }
			$1 == "should" && sum[$4] != $2 { print "damaged", $4 }'
		made_damaged "$release"
	)
	calm
	[ -z "$found" ] || say "$found"
	[ ! -f "$release/release.json" ] || show_file release "$release/release.json"
}

# The golden vectors through the shipped program: its exit status, and every line it wrote.
noun_verify() { # TOKEN APP RELEASE SECONDS [pause]   pause: what runs meanwhile, and say for how many seconds
	hold "$1"
	word app "$2"
	digest "$3"
	number seconds "$4"
	release=$ROOT/apps/$2/releases/$3
	[ -d "$release" ] || fail missing "there is no release $3 of $2"
	out=$ROOT/incoming/verify.$$
	mkdir -p "$ROOT/incoming" || fail_writing "$out"
	keeping "$1" &
	keeper=$!
	since=
	if [ "${5:-}" = pause ] && [ -n "$(supervisor "$2")" ]; then
		since=$(seconds)
		patiently pause "$1" "$2"
	fi
	if by_compose "$2" "$3"; then
		limited "$4" inside "$2" "$3" verify 3>&1 >"$out" 2>"$out.err"
		status=$?
		out_of_inside "$2"
	else
		limited "$4" program "$release" "$2" verify 3>&1 >"$out" 2>"$out.err"
		status=$?
	fi
	if [ -n "$since" ]; then
		patiently resume "$2"
		say "paused $(($(seconds) - since))"
	fi
	say "exit $status"
	kill "$keeper" 2>/dev/null
	head -c 1048576 "$out" | sed 's/^/=/'
	say
	tail -n 20 "$out.err" | cut -c 1-500 | sed 's/^/! /'
	rm -f "$out" "$out.err"
	renew
}

release_at() { # LINK   the release it points at, or nothing
	to=$(readlink "$1" 2>/dev/null) || return 0
	say "${to##*/}"
}

point() { # LINK RELEASE   switch: one rename, on the disk before anything goes on
	rm -f "$1.new"
	ln -s "releases/$2" "$1.new" && mv -T "$1.new" "$1" || fail_writing "$1"
	flush
}
