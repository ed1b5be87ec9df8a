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
	private func(*Definition, invocation) bool                               // it takes an inherited socket that its configuration does not name; nil = it does not
	alone   func(*Definition) string                                         // what to add to its command for that; nil = nothing would help
	beside  func(*draft, invocation)                                         // notes what of its command cannot be beside held sockets; nil = nothing is known
	counts  bool                                                             // a reload sets the number of its workers to that of its configuration
	wraps   bool                                                             // it starts a server, whose workers are its grandchildren
	look    func(*Definition, invocation) Server                             // see Server; nil = nothing is known
	check   func(*Definition, invocation, string) (argv []string, err error) // see Check; nil = there is none
	// background is the option that sends it into the background, or the one that is missing to
	// keep it from that; both "" if it stays. sure is false if its configuration may say otherwise.
	background func(invocation) (leave, add string, sure bool)
	known      []string // what is known not to work, a sentence each
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
	{name: "starman", private: takesAll, beside: besideStarman,
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGQUIT, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU},
		stop:    gracefully(syscall.SIGQUIT, syscall.SIGTERM), workers: starmanWorkers, look: lookStarman, check: checkStarman,
		background: leaveOut(plackGrammar, "D", "daemonize"),
		known: []string{
			"With --preload-app, and with plackup -s Starman without -L Delayed, HUP never loads new code: hup restarts or refuses, and says why.",
			"Modules that -M loads are those of the start.",
			"With code that does not load, HUP takes the service down until the code is mended, though the port stays open; the check keeps what it can catch from getting there.",
			"About one new connection is lost in a reload at 150 connections a second; with two --listen nearly none. No request is answered while the code loads.",
			"A worker on a busy keep-alive connection never ends by itself: drain-timeout ends it. Uploads that are under way at HUP are lost before 0.4017.",
			"With -e, or options that are not known here, there is no check.",
		}},

	// It starts a new server beside the old one on HUP and passes TERM on (Server::Starter). QUIT
	// would end it and leave its server behind.
	{name: "start_server",
		signals:    PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGTERM},
		wraps:      true,
		beside:     takesNone("leave start_server out: the command behind its -- takes them"),
		background: leaveOut(starterGrammar, "daemonize"),
		known: []string{
			"Its default --signal-on-hup=TERM cuts the requests of the old server: give --signal-on-hup=QUIT --signal-on-term=QUIT for Starman.",
			"It ends the old server as soon as the new one has lived for --interval, loaded or not: with code that does not load the service is down, unless the server preloads.",
			"TTIN, TTOU, QUIT and USR1 have no meaning to it; QUIT and USR1 would end it and leave its server behind.",
			"With --envdir, or a server behind it that has no check, there is no check.",
		}},

	// unicorn(1), SIGNALS.
	{name: "unicorn", counts: true, private: takesAll, beside: besideUnicorn,
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGQUIT, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU, Reopen: syscall.SIGUSR1, Upgrade: syscall.SIGUSR2},
		stop:    gracefully(syscall.SIGQUIT, syscall.SIGTERM), workers: unicornWorkers, look: lookUnicorn, check: checkUnicorn,
		background: leaveOut(unicornGrammar, "D", "daemonize"),
		known: []string{
			"Without -c it does not reload on HUP but executes itself a second time: hup refuses.",
			"With code that does not load, HUP takes the service down until the code is mended; with preload_app the old code goes on, which is reported by the line in its log.",
			"No request is answered while the code loads.",
			"HUP sets the number of workers to that of the configuration file.",
			"unicorn_rails and rackup files that do not end in .ru have no check.",
		}},

	// QUIT and INT are its fast stops (docs.gunicorn.org, signal handling).
	{name: "gunicorn", counts: true, private: takesAll, beside: besideGunicorn,
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGTERM, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU, Reopen: syscall.SIGUSR1, Upgrade: syscall.SIGUSR2},
		stop:    gracefully(syscall.SIGTERM, syscall.SIGQUIT), workers: always(Workers{Depth: 1, Sign: Sign{Heartbeat: "wgunicorn-"}}),
		look: lookGunicorn, check: checkGunicorn,
		background: leaveOut(gunicornGrammar, "D", "daemon"),
		known: []string{
			"With --preload or preload_app = True HUP never loads new code: hup restarts or refuses, and says why. One that the configuration file computes is not seen.",
			"With code that does not load, the master ends with status 3 on HUP, and the service is down.",
			"HUP sets the number of workers to that of the configuration.",
			"QUIT and INT cut requests.",
		}},

	// USR1 is the phased restart, HUP stops a puma without stdout_redirect. After its graceful
	// stop it sends itself the TERM that it got (Puma::Launcher, raise_exception_on_sigterm).
	{name: "puma", private: pumaPrivate, alone: pumaAlone, beside: besidePuma,
		signals: PresetSignals{Reload: syscall.SIGUSR1, Graceful: syscall.SIGTERM, ScaleUp: syscall.SIGTTIN, ScaleDown: syscall.SIGTTOU},
		stop:    gracefully(syscall.SIGTERM, syscall.SIGQUIT), exits: []ExitMatch{{Signal: syscall.SIGTERM}},
		workers: always(Workers{Depth: 1, Sign: Sign{Thread: "puma srv"}, Solo: Sign{Thread: "puma srv"}, Keeps: true}),
		look:    lookPuma, check: checkPuma,
		known: []string{
			"With preload_app!, and without workers, there is no phased restart: on USR1 puma executes itself anew in the same process, and nobody answers meanwhile (0.7 s and more); with code that does not load the service is then down.",
			"With code that does not load, a phased restart stays at the first worker, and goes on by itself when the code is mended; the other workers serve the old code.",
			"HUP stops a puma that has no stdout_redirect; QUIT cuts requests.",
		}},

	// TERM is a brutal reload unless --die-on-term is given; INT and QUIT cut requests, and no
	// signal stops it gracefully (uwsgi-docs, Management).
	{name: "uwsgi", counts: true, private: uwsgiPrivate, alone: uwsgiAlone, beside: besideUwsgi,
		signals:    PresetSignals{Reload: syscall.SIGHUP},
		stop:       gracefully(syscall.SIGINT, syscall.SIGQUIT),
		workers:    always(Workers{Depth: 1, Sign: Sign{Catches: syscall.SIGUSR2}, Solo: Sign{Catches: syscall.SIGUSR2}}),
		look:       lookUwsgi,
		background: leaveOut(uwsgiGrammar, "d", "daemonize", "daemonize2"),
		known: []string{
			"No signal stops it gracefully: quit and stop cut requests. For a graceful one give it hook-master-start = unix_signal:15 gracefully_kill_them_all, and write stop-signal = \"TERM\" here.",
			"Without need-app, code that does not load is served as errors by workers that look well, and hup calls it reloaded; with need-app uwsgi ends. Give a check-command.",
			"Without a master HUP ends it; it is seen where no configuration file is used. An emperor's vassals are not looked at.",
			"TTIN and TTOU do not change the number of workers.",
		}},

	// php-fpm(8), SIGNALS. USR2 executes it anew in the same process.
	{name: "php-fpm", counts: true, beside: besideFPM,
		signals: PresetSignals{Reload: syscall.SIGUSR2, Graceful: syscall.SIGQUIT, Reopen: syscall.SIGUSR1},
		stop:    gracefully(syscall.SIGQUIT, syscall.SIGTERM),
		workers: always(Workers{Depth: 1, Sign: Sign{Title: "php-fpm: pool"}, Solo: Sign{Title: "php-fpm: master process"}}),
		look:    notRelative, check: withOption("-t", &fpmGrammar),
		background: fpmBackground,
		known: []string{
			"Without process_control_timeout in its configuration, USR2 and QUIT cut requests.",
			"With a configuration that does not load it ends with status 78 on USR2; the check keeps that from happening.",
			"Scripts are read at each request: a deploy is live without a reload, opcache apart.",
			"It has no signal for the number of workers.",
		}},

	// nginx.org, Controlling nginx.
	{name: "nginx", counts: true,
		signals: PresetSignals{Reload: syscall.SIGHUP, Graceful: syscall.SIGQUIT, Reopen: syscall.SIGUSR1, Upgrade: syscall.SIGUSR2},
		stop:    gracefully(syscall.SIGQUIT, syscall.SIGTERM),
		workers: always(Workers{Depth: 1, Sign: Sign{Title: "nginx: worker process"}, Keeps: true}),
		look:    notRelative, check: withOption("-t", &nginxGrammar),
		background: nginxBackground,
		known: []string{
			"With a configuration that does not load HUP changes nothing: the workers stay, and hup fails; the check says so before.",
			"Idle keep-alive connections are closed. It has no signal for the number of workers.",
		}},

	// httpd.apache.org, Stopping and Restarting: USR1 is graceful, HUP cuts requests, WINCH is the
	// graceful stop.
	{name: "apache", counts: true, beside: takesNone("leave the [listen] tables out"),
		signals: PresetSignals{Reload: syscall.SIGUSR1, Graceful: syscall.SIGWINCH},
		stop:    gracefully(syscall.SIGWINCH, syscall.SIGTERM),
		workers: always(Workers{Depth: 1}), look: notRelative, check: withOption("-t", &apacheGrammar, "k"),
		background: apacheBackground,
		known: []string{
			"Its children show nothing when they have started: they count once they have lived for min-uptime.",
			"With a configuration that does not load it ends with status 1 on USR1; the check keeps that from happening.",
			"HUP cuts requests. It has no signal for the number of workers. apache2ctl and httpd-foreground are no plain commands: name apache2 or httpd itself.",
		}},
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
// (Starman::Server, child_init_hook), unless titles are off. Perl takes note of a signal
// between two operations (perlipc, Deferred Signals): one that comes just before accept(2) only
// after the next connection.
func starmanWorkers(i invocation) Workers {
	if o := plackGrammar.read(i.args); o.has("disable-proctitle") || o.last("proctitle") == "0" {
		return Workers{Depth: 1, Deaf: true}
	}
	return Workers{Depth: 1, Sign: Sign{Title: "starman worker"}, Deaf: true}
}

// workersOf tells what the workers of a command look like: nothing if its preset knows none.
// Of a server that start_server starts and that has no preset, nothing is known but that it is
// replaced as a whole.
func workersOf(i invocation) Workers {
	p := presetByName(i.preset)
	switch {
	case p.wraps && i.inner == nil:
		return Workers{Depth: 2, Overlaps: true}
	case p.wraps:
		w := workersOf(*i.inner)
		w.Depth, w.Deaf, w.Keeps, w.Overlaps = w.Depth+1, false, false, true // they are told by their own master
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
