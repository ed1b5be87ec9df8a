package definition

import (
	"slices"
	"strings"
)

// A grammar is how a program reads its options.
type grammar struct {
	valued string // names of options with a value, separated by spaces
	bare   string // names of options without one
	placed string // names of options that take the next word unless it is an option
	// attached are the letters whose value may follow without a space: "-Ilib".
	attached string
	// passes says that what is not known goes elsewhere, with a value unless the next word is an
	// option.
	passes bool
	// first says that options end at the first word that is none.
	first bool
}

// options are the arguments of a program, read.
type options struct {
	given []given
	words []string // what is no option
	plain bool     // nothing was there that is not known for certain
}

type given struct{ name, value string }

// read takes arguments apart: "--name value", "--name=value", "-n value", and what the grammar
// says. "--" ends the options.
func (g grammar) read(args []string) options {
	o := options{plain: true}
	valued, bare, placed := strings.Fields(g.valued), strings.Fields(g.bare), strings.Fields(g.placed)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			o.words = append(o.words, args...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			o.words = append(o.words, arg)
			if g.first {
				o.words = append(o.words, args...)
				break
			}
			continue
		}
		name, value, has := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if letter := arg[1:2]; arg[1] != '-' && len(arg) > 2 && strings.Contains(g.attached, letter) {
			name, value, has = letter, arg[2:], true
		}
		switch {
		case slices.Contains(bare, name) && !has:
		case slices.Contains(valued, name) && has:
		case slices.Contains(valued, name) && len(args) > 0,
			slices.Contains(placed, name) && !has && len(args) > 0 && !strings.HasPrefix(args[0], "-"):
			value, args = args[0], args[1:]
		case slices.Contains(placed, name):
		default:
			o.plain = false
			if g.passes && !has && len(args) > 0 && !strings.HasPrefix(args[0], "-") && !strings.HasPrefix(name, "disable-") && !strings.HasPrefix(name, "enable-") {
				args = args[1:]
			}
			continue
		}
		o.given = append(o.given, given{name, value})
	}
	return o
}

// has says if one of the options is there.
func (o options) has(names ...string) bool {
	return slices.ContainsFunc(o.given, func(g given) bool { return slices.Contains(names, g.name) })
}

// last is the value that counts of an option with several names; "" if it is not there.
func (o options) last(names ...string) (value string) {
	for _, g := range o.given {
		if slices.Contains(names, g.name) {
			value = g.value
		}
	}
	return value
}

// word is the first word that is no option, or otherwise.
func (o options) word(otherwise string) string {
	if len(o.words) > 0 {
		return o.words[0]
	}
	return otherwise
}

// plackup and starman read their command line with Plack::Runner: Getopt::Long with
// no_auto_abbrev, no_ignore_case and pass_through. What is not known goes to the server, each
// option with a value.
var plackGrammar = grammar{
	valued: "a app o host p port s server S socket l listen E env e I M R Reload L loader access-log path " +
		"workers backlog max-requests user group pid error-log keepalive-timeout read-timeout ssl-cert ssl-key proctitle",
	bare: "D daemonize r reload preload-app default-middleware no-default-middleware nodefault-middleware " +
		"disable-keepalive disable-proctitle enable-ssl",
	attached: "IMe", passes: true,
}

// start_server reads its own with Getopt::Long's defaults.
var starterGrammar = grammar{
	valued: "port path interval log-file pid-file dir signal-on-hup signal-on-term backlog envdir auto-restart-interval kill-old-delay status-file",
	bare:   "enable-auto-restart daemonize restart stop help version",
	first:  true,
}

// unicorn(1), with OptionParser, which also takes abbreviations: they are not plain here.
var unicornGrammar = grammar{
	valued:   "I include r require o host p port E env P pid s server l listen c config-file",
	bare:     "d debug w warn N no-default-middleware D daemonize",
	attached: "IropEPslc",
}

// puma --help. -f has an optional value, which must be attached.
var pumaGrammar = grammar{
	valued: "b bind C config control-url control-token dir e environment I include p port pidfile extra-runtime-dependencies R restart-cmd " +
		"S state t threads w workers tag redirect-stdout redirect-stderr",
	bare:     "no-config debug f fork-worker preload prune-bundler q quiet v log-requests s silent early-hints redirect-append no-redirect-append",
	placed:   pumaAll,
	attached: "bCeIpRStw",
}

// gunicorn --help: those that are asked for here. All others are passed over with their values,
// so what is no option cannot be told from a value.
var gunicornGrammar = grammar{
	valued:   "c config chdir e env pythonpath paste paster w workers b bind k worker-class p pid",
	bare:     "preload D daemon check-config reload",
	attached: "cewbkp", passes: true,
}

var uwsgiGrammar = grammar{
	valued:   "chdir ini i yaml y yml json j xml x config emperor wsgi-file w module psgi rack p processes workers s socket http http-socket daemonize d daemonize2",
	bare:     "master M lazy-apps lazy need-app die-on-term enable-threads",
	attached: "wspxiyjd", passes: true,
}

// nginx(8).
var nginxGrammar = grammar{valued: "p e c g", bare: "q", attached: "pecg"}

// php-fpm -h.
var fpmGrammar = grammar{
	valued: "c d p prefix g pid y fpm-config", bare: "n e F nodaemonize O force-stderr R allow-to-run-as-root D daemonize",
	attached: "cdpgy",
}

// httpd(8).
var apacheGrammar = grammar{valued: "D d f C c e E k", bare: "X T", attached: "DdfCceEk"}
