// Prefork is a small web server in the manner of Starman: a master that binds
// one socket and keeps a number of workers, each of which loads the
// application by itself and serves one connection at a time. It is what
// services.d/web.toml runs and what the end-to-end tests supervise, so it
// copies Starman's manners, the bad ones included, and needs nothing installed.
//
// Signals to the master, as Starman 0.4016 treats them:
//
//	HUP        idle workers end at once, busy ones after their connection; new ones load the application
//	TTIN TTOU  one worker more, one fewer; the count may fall to 0 and below
//	QUIT       graceful stop: every connection is finished; exit 0
//	TERM INT   fast stop: the workers are cut off; exit 0
//	the rest   their default action: USR1 and USR2 kill the master
//
// A worker that has loaded the application is titled "starman worker …", so that what
// knows Starman's workers by that knows these; before, it is not.
//
// Until the socket is bound, and with --preload-app until the application is
// loaded, every signal has its default action: a HUP kills. The master exits
// with status 0 when the port is taken, or the pid file names a live process
// or nothing. A worker that cannot load the application exits 255 and is
// replaced without any delay. When the master is killed, each worker answers
// one more connection and holds the socket until then.
//
// The application is the file named by --app; its first line is what every
// answer carries as release=. Of a directory that is a digest of all files below
// it, so an answer tells whether the whole of a deploy was loaded. See loadApp for
// the words with which it can misbehave, and serve for what a request may ask for.
//
// As "prefork tell LINE…" it is no server: it sends these lines by sd_notify(3). As
// "prefork digest DIR" neither: it says what a server of that directory would answer.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// Options are the command line. A worker is started with the master's.
type options struct {
	listen       string
	workers      int
	app          string
	boot         time.Duration
	preload      bool
	pidFile      string
	maxRequests  int
	ttouDelay    time.Duration
	lateHandlers time.Duration
	noTitle      bool
}

// WorkerArg is what a worker has as its first argument, before the master's.
const workerArg = "worker"

func main() {
	shown := ownArgs()
	args := os.Args[1:]
	if len(args) > 0 && args[0] == tellArg {
		os.Exit(tell(args[1:]))
	}
	if len(args) == 2 && args[0] == digestArg {
		sum, err := digest(args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, "prefork:", err)
			os.Exit(1)
		}
		fmt.Println(sum)
		return
	}
	isWorker := len(args) > 0 && args[0] == workerArg
	var keep []os.Signal
	if isWorker {
		args, keep = args[1:], workerSignals
	}
	defaultSignals(keep)
	o, err := parse(args)
	if err != nil {
		os.Exit(2) // the flag set has said why
	}
	if isWorker {
		if o.noTitle {
			shown = nil
		}
		os.Exit(runWorker(o, shown))
	}
	os.Exit(runMaster(o, args))
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("prefork", flag.ContinueOnError)
	fs.StringVar(&o.listen, "listen", "127.0.0.1:5000", "`address` to serve: HOST:PORT, or the path of a unix socket")
	fs.IntVar(&o.workers, "workers", 5, "how many workers to keep")
	fs.StringVar(&o.app, "app", "", "the application: a `file` whose first line is the release that answers name, or a directory of whose files they name a digest")
	fs.DurationVar(&o.boot, "boot", 0, "how long the application takes to load")
	fs.BoolVar(&o.preload, "preload-app", false, "load the application once, in the master: HUP then brings no new code")
	fs.StringVar(&o.pidFile, "pid", "", "`file` for the master's pid")
	fs.IntVar(&o.maxRequests, "max-requests", 1000, "connections after which a worker ends and is replaced")
	fs.DurationVar(&o.ttouDelay, "ttou-delay", 0, "how long after a TTOU a worker is told to go (Starman: 10s)")
	fs.DurationVar(&o.lateHandlers, "late-handlers", 0, "how long signals keep their default action before anything else is done")
	fs.BoolVar(&o.noTitle, "disable-proctitle", false, "leave the command lines of workers as they are")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q", fs.Arg(0))
		fmt.Fprintln(os.Stderr, "prefork:", err)
		return o, err
	}
	return o, nil
}

// Say writes a line to stderr as Starman does.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// Stamped writes a line with Starman's time stamp.
func stamped(format string, args ...any) {
	say(time.Now().Format("2006/01/02-15:04:05 ")+format, args...)
}
