package definition

import (
	"syscall"
	"time"
)

// A preset is what gsv knows of one server: one row.
type preset struct {
	name    string
	signals PresetSignals
	stop    []StopStep  // its stop sequence; nil = TERM, stop-timeout, KILL
	exits   []ExitMatch // ends after a stop that are no failure, beside exit status 0
	// workers tells what its workers look like, by the command; nil = nothing is known.
	workers func(invocation) Workers
	wraps   bool                                                             // it starts a server, whose workers are its grandchildren
	look    func(*Definition, invocation) Server                             // see Server; nil = nothing is known
	check   func(*Definition, invocation, string) (argv []string, err error) // see Check; nil = there is none
	known   []string                                                         // what is known not to work, a sentence each
}

// stopTimeout is what the first step of a stop waits unless stop-timeout says otherwise.
const stopTimeout = 30 * time.Second

// gracefully is a stop that begins with a server's graceful signal and ends what does not
// listen to it by the fast one.
func gracefully(graceful, fast syscall.Signal) []StopStep {
	return []StopStep{{graceful, stopTimeout}, {fast, 5 * time.Second}, {Signal: syscall.SIGKILL}}
}

var presets = []preset{
	{name: "none", signals: PresetSignals{
		Reload: syscall.SIGHUP, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU}},

	// Net::Server's HUP replaces the workers, which load the application anew; QUIT lets busy
	// workers finish, TERM cuts their requests (Starman::Server, Net::Server::PreFork).
	{name: "starman",
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGQUIT, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU},
		stop:    gracefully(syscall.SIGQUIT, syscall.SIGTERM), workers: starmanWorkers, look: lookStarman, check: checkStarman},

	// It starts a new server beside the old one on HUP and passes TERM on (Server::Starter). QUIT
	// would end it and leave its server behind.
	{name: "start_server",
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGTERM},
		wraps:   true},

	// unicorn(1), SIGNALS.
	{name: "unicorn",
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGQUIT, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU, Reopen: syscall.SIGUSR1},
		stop:    gracefully(syscall.SIGQUIT, syscall.SIGTERM), workers: unicornWorkers, look: lookUnicorn, check: checkUnicorn},

	// QUIT and INT are its fast stops (docs.gunicorn.org, signal handling).
	{name: "gunicorn",
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGTERM, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU, Reopen: syscall.SIGUSR1},
		stop:    gracefully(syscall.SIGTERM, syscall.SIGQUIT), workers: always(Workers{Depth: 1, Sign: Sign{Heartbeat: "wgunicorn-"}}),
		look: lookGunicorn, check: withOption("--check-config", nil)},

	// USR1 is the phased restart, HUP stops a puma without stdout_redirect. After its graceful
	// stop it sends itself the TERM that it got (Puma::Launcher, raise_exception_on_sigterm).
	{name: "puma",
		signals: PresetSignals{Reload: syscall.SIGUSR1, Graceful: syscall.SIGTERM, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU},
		stop:    gracefully(syscall.SIGTERM, syscall.SIGQUIT), exits: []ExitMatch{{Signal: syscall.SIGTERM}},
		workers: always(Workers{Depth: 1, Sign: Sign{Thread: "puma srv"}, Solo: Sign{Thread: "puma srv"}}),
		look:    lookPuma, check: checkPuma},

	// TERM is a brutal reload unless --die-on-term is given; INT and QUIT cut requests, and no
	// signal stops it gracefully (uwsgi-docs, Management).
	{name: "uwsgi",
		signals: PresetSignals{Reload: syscall.SIGHUP},
		stop:    gracefully(syscall.SIGINT, syscall.SIGQUIT),
		workers: always(Workers{Depth: 1, Sign: Sign{Catches: syscall.SIGUSR2}, Solo: Sign{Catches: syscall.SIGUSR2}}),
		look:    lookUwsgi},

	// php-fpm(8), SIGNALS. USR2 executes it anew in the same process.
	{name: "php-fpm",
		signals: PresetSignals{Reload: syscall.SIGUSR2, Graceful: syscall.SIGQUIT, Reopen: syscall.SIGUSR1},
		stop:    gracefully(syscall.SIGQUIT, syscall.SIGTERM),
		workers: always(Workers{Depth: 1, Sign: Sign{Title: "php-fpm: pool"}, Solo: Sign{Title: "php-fpm: master process"}}),
		look:    notRelative, check: withOption("-t", &fpmGrammar)},

	// nginx.org, Controlling nginx.
	{name: "nginx",
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGQUIT, Reopen: syscall.SIGUSR1},
		stop:    gracefully(syscall.SIGQUIT, syscall.SIGTERM),
		workers: always(Workers{Depth: 1, Sign: Sign{Title: "nginx: worker process"}}),
		look:    notRelative, check: withOption("-t", &nginxGrammar)},

	// httpd.apache.org, Stopping and Restarting: USR1 is graceful, HUP cuts requests, WINCH is the
	// graceful stop.
	{name: "apache",
		signals: PresetSignals{Reload: syscall.SIGUSR1, Graceful: syscall.SIGWINCH},
		stop:    gracefully(syscall.SIGWINCH, syscall.SIGTERM),
		workers: always(Workers{Depth: 1}), look: notRelative, check: withOption("-t", &apacheGrammar, "k")},
}

func presetByName(name string) preset {
	for _, p := range presets {
		if p.name == name {
			return p
		}
	}
	return presets[0]
}

func always(w Workers) func(invocation) Workers { return func(invocation) Workers { return w } }

// starmanWorkers: a worker takes its title when it has loaded the application
// (Starman::Server, child_init_hook), unless titles are off.
func starmanWorkers(i invocation) Workers {
	if o := plackGrammar.read(i.args); o.has("disable-proctitle") || o.last("proctitle") == "0" {
		return Workers{Depth: 1}
	}
	return Workers{Depth: 1, Sign: Sign{Title: "starman worker"}}
}

// workersOf tells what the workers of a command look like: nothing if its preset knows none.
// Of a server that start_server starts and that has no preset, nothing is known but that it is
// replaced as a whole.
func workersOf(i invocation) Workers {
	p := presetByName(i.preset)
	switch {
	case p.wraps && i.inner == nil:
		return Workers{Depth: 2}
	case p.wraps:
		w := workersOf(*i.inner)
		w.Depth++
		return w
	case p.workers == nil:
		return Workers{}
	}
	return p.workers(i)
}

// unicornWorkers: while it builds the application, a worker ignores the signals of its master,
// USR1 and TTOU among them; then it catches USR1 (Unicorn::HttpServer, init_worker_process and
// worker_loop). With preload_app it is the master that builds it on HUP, which goes on with the
// old one when that fails (load_config!).
var unicornWorkers = always(Workers{Depth: 1, Sign: Sign{Catches: syscall.SIGUSR1, Defaults: syscall.SIGTTOU}, Failure: `error reloading config_file=`})
