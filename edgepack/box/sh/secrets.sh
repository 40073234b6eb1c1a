# What belongs to this box and not to a release: passwords, licences. One folder below the app's data, of mode 0700 with
# files of 0600, exchanged as a whole by renaming the link data/secrets.

noun_secrets() { # TOKEN APP COUNT   (a tar on stdin)   or TOKEN APP licence DIGEST; says whether they are others than before
	hold "$1"
	word app "$2"
	if [ "$3" = licence ]; then
		take_licence "$2" "$4"
		return 0
	fi
	number count "$3"
	data=$ROOT/apps/$2/data
	mkdir -p "$data" 2>/dev/null || fail_writing "$data"
	[ -L "$data/secrets" ] || [ ! -e "$data/secrets" ] ||
		fail usage "$data/secrets is there already, and edgepack did not make it: move it away"
	had=$(readlink "$data/secrets" 2>/dev/null)
	fresh=.secrets-$1-$$
	rm -rf "${data:?}/$fresh"
	(umask 077 && mkdir "$data/$fresh" && cd "$data/$fresh" && tar -xf -) 2>/dev/null || {
		rm -rf "${data:?}/$fresh"
		fail_writing "$data/$fresh"
	}
	came=0
	for value in "$data/$fresh"/*; do [ ! -f "$value" ] || came=$((came + 1)); done
	if [ "$came" -ne "$3" ]; then
		rm -rf "${data:?}/$fresh"
		fail cut-off "the secrets did not come whole"
	fi
	[ "$came" -eq 0 ] || chmod 600 "$data/$fresh"/* || fail_writing "$data/$fresh"
	if [ -n "$had" ] && [ "$(secret_sums "$data/$had")" = "$(secret_sums "$data/$fresh")" ]; then
		rm -rf "${data:?}/$fresh"
		say "secrets same"
		return 0
	fi
	flush
	rm -f "$data/secrets.new"
	ln -s "$fresh" "$data/secrets.new" && mv -T "$data/secrets.new" "$data/secrets" || fail_writing "$data/secrets"
	flush
	for older in "$data"/.secrets-*; do
		[ "$older" = "$data/$fresh" ] || rm -rf "$older"
	done
	journal secrets "$2" - "$came"
	say "secrets changed"
}

secret_sums() { (cd "$1" 2>/dev/null && for value in *; do say "$value"; done | hashes); }

# A file of its own, data/licence: to renew it, nothing else is sent, and the program that runs reads it anew.
take_licence() { # APP DIGEST   (the file on stdin)
	digest "$2"
	data=$ROOT/apps/$1/data
	mkdir -p "$data" 2>/dev/null || fail_writing "$data"
	rm -f "$data"/.licence.*
	(umask 077 && head -c 8192 >"$data/.licence.$$") 2>/dev/null || {
		rm -f "$data/.licence.$$"
		fail_writing "$data/licence"
	}
	if [ "$(sum <"$data/.licence.$$")" != "$2" ]; then
		rm -f "$data/.licence.$$"
		fail cut-off "the licence did not come whole"
	fi
	if [ -f "$data/licence" ] && [ "$(sum <"$data/licence")" = "$2" ]; then
		rm -f "$data/.licence.$$"
		say "licence same"
		return 0
	fi
	flush
	mv -f "$data/.licence.$$" "$data/licence" || fail_writing "$data/licence"
	flush
	journal licence "$1" - changed
	say "licence changed"
}

show_licence() { # APP
	[ ! -f "$ROOT/apps/$1/data/licence" ] || head -c 8192 "$ROOT/apps/$1/data/licence" | tr -c '\n -~' '?' | sed 's/^/licence /'
}
