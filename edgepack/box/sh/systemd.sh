# A program that systemd looks after, where the node says `runs: systemd`: a unit for each app, started by us, so that
# what a power cut left half-way is put right first (boot.sh). What is kept of a program is the same as with our own
# supervisor: run/supervisor, run/program, the log. By contract only.
UNITS=${EDGEPACK_UNITS:-/etc/systemd/system} # a test has a folder of its own

unit_of() { say "$(boot_name)-$1.service"; } # APP

by_systemd() { [ "$(runs_by "$1")" = systemd ]; } # APP

# The unit is written anew each time: this script's name is in it.
runs_by_systemd() { # APP MEMORY-MIB CPU-PERCENT
	[ -d /run/systemd/system ] || [ -n "${EDGEPACK_UNITS:-}" ] ||
		fail no-systemd "\`runs: systemd\`: systemd does not run on this box"
	[ -w "$UNITS" ] || fail no-systemd "\`runs: systemd\`: $(id -un) may not write to $UNITS"
	case $ROOT in
	*[!A-Za-z0-9._/-]*) fail no-systemd "\`runs: systemd\`: a unit cannot name the folder $ROOT" ;;
	esac
	unit "$@" | put "$UNITS/$(unit_of "$1")" || exit 20
	systemctl daemon-reload >/dev/null 2>&1 || fail no-systemd "systemd did not read the unit $(unit_of "$1")"
}

# systemd.exec(5), systemd.service(5), systemd.resource-control(5). No PrivateDevices and no ProtectClock: both would
# take the accelerator's device nodes away.
unit() { # APP MEMORY-MIB CPU-PERCENT
	cat <<END
[Unit]
Description=$1, by edgepack
After=local-fs.target network.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart=/bin/sh $SELF $ROOT attend $1
User=$(id -un 2>/dev/null || id -u)
Restart=always
RestartSec=2
WatchdogSec=90
TimeoutStartSec=300
TimeoutStopSec=15
KillMode=mixed
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=$ROOT
ProtectHome=read-only
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
LockPersonality=yes
SystemCallArchitectures=native
TasksMax=512
END
	[ "$2" -eq 0 ] || say "MemoryMax=${2}M"
	[ "$3" -eq 0 ] || say "CPUQuota=$3%"
}

# What the unit runs: the program, and a word to systemd for as long as it writes of itself. One that hangs says
# nothing, and is started again after WatchdogSec.
noun_attend() { # APP
	word app "$1"
	app=$1
	home=$ROOT/apps/$1
	mkdir -p "$home/run" "$home/data"
	restarts=-1
	read -r _ _ _ restarts _ 2>/dev/null <"$home/run/program" || restarts=-1
	status=$(cat "$home/run/ended" 2>/dev/null)
	restarts=$((restarts + 1))
	say "$$ $(boot)" | put "$home/run/supervisor"
	trim_log "$home/data/log" &
	trimmer=$!
	release=$(release_at "$home/current")
	note "release $release starts"
	rm -f "$home/data/status.json"
	(program "$home/releases/$release" "$app" run --data "$home/data") </dev/null >>"$home/data/log" 2>&1 &
	child=$!
	trap 'kill -TERM "$child" 2>/dev/null' TERM INT
	say "$child $release $(date +%s) $restarts ${status:--}" | put "$home/run/program"
	systemd-notify --ready 2>/dev/null
	pulse "$home" "$child" &
	wait "$child"
	status=$?
	while kill -0 "$child" 2>/dev/null; do # a signal to us ends `wait` early: it is still draining
		wait "$child"
		status=$?
	done
	kill -TERM "$trimmer" 2>/dev/null
	say "$status" | put "$home/run/ended"
	exit "$status"
}

pulse() { # APP-FOLDER PID
	while kill -0 "$2" 2>/dev/null; do
		seen=$(date -r "$1/data/status.json" +%s 2>/dev/null) || seen=0
		[ $(($(date +%s) - seen)) -gt 30 ] || systemd-notify WATCHDOG=1 2>/dev/null
		sleep 5
	done
}
