# Who may say what runs here. A box is enrolled with public keys; from then on nothing is staged or switched to that
# none of them signed, and no helper comes that they did not name. An account that can run this script can undo all of
# it by hand: what is kept out is a bundle that somebody exchanged on its way here, not that account.
#
#   trust             a link to trust-SERIAL, switched by rename
#   trust/keys        signature, then the text: `edgepack-keys 1`, `serial N`, `helper HEX`, `key HEX NAME`...
#   trust/known       the keys alone, as the helper reads them
#   trust/helper      the program that checks
#   trust/before      `APP RELEASE SHA256-OF-ITS-LIST` of what was here before the enrolment
#   serials/APP       the newest serial of a release that was confirmed
#   releases/R.signed signature, then the text: `edgepack-release 1`, `app`, `release`, `files`, `serial`...

enrolled() { [ -L "$ROOT/trust" ]; }

signature() { # VALUE
	case $1 in
	*[!0-9a-f]*) fail usage "not a signature: $1" ;;
	esac
	[ ${#1} -eq 128 ] || fail usage "not a signature: $1"
}

told() { # FILE WORD   what a text says: the rest of the first line that begins with it
	sed -n "s/^$2 //p" "$1" | head -n 1
}

list_digest() { # FILE
	(cd "${1%/*}" && say "${1##*/}" | hashes | cut -d ' ' -f 1)
}

vouched() { # TEXT SIGNATURE   says `signed-by KEY`, or fails
	signature "$2"
	helper ../trust/helper verify "$ROOT/trust/known" "$2" <"$1"
	checked=$?
	case $checked in
	0) ;;
	20) exit 20 ;;
	*) fail not-checked "the program that checks signatures on this box ended with $checked" ;;
	esac
}

# What this deploy brings, before it brings it. Kept for as long as the lock is held.
noun_authorise() { # TOKEN SIGNATURE   (the text on stdin)   says `signed-by KEY`
	hold "$1"
	enrolled || fail usage "this box is not enrolled"
	mkdir -p "$ROOT/incoming" 2>/dev/null || fail_writing "$ROOT/incoming"
	text=$ROOT/incoming/$1.text
	head -c 65536 | put "$text" || exit 20
	vouched "$text" "$2"
	{
		say "$2"
		cat "$text"
	} | put "$ROOT/incoming/$1.signed" || exit 20
	rm -f "$text"
}

# The signature that came with this deploy is of these files, and no older than what ran here.
admit() { # TOKEN APP RELEASE LIST
	[ -f "$ROOT/incoming/$1.signed" ] || fail unsigned "no signature came with this release, and this box is enrolled"
	fits "$ROOT/incoming/$1.signed" "$2" "$3" "$4"
	serial=$(told "$ROOT/incoming/$1.signed" serial)
	number serial "$serial"
	newest=$(newest_serial "$2")
	[ "$serial" -ge "$newest" ] ||
		fail downgrade "it was signed as number $serial, and number $newest of $2 has run on this box"
	cp "$ROOT/incoming/$1.signed" "$ROOT/apps/$2/releases/$3.signed" || fail_writing "$ROOT/apps/$2/releases"
}

fits() { # SIGNED APP RELEASE LIST   fails unless a key of this box signed it, for these files
	mkdir -p "$ROOT/incoming" 2>/dev/null || fail_writing "$ROOT/incoming"
	text=$ROOT/incoming/fits.$$
	sed 1d "$1" | put "$text" || exit 20
	vouched "$text" "$(head -n 1 "$1")" >/dev/null
	for line in "edgepack-release 1" "app $2" "release $3" "files $(list_digest "$4")"; do
		grep -qxF "$line" "$text" || fail bad-signature "what is signed is another release: it does not say $line"
	done
	rm -f "$text"
}

allowed() { # APP RELEASE   whether an enrolled box switches to it
	release=$ROOT/apps/$1/releases/$2
	if [ -f "$release.signed" ]; then
		fits "$release.signed" "$1" "$2" "$release.list"
	elif ! grep -qxF "$1 $2 $(list_digest "$release.list")" "$ROOT/trust/before" 2>/dev/null; then
		fail unsigned "nobody signed release $2, and this box is enrolled"
	fi
}

