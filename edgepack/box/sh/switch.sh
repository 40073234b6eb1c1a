# From one release to another, and back by itself unless somebody confirms in time.
#
# apps/APP/unconfirmed says `TOKEN RELEASE BEFORE UNTIL BOOT`. Who renames it owns what comes next:
# confirming renames it to `confirmed`, going back to `going-back`, so never both.

noun_switch() { # TOKEN APP RELEASE SECONDS   SECONDS: to confirm within
	hold "$1"
	word app "$2"
	digest "$3"
	number seconds "$4"
	trap '' HUP # the link may end here: what was begun is finished, or the guard undoes it
	app=$ROOT/apps/$2
	[ -d "$app/releases/$3" ] || fail missing "there is no release $3 of $2"
	! enrolled || allowed "$2" "$3"
	alone "$2"
	before=$(release_at "$app/current")
	say "$1 $3 ${before:--} $(($(seconds) + $4)) $(boot)" >"$app/unconfirmed.new.$$" || fail_writing "$app/unconfirmed"
	# Both ways are made now: once the old program has ended, no full disk may stand in between.
	rm -f "$app/current.new" "$app/current.back"
	ln -s "releases/$3" "$app/current.new" || fail_writing "$app/current"
	[ -z "$before" ] || ln -s "releases/$before" "$app/current.back" || fail_writing "$app/current"
	flush # whole on the disk before it has its name: a power cut may keep a new name and lose what it names
	mv -f "$app/unconfirmed.new.$$" "$app/unconfirmed" || fail_writing "$app/unconfirmed"
	flush
	detach sh "$SELF" "$ROOT" guard "$2" "$1"
	stop "$2"
	mv -T "$app/current.new" "$app/current" || fail_writing "$app/current"
	flush
	start "$2"
	if [ "$before" = "$3" ]; then
		journal switch "$2" "$3" "to itself: it did not run as it should"
	else
		journal switch "$2" "$3" "from ${before:--}"
	fi
	say "before ${before:--}"
}

noun_guard() { # APP TOKEN   (detached by `switch`)
	word app "$1"
	trap '' HUP
	file=$ROOT/apps/$1/unconfirmed
	while read -r token _ _ until _ 2>/dev/null <"$file" && [ "$token" = "$2" ]; do
		if [ "$(seconds)" -ge "$until" ]; then
			alone "$1"
			# While we waited somebody may have confirmed, and even switched once more.
			read -r token _ 2>/dev/null <"$file" || token=
			[ "$token" != "$2" ] || go_back "$1" "unconfirmed"
			return 0
		fi
		sleep 1
	done
}

go_back() { # APP REASON   (alone)
	app=$ROOT/apps/$1
	mv "$app/unconfirmed" "$app/going-back" 2>/dev/null || return 0
	finish_going_back "$1" "$2"
}

finish_going_back() { # APP REASON
	app=$ROOT/apps/$1
	read -r _ failed before _ <"$app/going-back" || before=
	stop "$1"
	way_back "$1"
	if [ -z "$before" ]; then # a power cut emptied it before anything was switched: `current` is as it was
		failed=nothing
		before=$(release_at "$app/current")
		[ -z "$before" ] || start "$1"
	elif [ "$before" != - ] && [ -d "$app/releases/$before" ]; then
		if [ "$(release_at "$app/current.back")" = "$before" ]; then
			mv -T "$app/current.back" "$app/current" || fail_writing "$app/current"
		else
			point "$app/current" "$before"
		fi
		start "$1"
	else
		rm -f "$app/current"
	fi
	rm -f "$app/going-back"
	flush
	journal back "$1" "$before" "from $failed: $2"
}

noun_confirm() { # TOKEN APP RELEASE   says which release is there to go back to
	hold "$1"
	word app "$2"
	digest "$3"
	app=$ROOT/apps/$2
	alone "$2"
	read -r token release _ 2>/dev/null <"$app/unconfirmed" || token=
	[ "$token" = "$1" ] && [ "$release" = "$3" ] && mv "$app/unconfirmed" "$app/confirmed" 2>/dev/null ||
		fail too-late "the box went back by itself before the release was confirmed"
	finish_confirming "$2"
	say "previous $(release_at "$app/previous")"
}

finish_confirming() { # APP
	app=$ROOT/apps/$1
	read -r _ release before _ <"$app/confirmed" || before=-
	if [ "$before" != - ] && [ "$before" != "$release" ]; then
		point "$app/previous" "$before"
	fi
	count_serial "$1" "$release"
	way_confirmed "$1"
	rm -f "$app/confirmed" "$app/current.back"
	flush
	journal confirm "$1" "$release" ok
}

noun_back() { # TOKEN APP REASON   undo a switch that is not confirmed, now
	hold "$1"
	word app "$2"
	trap '' HUP
	alone "$2"
	go_back "$2" "$3"
	say "current $(release_at "$ROOT/apps/$2/current")"
}

# What a power cut or a kill left half-way, in the order in which it is undone or finished.
repair() { # APP
	alone "$1"
	app=$ROOT/apps/$1
	for aside in "$app"/releases/*.old; do
		[ -d "$aside" ] || continue
		if [ -d "${aside%.old}" ]; then rm -rf "$aside"; else mv -T "$aside" "${aside%.old}"; fi
	done
	rm -f "$app"/current.new "$app"/previous.new "$app"/*.new.* "$app"/run/*.new.* "$app"/releases/*.list.tmp "$app"/releases/*.new.*
	if [ -f "$app/confirmed" ]; then finish_confirming "$1"; fi
	if [ -f "$app/unconfirmed" ]; then
		say "undone $1"
		go_back "$1" "its deployer never came back"
	elif [ -f "$app/going-back" ]; then
		finish_going_back "$1" "finished after an interruption"
	else
		way_back "$1"
	fi
	[ ! -f "$app/paused" ] || resume "$1"
	rm -f "$app/current.back"
	together
}

noun_journal() { # TOKEN OP APP RELEASE RESULT...
	hold "$1"
	shift
	journal "$@"
}
