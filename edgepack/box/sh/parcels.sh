# Bytes come in here where the box has edgepack's helper: parcels, which make files out of what the box has.
# The helper is bin/helper-SHA256, a static program; what it says on stderr is in our own words already.

helper() { # NAME ARGUMENT...   (the emulator only in a sandbox)
	exe=$ROOT/bin/$1
	shift
	if [ -n "${EDGEPACK_EMULATOR:-}" ]; then "$EDGEPACK_EMULATOR" "$exe" "$@"; else "$exe" "$@"; fi
}

# Kept where it came whole, is what was announced, and runs here: a mount without `exec` is told now.
noun_helper() { # TOKEN SHA256   (the program on stdin)
	hold "$1"
	digest "$2"
	if enrolled && ! grep -qxF "helper $2" "$ROOT/trust/keys" "$ROOT/incoming/$1.signed" 2>/dev/null; then
		fail unsigned-helper "no key of this box vouches for this helper"
	fi
	mkdir -p "$ROOT/bin" 2>/dev/null || fail_writing "$ROOT/bin"
	aside=$ROOT/bin/.helper-$2.$$
	cat >"$aside" || fail_writing "$aside"
	sum=$(cd "$ROOT/bin" && say "${aside##*/}" | hashes) # xargs takes a space for an end
	if [ "${sum%% *}" != "$2" ]; then
		rm -f "$aside"
		fail cut-off "the helper did not come whole"
	fi
	chmod 755 "$aside"
	if ! helper ".helper-$2.$$" sha256 </dev/null >/dev/null 2>&1; then
		rm -f "$aside"
		say "helper-does-not-run"
		return 0
	fi
	mv -f "$aside" "$ROOT/bin/helper-$2" || fail_writing "$ROOT/bin/helper-$2"
	for older in "$ROOT"/bin/helper-*; do
		[ "$older" = "$ROOT/bin/helper-$2" ] || rm -f "$older"
	done
	say "helper helper-$2"
}

noun_parcels() { # TOKEN SHA256   (parcels on stdin)   says `received HEX` and `bad HEX`
	hold "$1"
	digest "$2"
	mkdir -p "$ROOT/incoming" "$ROOT/store" 2>/dev/null || fail_writing "$ROOT/incoming"
	renewing "$1" "$ROOT/incoming" &
	renewer=$!
	trap '' PIPE # what came whole is kept also when nobody listens any more
	helper "helper-$2" receive "$ROOT"
	status=$?
	kill "$renewer" 2>/dev/null
	case $status in
	0) patiently flush ;;
	20) exit 20 ;;
	*) fail helper "the helper ended with $status" ;;
	esac
}

# What files of the store are made of, for a deployer that has another copy of none of them: `file SHA256`, then `chunk BYTES
# NAME` for each of its chunks. Changes nothing.
noun_chunks() { # HELPER-SHA256 SHA256...
	digest "$1"
	with=helper-$1
	shift
	for sha in "$@"; do
		digest "$sha"
		[ -f "$ROOT/store/$sha" ] || continue
		say "file $sha"
		helper "$with" chunks "$ROOT/store/$sha" </dev/null || exit 20
	done
}

# Files that came in part go on where they stopped; those of a week ago nobody waits for.
noun_parts() {
	for part in "$ROOT"/incoming/*.part; do
		[ -f "$part" ] || continue
		name=${part##*/}
		say "part ${name%.part} $(wc -c <"$part")"
	done
}

# What the current release of an app is made of: `base SHA256 PATH`, for files to be made from.
bases() { # APP
	list=$ROOT/apps/$1/releases/$(release_at "$ROOT/apps/$1/current").list
	[ ! -f "$list" ] || sed 's/^\([0-9a-f]*\) [0-7]* /base \1 /' "$list"
}
