# The last lines, so that a script that came only in part does nothing at all.
main() { # ROOT NOUN ARGUMENT...
	case $1 in
	/*) ROOT=$1 ;;
	*) ROOT=$(pwd)/$1 ;;
	esac
	noun=$2
	SELF=$ROOT/bin/${0##*/}
	shift 2
	case $noun in
	probe | lock | unlock | receive | helper | parcels | chunks | authorise | enrol | secrets | boot | enable | collect | stage | make | hook | discard | check | verify | resume | start | stop | runs | engine | attend | switch | guard | confirm | back | journal | supervise | status | watch | logs | feed | answers) ;;
	*) fail usage "box.sh has no $noun" ;;
	esac
	say "edgepack-box 1"
	case $noun in
	lock | unlock | receive | helper | authorise | enrol | secrets | enable | collect | stage | discard | check | start | stop | runs | switch | confirm | back)
		patiently "noun_$noun" "$@"
		;;
	*) "noun_$noun" "$@" ;;
	esac
}
