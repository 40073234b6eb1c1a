# How an app runs from its next start on: as a process of our own supervisor, by systemd, or in a container by Compose.
# STAMP changes with what that way is told (limits, the file), so that a deploy knows what the box was last told.

# With `compose` the file for this release comes on stdin. It lies beside the release's list, so that a release that is
# gone back to runs as it did, and one that never ran in a container runs as a process.
noun_runs() { # TOKEN APP process|systemd|compose MEMORY-MIB CPU-PERCENT STAMP RELEASE   (0: no limit)
	hold "$1"
	word app "$2"
	number memory "$4"
	number cpu "$5"
	[ "$6" = - ] || word stamp "$6"
	digest "$7"
	mkdir -p "$ROOT/apps/$2" 2>/dev/null || fail_writing "$ROOT/apps/$2"
	case $3 in
	systemd) runs_by_systemd "$2" "$4" "$5" ;;
	compose) runs_by_compose "$2" "$7" ;;
	process) ;;
	*) fail usage "an app runs as a process, by systemd or by Compose, not by $3" ;;
	esac
	[ "$3" = compose ] || rm -f "$ROOT/apps/$2"/releases/*.compose.yaml
	say "$3 $6" | put "$ROOT/apps/$2/runs" || exit 20
}

runs_by() { # APP   process where nothing else was ever said
	read -r way _ 2>/dev/null <"$ROOT/apps/$1/runs" || way=process
	say "$way"
}