newest_serial() { # APP
	newest=
	[ ! -f "$ROOT/serials/$1" ] || read -r newest <"$ROOT/serials/$1"
	say "${newest:-0}"
}

# Counted when it is confirmed, so that one that had to go back does not keep its predecessor out.
count_serial() { # APP RELEASE
	signed=$ROOT/apps/$1/releases/$2.signed
	[ -f "$signed" ] || return 0
	serial=$(told "$signed" serial)
	[ "${serial:-0}" -gt "$(newest_serial "$1")" ] || return 0
	# On the disk before it has its name: a power cut must not leave an empty one, which would be no number at all.
	mkdir -p "$ROOT/serials" && say "$serial" >"$ROOT/serials/.$1.new" && flush &&
		mv -f "$ROOT/serials/.$1.new" "$ROOT/serials/$1" || fail_writing "$ROOT/serials/$1"
}

# Keys for this box: the first ones as whoever has the account says, others as one of these keys does. No key at all
# ends the enrolment.
noun_enrol() { # TOKEN SIGNATURE|-   (the text on stdin)
	hold "$1"
	mkdir -p "$ROOT/incoming" 2>/dev/null || fail_writing "$ROOT/incoming"
	text=$ROOT/incoming/$1.text
	head -c 65536 | put "$text" || exit 20
	[ "$(head -n 1 "$text")" = "edgepack-keys 1" ] || fail usage "this is no list of keys"
	serial=$(told "$text" serial)
	number serial "$serial"
	by=nobody
	if enrolled; then
		by=$(vouched "$text" "$2") || exit 20
		is=$(told "$ROOT/trust/keys" serial)
		[ "$serial" -gt "$is" ] || fail downgrade "this list of keys has number $serial, and the box has number $is"
		if ! grep -q '^key ' "$text"; then
			journal enrol - - "ended, number $serial, $by"
			rm -f "$ROOT/trust"
			flush
			rm -rf "$ROOT"/trust-*
			say enrolled no
			return 0
		fi
	fi
	grep -q '^key ' "$text" || fail usage "there is no key in the list"
	prepare_trust "$text" "$2" "$serial"
	ln -s "trust-$serial" "$ROOT/trust.new" && mv -T "$ROOT/trust.new" "$ROOT/trust" || fail_writing "$ROOT/trust"
	flush
	for older in "$ROOT"/trust-*; do
		[ "$older" = "$ROOT/trust-$serial" ] || rm -rf "$older"
	done
	journal enrol - - "number $serial, $(grep -c '^key ' "$text") keys, $by"
	rm -f "$text"
	say "enrolled $serial"
}

prepare_trust() { # TEXT SIGNATURE SERIAL   all that trust/ holds, on the disk before anything points at it
	fresh=$ROOT/trust-$3
	sha=$(told "$1" helper)
	digest "$sha"
	rm -rf "$fresh" "$ROOT/trust.new"
	mkdir -p "$fresh" 2>/dev/null || fail_writing "$fresh"
	from=$ROOT/bin/helper-$sha
	[ -f "$from" ] || from=$ROOT/trust/helper
	cp "$from" "$fresh/helper" 2>/dev/null && chmod 755 "$fresh/helper" || fail_writing "$fresh/helper"
	[ "$(list_digest "$fresh/helper")" = "$sha" ] || fail bad-digest "the program that checks is not what was sent"
	sed -n 's/^key //p' "$1" | put "$fresh/known" || exit 20
	{
		say "$2"
		cat "$1"
	} | put "$fresh/keys" || exit 20
	if enrolled; then
		cp "$ROOT/trust/before" "$fresh/before" || fail_writing "$fresh/before"
	else
		before_trust | put "$fresh/before" || exit 20
	fi
	flush
}

before_trust() {
	for list in "$ROOT"/apps/*/releases/*.list; do
		[ -f "$list" ] || continue
		app=${list%/releases/*}
		name=${list##*/}
		say "${app##*/} ${name%.list} $(list_digest "$list")"
	done
}

show_trust() {
	enrolled || return 0
	say "enrolled $(told "$ROOT/trust/keys" serial) $(told "$ROOT/trust/keys" helper)"
	sed -n 's/^key /key /p' "$ROOT/trust/keys"
	for file in "$ROOT"/serials/*; do
		[ ! -f "$file" ] || say "serial ${file##*/} $(newest_serial "${file##*/}")"
	done
}
