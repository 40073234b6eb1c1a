# What belongs to this box and not to a release: passwords, licences, keys of encrypted models. One folder below the app's
# data, of mode 0700 with files of 0600, exchanged as a whole by renaming the link data/secrets.

# Says whether they are others than before.
noun_secrets() { # TOKEN APP COUNT   (a tar on stdin)   or TOKEN APP licence DIGEST, TOKEN APP key ID DIGEST
	hold "$1"
	word app "$2"
	case $3 in
	licence)
		take_file "$2" licence "$4"
		return 0
		;;
	key)
		word key "$4"
		take_file "$2" "keys/$4" "$5"
		return 0
		;;
	esac
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

# Files of their own: data/licence, since to renew it nothing else is sent and the program that runs reads it anew;
# data/keys/ID, since the golden vectors need it before the secrets are exchanged.
take_file() { # APP FILE DIGEST   (the file on stdin)
	digest "$3"
	data=$ROOT/apps/$1/data what=${2%%/*}
	file=$data/$2
	mkdir -p "$data" 2>/dev/null || fail_writing "$data"
	(umask 077 && mkdir -p "${file%/*}") 2>/dev/null || fail_writing "$file"
	rm -f "$data/.$what".*
	(umask 077 && head -c 8192 >"$data/.$what.$$") 2>/dev/null || {
		rm -f "$data/.$what.$$"
		fail_writing "$file"
	}
	if [ "$(sum <"$data/.$what.$$")" != "$3" ]; then
		rm -f "$data/.$what.$$"
		fail cut-off "the file $2 did not come whole"
	fi
	if [ -f "$file" ] && [ "$(sum <"$file")" = "$3" ]; then
		rm -f "$data/.$what.$$"
		say "$what same"
		return 0
	fi
	flush
	mv -f "$data/.$what.$$" "$file" || fail_writing "$file"
	flush
	journal "$what" "$1" - changed
	say "$what changed"
}

show_licence() { # APP
	[ ! -f "$ROOT/apps/$1/data/licence" ] || head -c 8192 "$ROOT/apps/$1/data/licence" | tr -c '\n -~' '?' | sed 's/^/licence /'
}

# A key is wrapped for this box: it may be shown to whoever has the box's account.
show_keys() { # APP   a line for each file
	for key in "$ROOT/apps/$1/data/keys"/*; do
		[ ! -f "$key" ] || say "opens $(head -c 512 "$key" | tr -c '\n -~' '?' | head -n 1)"
	done
}
