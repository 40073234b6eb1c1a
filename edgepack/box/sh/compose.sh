# A program in a container, where the node says `runs: compose`. The release stays where it is, checked and signed, and is
# mounted read-only over an image that brings nothing or a libc; so a switch is a rename here as ever, nothing lies on
# the disk twice, and no image can be another than what was proven. Our supervisor looks after the container as after
# a process (`restart: "no"`): an engine that starts containers by itself would do so after a power cut, before `repair`.
NO_BASE=localhost/edgepack/none:1 # made here: an image without a file

compose_file() { say "$ROOT/apps/$1/releases/$2.compose.yaml"; } # APP RELEASE

by_compose() { [ "$(runs_by "$1")" = compose ] && [ -f "$(compose_file "$1" "$2")" ]; } # APP RELEASE

compose_name() { say "$(boot_name)-$1" | tr 'A-Z.+' 'a-z__'; } # APP   the names that Compose takes

# What is there to run it, before anything is sent: `engine VERSION`, `compose VERSION`, `base yes|no`.
noun_engine() { # IMAGE   "none": the one without a file
	image_name "$1"
	if said=$(docker version -f '{{.Server.Version}}' 2>&1); then
		say "engine $said"
	else
		say "engine - $(say "$said" | tail -n 1 | cut -c 1-300)"
		return 0
	fi
	say "compose $(compose version --short 2>/dev/null || say -)"
	if [ "$1" = none ] || docker image inspect "$1" >/dev/null 2>&1; then say "base yes"; else say "base no"; fi
}

image_name() { # VALUE
	case $1 in
	'' | [!A-Za-z0-9]* | *[!A-Za-z0-9._/:@-]*) fail usage "not the name of an image: $1" ;;
	esac
}

compose() { # WORD...   the plugin of docker, or the program that came before it
	if docker compose version >/dev/null 2>&1; then
		docker compose "$@"
	else
		docker-compose "$@"
	fi
}

# The user is the account that owns the data folder. An engine without root has that account as its containers' root.
composed() { # APP RELEASE WORD...
	EDGEPACK_RELEASE=$ROOT/apps/$1/releases/$2
	EDGEPACK_DATA=$ROOT/apps/$1/data
	EDGEPACK_USER=$(id -u):$(id -g)
	case $(docker info -f '{{.SecurityOptions}}' 2>/dev/null) in
	*name=rootless*) EDGEPACK_USER=0:0 ;;
	esac
	COMPOSE_INTERACTIVE_NO_CLI=1
	export EDGEPACK_RELEASE EDGEPACK_DATA EDGEPACK_USER COMPOSE_INTERACTIVE_NO_CLI
	file=$(compose_file "$1" "$2")
	name=$(compose_name "$1")
	shift 2
	compose -f "$file" -p "$name" "$@"
}

runs_by_compose() { # APP RELEASE   (the file on stdin)
	docker version >/dev/null 2>&1 || fail no-engine "\`runs: compose\`: docker does not answer $(id -un)"
	compose version >/dev/null 2>&1 || fail no-engine "\`runs: compose\`: there is neither docker compose nor docker-compose"
	file=$(compose_file "$1" "$2")
	mkdir -p "${file%/*}" 2>/dev/null || fail_writing "$file"
	put "$file" || exit 20
	if grep -q "image: \"*$NO_BASE" "$file" && ! docker image inspect "$NO_BASE" >/dev/null 2>&1; then
		mkdir -p "$ROOT/incoming/none.$$" || fail_writing "$ROOT/incoming"
		(cd "$ROOT/incoming/none.$$" && tar -cf - .) | docker import - "$NO_BASE" >/dev/null ||
			fail engine "docker did not take an image without a file"
		rmdir "$ROOT/incoming/none.$$"
	fi
	said=$(composed "$1" "$2" config -q 2>&1) ||
		fail engine "Compose does not take the file for $1: $(say "$said" | tail -n 1 | cut -c 1-300)"
}

# What the supervisor watches in the place of the program: lives as long as the container, and ends it when told to.
contained() { # APP RELEASE
	asked=
	waits=
	trap 'asked=yes; [ -z "$waits" ] || kill "$waits" 2>/dev/null' TERM INT
	say "$2" | put "$ROOT/apps/$1/run/contained"
	rm -f "$ROOT/apps/$1/data/status.json" # its process is always number 1 there, so an old one could pass for its own
	if ! composed "$1" "$2" up -d --force-recreate --remove-orphans; then
		uncontained "$1"
		exit 125 # docker-run(1): the engine's own failure
	fi
	id=$(composed "$1" "$2" ps -q "$1" | head -n 1)
	docker logs -f "$id" &
	ended=
	while [ -z "$asked" ] && [ -z "$ended" ]; do
		docker wait "$id" >"$ROOT/apps/$1/run/waited" 2>/dev/null &
		waits=$!
		if wait "$waits"; then
			ended=$(cat "$ROOT/apps/$1/run/waited")
		elif [ -z "$asked" ]; then # the engine was started again: with what ran, or without
			nap
			state=$(docker inspect -f '{{.State.Running}} {{.State.ExitCode}}' "$id" 2>/dev/null) || continue
			[ "${state%% *}" = true ] || ended=${state##* }
		fi
	done
	[ -n "$ended" ] || docker stop -t 8 "$id" >/dev/null
	[ -n "$ended" ] || ended=$(docker inspect -f '{{.State.ExitCode}}' "$id" 2>/dev/null)
	uncontained "$1"
	case $ended in
	'' | *[!0-9]*) exit 125 ;;
	esac
	exit "$ended"
}

# By the label and not by the file: also what a release that is gone has left. Volumes stay.
uncontained() { # APP
	name=$(compose_name "$1")
	for id in $(docker ps -aq --filter "label=com.docker.compose.project=$name"); do
		docker rm -f "$id" >/dev/null 2>&1
	done
	for id in $(docker network ls -q --filter "label=com.docker.compose.project=$name"); do
		docker network rm "$id" >/dev/null 2>&1
	done
	rm -f "$ROOT/apps/$1/run/contained" "$ROOT/apps/$1/run/waited"
}

# The program with other words, in a container of its own that has the same room and devices and none of the ports.
# Its words are read when it has ended: Compose 1.29 may lose those of one that ends as soon as it began.
inside() { # APP RELEASE WORD...
	app_inside=$1
	release_inside=$2
	shift 2
	out_of_inside "$app_inside"
	composed "$app_inside" "$release_inside" run -d --no-deps --name "$(compose_name "$app_inside")-aside" \
		"$app_inside" "$@" >/dev/null || exit 125
	ended=$(docker wait "$(compose_name "$app_inside")-aside")
	docker logs "$(compose_name "$app_inside")-aside"
	case $ended in
	'' | *[!0-9]*) exit 125 ;;
	esac
	exit "$ended"
}

out_of_inside() { # APP   the container; where its client was ended, it still runs
	docker rm -f "$(compose_name "$1")-aside" >/dev/null 2>&1
}
