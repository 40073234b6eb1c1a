# The program while it runs. A supervisor, one shell, starts it, starts it again when it ends, keeps
# its log small, and ends it when told to. Its notes are in apps/APP/run.
LOG_LIMIT=1048576 # bytes; one older log of the same size is kept

noun_supervise() { # APP   (never called by the deployer: `start` detaches it)
	word app "$1"
	app=$1
	home=$ROOT/apps/$1
	mkdir -p "$home/run" "$home/data"
	say "$$ $(boot)" | put "$home/run/supervisor" || exit 20 # on a full disk: what nobody finds, nobody could stop
	child=
	stopping=
	trap 'stopping=yes; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT
	trap '' HUP
	trim_log "$home/data/log" &
	trimmer=$!
	restarts=0
	pause=1
	while [ -z "$stopping" ]; do
		run_once
		[ -z "$stopping" ] || break
		restarts=$((restarts + 1))
		note "$app ended with $status; again in $pause s"
		sleep "$pause" &
		wait $!
		pause=$((pause * 2))
		[ "$pause" -le 60 ] || pause=60
	done
	kill -TERM "$trimmer" 2>/dev/null
	rm -f "$home/run/program" "$home/run/supervisor"
}

note() { # SENTENCE   into the program's log
	say "$(date -u +%Y-%m-%dT%H:%M:%SZ) edgepack: $1" >>"$home/data/log"
}

run_once() { # the program from its start to its end; sets `status`
	release=$(release_at "$home/current")
	began=$(seconds)
	note "release $release starts"
	if by_compose "$app" "$release"; then
		contained "$app" "$release" &
	else
		(program "$home/releases/$release" "$app" run --data "$home/data") &
	fi </dev/null >>"$home/data/log" 2>&1
	child=$!
	say "$child $release $(date +%s) $restarts ${status:--}" | put "$home/run/program"
	wait "$child"
	status=$?
	# A signal to us ends `wait` early: the program is still draining.
	while kill -0 "$child" 2>/dev/null; do
		wait "$child"
		status=$?
	done
	child=
	[ $(($(seconds) - began)) -lt 60 ] || pause=1
}

# The program holds its log open for appending, so the log is copied and emptied, not renamed.
trim_log() { # FILE
	exec </dev/null >/dev/null 2>&1
	while doze 10; do
		kill -0 "$$" || exit 0 # in a subshell $$ is still the supervisor
		size=$(wc -c <"$1") || continue
		if [ "$size" -gt "$LOG_LIMIT" ]; then
			cp "$1" "$1.1"
			: >"$1"
		fi
	done
}

# A process's number is used again after it ended: the start of the box and the command line tell.
supervisor() { # APP   its pid while it lives, else nothing
	read -r pid booted 2>/dev/null <"$ROOT/apps/$1/run/supervisor" || return 0
	[ "$booted" = "$(boot)" ] && kill -0 "$pid" 2>/dev/null || return 0
	if [ -r "/proc/$pid/cmdline" ]; then
		case "$(tr '\0' ' ' <"/proc/$pid/cmdline")" in
		*" supervise $1 " | *" attend $1 ") ;;
		*) return 0 ;;
		esac
	fi
	say "$pid"
}

start() { # APP
	if by_systemd "$1"; then
		rm -f "$ROOT/apps/$1/run/program" "$ROOT/apps/$1/run/ended" # it has not been started again
		systemctl start "$(unit_of "$1")" >/dev/null 2>&1 || fail start "systemd did not start $(unit_of "$1")"
		return 0
	fi
	detach sh "$SELF" "$ROOT" supervise "$1"
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		[ -z "$(supervisor "$1")" ] || return 0
		nap
	done
	fail start "the supervisor of $1 did not start"
}

stop() { # APP   returns when nothing of it runs; after 10 s it is not asked any more
	watcher=$(supervisor "$1")
	# Also where it is to run as a plain process from now on: systemd would start it again.
	if [ -f "$UNITS/$(unit_of "$1")" ]; then
		systemctl stop "$(unit_of "$1")" >/dev/null 2>&1
		rm -f "$ROOT/apps/$1/run/ended"
		by_systemd "$1" || { rm -f "$UNITS/$(unit_of "$1")" && systemctl daemon-reload >/dev/null 2>&1; }
	fi
	if [ -z "$watcher" ]; then
		[ ! -f "$ROOT/apps/$1/run/contained" ] || uncontained "$1"
		return 0
	fi
	read -r runs _ 2>/dev/null <"$ROOT/apps/$1/run/program" || runs=
	kill -TERM "$watcher" 2>/dev/null
	last=$(($(seconds) + 10))
	while kill -0 "$watcher" 2>/dev/null; do
		if [ "$(seconds)" -gt "$last" ]; then
			kill -KILL "$watcher" ${runs:+"$runs"} 2>/dev/null
			break
		fi
		nap
	done
	[ ! -f "$ROOT/apps/$1/run/contained" ] || uncontained "$1" # its client was ended, not the container
	rm -f "$ROOT/apps/$1/run/supervisor" "$ROOT/apps/$1/run/program" "$ROOT/apps/$1/data/status.json"
}

noun_start() { # TOKEN APP
	hold "$1"
	word app "$2"
	[ -d "$ROOT/apps/$2/current" ] || fail missing "there is no release of $2"
	alone "$2"
	[ -n "$(supervisor "$2")" ] || start "$2"
}

noun_stop() { # TOKEN APP
	hold "$1"
	word app "$2"
	[ ! -d "$ROOT/apps/$2" ] || alone "$2"
	stop "$2"
}
