# What starts the programs when the box does, by whatever starts things here. Nothing of it is touched where
# this account may not write: then the line to add is said, and `status` shows that the box would not come back.

# Called when the box starts: what a power cut left half-way is undone or finished, then each app runs.
noun_boot() {
	for app in "$ROOT"/apps/*; do
		[ -d "$app" ] || continue
		repair "${app##*/}"
		[ -n "$(supervisor "${app##*/}")" ] || [ ! -L "$app/current" ] || start "${app##*/}"
		journal boot "${app##*/}" "$(release_at "$app/current")" "started with the box"
	done
}

boot_name() { # one for each root: a box can have several
	sum=$(say "$ROOT" | cksum)
	say "edgepack-${sum%% *}"
}

# The ways that this account may use, best first. What reads such lines at a start has quotes of its own, so a
# folder with an odd name is left to a person.
boot_ways() {
	case $ROOT in
	*[!A-Za-z0-9._/-]*) return 0 ;;
	esac
	[ ! -d /run/systemd/system ] || [ ! -w /etc/systemd/system ] || say systemd
	! have rc-update || [ ! -w /etc/local.d ] || say openrc
	! have update-rc.d || [ -d /run/systemd/system ] || [ ! -w /etc/init.d ] || say sysvinit
	# Buildroot and others that have busybox's init: rcS starts each S* in order.
	! grep -q 'init\.d/S' /etc/init.d/rcS 2>/dev/null || [ ! -w /etc/init.d ] || say rcS
	# busybox's crond does not know @reboot.
	! have crontab || [ ! -x /usr/sbin/cron ] || cron_refuses || say cron
}

# Where /etc/cron.allow or cron.deny keeps this account out, crontab(1) says that it is not allowed to.
cron_refuses() { crontab -l 2>&1 >/dev/null | grep -qi 'not allowed'; }

boots() { # the way that is installed, or `no` and the one that could be
	name=$(boot_name)
	if [ -L "/etc/systemd/system/multi-user.target.wants/$name.service" ]; then
		say systemd
	elif [ -x "/etc/local.d/$name.start" ]; then
		say openrc
	elif [ -n "$(find /etc/rc2.d /etc/rc3.d -name "S??$name" 2>/dev/null)" ]; then
		say sysvinit
	elif [ -x "/etc/init.d/S99$name" ]; then
		say rcS
	elif crontab -l 2>/dev/null | grep -qF "@reboot sh $ROOT/bin/boot.sh"; then
		say cron
	else
		way=$(boot_ways | head -n 1)
		say "no ${way:-none}"
	fi
}

noun_enable() { # TOKEN   says `boots WAY`, or `boots no` and `line WORDS` for a person to add
	hold "$1"
	say "#!/bin/sh
exec sh '$SELF' '$ROOT' boot" | put "$ROOT/bin/boot.sh" || exit 20
	chmod 755 "$ROOT/bin/boot.sh"
	set -- "$(boots)"
	case $1 in
	"no none") ;;
	"no "*)
		way=${1#no }
		if "boot_by_$way" "$(boot_name)" >/dev/null 2>&1; then
			journal enable - - "$way"
		fi
		;;
	esac
	flush
	set -- "$(boots)"
	case $1 in
	"no "*)
		say "boots no"
		say "line sh $ROOT/bin/boot.sh"
		;;
	*) say "boots $1" ;;
	esac
}

boot_by_systemd() { # NAME
	unit=/etc/systemd/system/$1.service
	{
		say "[Unit]"
		say "Description=edgepack's programs in $ROOT"
		say "After=local-fs.target network.target"
		say
		say "[Service]"
		say "Type=oneshot"
		say "RemainAfterExit=yes"
		# What it starts has a supervisor of its own, which is told to end with the box like all else.
		say "KillMode=process"
		say "User=$(id -un 2>/dev/null || id -u)"
		say "ExecStart=/bin/sh $ROOT/bin/boot.sh"
		say
		say "[Install]"
		say "WantedBy=multi-user.target"
	} | put "$unit" && systemctl daemon-reload && systemctl enable "$1.service"
}

boot_by_openrc() { # NAME
	boot_script "" | put "/etc/local.d/$1.start" && chmod 755 "/etc/local.d/$1.start" && rc-update add local default
}

boot_by_sysvinit() { # NAME
	{
		say "#!/bin/sh"
		say "### BEGIN INIT INFO"
		say "# Provides: $1"
		say "# Required-Start: \$local_fs"
		say "# Required-Stop:"
		say "# Default-Start: 2 3 4 5"
		say "# Default-Stop:"
		say "# Short-Description: edgepack's programs in $ROOT"
		say "### END INIT INFO"
		boot_script 'start' | tail -n +2
	} | put "/etc/init.d/$1" && chmod 755 "/etc/init.d/$1" && update-rc.d "$1" defaults
}

boot_by_rcS() { # NAME
	boot_script 'start' | put "/etc/init.d/S99$1" && chmod 755 "/etc/init.d/S99$1"
}

boot_by_cron() { # NAME
	{
		crontab -l 2>/dev/null
		say "@reboot sh $ROOT/bin/boot.sh"
	} | crontab -
}

# As the account that the programs run as, where root starts things.
boot_script() { # WORD   with which it is called to start, or nothing
	say "#!/bin/sh"
	[ -z "$1" ] || say "[ \"\$1\" = $1 ] || exit 0"
	if [ "$(id -u)" -eq 0 ]; then
		say "exec sh '$ROOT/bin/boot.sh'"
	else
		say "exec su -s /bin/sh -c \"sh '$ROOT/bin/boot.sh'\" '$(id -un)'"
	fi
}
