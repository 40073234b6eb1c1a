# A box whose memory or accelerator cannot hold two programs: the one that runs is paused while the new one proves itself.
# apps/APP/paused is there for that long. Who paused it starts it again; where that process dies, its guard does, and after
# a restart of the box whatever starts programs there, or the next deploy.

pause() { # TOKEN APP   (alone until the end of this process)
	trap '' HUP
	alone "$2"
	say "$1" | put "$ROOT/apps/$2/paused" || exit 20
	flush
	detach sh "$SELF" "$ROOT" resume "$2" "$1"
	journal pause "$2" "$(release_at "$ROOT/apps/$2/current")" "for the golden vectors"
	stop "$2"
}

resume() { # APP   (alone)
	if [ -L "$ROOT/apps/$1/current" ] && [ -z "$(supervisor "$1")" ]; then start "$1"; fi
	rm -f "$ROOT/apps/$1/paused"
	flush
	journal resume "$1" "$(release_at "$ROOT/apps/$1/current")" ok
}

noun_resume() { # APP TOKEN   (detached by `pause`)   waits for the end of who paused it
	word app "$1"
	trap '' HUP
	alone "$1"
	if [ "$(cat "$ROOT/apps/$1/paused" 2>/dev/null)" = "$2" ]; then resume "$1"; fi
}
