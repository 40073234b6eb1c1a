# What tells this box from others, for licences: a fingerprint for each source that it has, the best first. The program
# reads the same places in the same way (templates/program/src/device.hpp), and a test holds the two to each other.
DEVICE_ROOT=${EDGEPACK_DEVICE_ROOT:-} # a test has a folder of its own

show_device() { # APP   its name goes in, so that nobody can tell a box of one project from the same of another
	app=$1
	fingerprint soc /proc/device-tree/serial-number
	fingerprint soc0 /sys/devices/soc0/serial_number
	fingerprint board /sys/class/dmi/id/product_uuid
	fingerprint machine-id /etc/machine-id
	for card in "$DEVICE_ROOT"/sys/class/net/*; do
		# Of a card that is built in, by its maker: neither a bridge's nor one that somebody chose.
		[ -e "$card/device" ] && [ "$(cat "$card/addr_assign_type" 2>/dev/null)" = 0 ] || continue
		fingerprint mac "${card#"$DEVICE_ROOT"}/address"
	done
}

fingerprint() { # SOURCE FILE
	id=$(plain_id "$DEVICE_ROOT$2")
	[ -z "$id" ] || say "device $1 $(printf 'edgepack-device 1\napp %s\n%s %s\n' "$app" "$1" "$id" | sum)"
}

plain_id() { # FILE   its first line in lower case; nothing where it does not tell one box from another
	[ -r "$1" ] || return 0
	id=$(head -c 256 "$1" 2>/dev/null | tr -d '\000' | head -n 1 | tr '[:upper:]' '[:lower:]' | tr -d ' \t\r')
	case $id in
	*[!0-9a-z._:-]* | uninitialized | 03000200-0400-0500-0006-000700080009) ;;
	*[!0f.:-]*) [ ${#id} -lt 6 ] || say "$id" ;; # all zeros, or all ones, is what nobody filled in
	esac
}

sum() { # sha256 of stdin
	if have openssl; then
		openssl dgst -sha256 -r
	elif have sha256sum; then
		sha256sum
	else
		busybox sha256sum
	fi 2>/dev/null | cut -c 1-64
}
