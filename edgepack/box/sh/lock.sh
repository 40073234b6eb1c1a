# One deployer at a time. The lock is a lease: each step renews it, so that one whose holder died
# ends by itself. Time is counted since the start of the box, and a restart of the box ends it.
LEASE=120

# Takes the lock, then undoes or finishes what a broken deploy left half-way: `undone APP`.
noun_lock() { # TOKEN OWNER [DEAD-TOKEN]   DEAD-TOKEN: whose holder is known not to live any more
	word token "$1"
	mkdir -p "$ROOT" 2>/dev/null || fail_writing "$ROOT"
	tries=0
	until mkdir "$ROOT/lock" 2>/dev/null; do
		[ -d "$ROOT/lock" ] || fail_writing "$ROOT/lock"
		tries=$((tries + 1))
		[ "$tries" -le 3 ] || fail locked "$(show_lock)"
		take_over "${3:-}"
	done
	say "$2" >"$ROOT/lock/owner" || fail_writing "$ROOT/lock/owner"
	say "$1" >"$ROOT/lock/token" || fail_writing "$ROOT/lock/token"
	date -u +%Y-%m-%dT%H:%M:%SZ >"$ROOT/lock/since"
	renew
	flush # else a power cut leaves a lock that does not say of which boot it is, and keeps all out for a minute
	clean
}

take_over() { # DEAD-TOKEN   moves an ended lock away, or fails
	held=$(cat "$ROOT/lock/token" 2>/dev/null)
	left=$(lease_left)
	if [ "$left" -gt 0 ] && { [ -z "$1" ] || [ "$1" != "$held" ]; }; then
		fail locked "$(show_lock)"
	fi
	aside=$ROOT/lock.ended.$$
	mv "$ROOT/lock" "$aside" 2>/dev/null || return 0
	# Between reading and moving, another may have done the same and hold a new lock now.
	if [ "$(cat "$aside/token" 2>/dev/null)" != "$held" ]; then
		mv "$aside" "$ROOT/lock"
		fail locked "$(show_lock)"
	fi
	rm -rf "$aside"
}

renew() { say "$(boot) $(($(seconds) + LEASE))" | put "$ROOT/lock/until" || exit 20; }

# Renews for as long as this process works on something that has its own end.
keeping() { # TOKEN   (in the background)
	exec </dev/null >/dev/null 2>&1
	while doze 10 && kill -0 "$$"; do
		hold "$1"
	done
}

lease_left() { # seconds; a lock without its time was never finished: it counts from its making
	if read -r booted until 2>/dev/null <"$ROOT/lock/until"; then
		[ "$booted" = "$(boot)" ] || until=0
		left=$((until - $(seconds)))
		if [ "$left" -gt "$LEASE" ]; then say 0; else say "$left"; fi
	elif [ -n "$(find "$ROOT/lock" -prune -mmin -1 2>/dev/null)" ]; then
		say 60
	else
		say 0
	fi
}

show_lock() {
	[ -d "$ROOT/lock" ] || return 0
	say "lock $(noted token -) $(lease_left) $(noted since -) $(noted owner unknown)"
}

noted() { # FILE ELSE   a word of the lock's: it is not there yet, or empty after a power cut
	read -r noted 2>/dev/null <"$ROOT/lock/$1" || noted=
	say "${noted:-$2}"
}

hold() { # TOKEN   every step that changes the box begins here
	word token "$1"
	[ "$(cat "$ROOT/lock/token" 2>/dev/null)" = "$1" ] ||
		fail lost-lock "the lock is not ours any more: $(show_lock)"
	renew
}

# The lock keeps deployers apart; a guard has none, and may wake up in the middle of a step. So every
# change of what runs is one process's at a time: who made the link `changing`, while it lives.
alone() { # APP   waits; until `together` or the end of this process
	mine=$$-$(boot)
	while ! ln -s "$mine" "$ROOT/apps/$1/changing" 2>/dev/null; do
		[ -d "$ROOT/apps/$1" ] || fail missing "there is no $1 on this box"
		if ! other=$(readlink "$ROOT/apps/$1/changing"); then
			nap # it has just ended, or the disk has no room for a link: whoever waits for that must not spin
			continue
		fi
		[ "$other" != "$mine" ] || return 0
		if [ "${other#*-}" = "$(boot)" ] && kill -0 "${other%%-*}" 2>/dev/null; then
			nap
			continue
		fi
		aside=$ROOT/apps/$1/changing.$$
		mv "$ROOT/apps/$1/changing" "$aside" 2>/dev/null || continue
		[ "$(readlink "$aside")" = "$other" ] || mv "$aside" "$ROOT/apps/$1/changing"
		rm -f "$aside"
	done
	changing=$ROOT/apps/$1/changing
	trap 'rm -f "$changing"' EXIT
}

together() { # ends `alone`
	rm -f "$changing"
	trap - EXIT
}

noun_unlock() { # TOKEN
	hold "$1"
	rm -rf "$ROOT/incoming/$1" "$ROOT/incoming/$1".*
	mv "$ROOT/lock" "$ROOT/lock.ended.$$" && rm -rf "$ROOT/lock.ended.$$"
}
