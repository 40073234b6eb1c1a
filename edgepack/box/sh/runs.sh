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
	keep_way "$2" "$7"
	case $3 in
	systemd) runs_by_systemd "$2" "$4" "$5" ;;
	compose) runs_by_compose "$2" "$7" ;;
	process) ;;
	*) fail usage "an app runs as a process, by systemd or by Compose, not by $3" ;;
	esac
	say "$3 $6" | put "$ROOT/apps/$2/runs" || exit 20
}

# What was told is undone with the deploy that told it: a release that runs must not be started, after a crash or a power
# cut, by a file that nobody has seen it run with.
keep_way() { # APP RELEASE   (of an earlier deploy that was cut short, what is kept already is the right one)
	[ ! -f "$ROOT/apps/$1/runs.back" ] || return 0
	file=$(compose_file "$1" "$2")
	[ ! -f "$file" ] || put "$file.back" <"$file" || exit 20
	unit=$UNITS/$(unit_of "$1")
	if by_systemd "$1" && [ -f "$unit" ]; then put "$ROOT/apps/$1/unit.back" <"$unit" || exit 20; fi
	runs_told "$1" | put "$ROOT/apps/$1/runs.back" || exit 20
	flush
}

way_back() { # APP   (alone, or under the lock)
	[ -f "$ROOT/apps/$1/runs.back" ] || return 0
	for kept in "$ROOT/apps/$1"/releases/*.compose.yaml.back; do
		[ ! -f "$kept" ] || mv -f "$kept" "${kept%.back}"
	done
	kept=$ROOT/apps/$1/unit.back
	if [ -f "$kept" ]; then
		# Whoever installed the script that it names may have taken another since.
		sed "s|^ExecStart=.*|ExecStart=/bin/sh $SELF $ROOT attend $1|" "$kept" | put "$UNITS/$(unit_of "$1")"
		systemctl daemon-reload >/dev/null 2>&1
		rm -f "$kept"
	fi
	mv -f "$ROOT/apps/$1/runs.back" "$ROOT/apps/$1/runs"
}

way_confirmed() { # APP
	rm -f "$ROOT/apps/$1/runs.back" "$ROOT/apps/$1/unit.back" "$ROOT/apps/$1"/releases/*.compose.yaml.back
}

runs_told() { # APP
	cat "$ROOT/apps/$1/runs" 2>/dev/null || say "process -"
}

runs_by() { # APP   process where nothing else was ever said
	read -r way _ 2>/dev/null <"$ROOT/apps/$1/runs" || way=process
	say "$way"
}
