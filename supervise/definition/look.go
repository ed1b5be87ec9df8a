package definition

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Server looks at what the service's preset knows of its command and of the files that the
// command names, which are those of the moment. What cannot be known for certain is left out:
// the zero value is a server of which nothing is known.
//
// It reads files, so it may block where they are on a network.
func (d *Definition) Server() Server { return d.look(invoked(d.Command, d.Preset)) }

func (d *Definition) look(i invocation) Server {
	p := presetByName(i.preset)
	switch {
	case p.wraps && i.inner != nil:
		return d.lookInner(i)
	case p.look == nil:
		return Server{}
	}
	return p.look(d, i)
}

// lookInner: start_server starts a new process, which has nothing of the old one. It runs where
// start_server was started, or in --dir, which it enters anew each time.
func (d *Definition) lookInner(i invocation) Server {
	s := d.look(*i.inner)
	s.Preload = ""
	dir := starterGrammar.read(i.args).last("dir")
	switch {
	case !filepath.IsAbs(dir):
	case s.Relative == IsSo:
		s.Relative, s.Code = NotSo, dir
	case s.Code != "":
		s.Relative = NotSo
	}
	return s
}

// notRelative: what they serve is named by absolute paths in their own configuration.
func notRelative(*Definition, invocation) Server { return Server{Relative: NotSo} }

func lookStarman(d *Definition, i invocation) Server {
	o := plackGrammar.read(i.args)
	var s Server
	switch loader := o.last("L", "loader"); {
	case o.has("preload-app") && unversioned(i.base()) != "plackup":
		s.Preload = "--preload-app keeps the code of the start"
	case unversioned(i.base()) == "plackup" && loader != "Delayed" && loader != "Plack::Loader::Delayed" && i.plain:
		s.Preload = "plackup without -L Delayed keeps the code of the start"
	}
	if !i.plain {
		return s
	}
	includes := i.includes()
	for _, g := range o.given {
		if g.name == "I" {
			includes = append(includes, g.value)
		}
	}
	app := o.last("a", "app")
	if app == "" {
		app = o.word("app.psgi")
	}
	relative := !filepath.IsAbs(app)
	for _, dir := range includes {
		relative = relative || !filepath.IsAbs(dir)
	}
	switch {
	case o.has("e") || !o.plain && !relative:
		return s // the program text says where its code is, or an option may
	case relative:
		s.Relative, s.Code = IsSo, d.here()
	default:
		s.Relative, s.Code = d.beside(), filepath.Dir(app)
	}
	return s
}

// includes are the directories that the interpreter's own options add.
func (i invocation) includes() (dirs []string) {
	for _, word := range i.interp {
		if dir, ok := strings.CutPrefix(word, "-I"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// lookUnicorn: its configuration is read anew on HUP, and working_directory entered again
// (Unicorn::Configurator).
func lookUnicorn(d *Definition, i invocation) Server {
	o := unicornGrammar.read(i.args)
	if !i.plain || !o.plain {
		return Server{}
	}
	file := o.last("c", "config-file")
	dir, found, sure := d.directive(file, unicornDirectory)
	s := d.byDirectory(dir, found, sure, o.word("config.ru"))
	if file == "" && unversioned(i.base()) == "unicorn" {
		s.Preload = "without -c (--config-file) unicorn does not reload on HUP but executes itself a second time"
	}
	return s
}

// lookPuma: each worker of a phased restart enters the directory again (Puma::Cluster::Worker).
func lookPuma(d *Definition, i invocation) Server {
	o := pumaGrammar.read(i.args)
	if !i.plain || !o.plain || d.variable(i, "PWD") != "" { // PWD counts as directory if it is the same one
		return Server{}
	}
	ru := o.word("config.ru")
	if dir := o.last("dir"); dir != "" {
		return d.byDirectory(dir, true, true, ru)
	}
	file := o.last("C", "config")
	if file == "" && !o.has("no-config") {
		env := o.last("e", "environment")
		for _, f := range []string{"config/puma/" + env + ".rb", "config/puma.rb"} {
			if _, err := os.Stat(d.in(f)); err == nil {
				file = f
				break
			}
		}
		if _, err := os.Stat(d.in("config/puma")); err == nil && env == "" {
			return Server{} // which of them depends on the environment
		}
	}
	if file == "-" {
		file = ""
	}
	dir, found, sure := d.directive(file, pumaDirectory)
	return d.byDirectory(dir, found, sure, ru)
}

// byDirectory is what follows from the directory that a server enters again before it loads
// the file code.
func (d *Definition) byDirectory(dir string, found, sure bool, code string) Server {
	switch {
	case !sure || found && !filepath.IsAbs(dir):
		return Server{}
	case found:
		return Server{Relative: NotSo, Code: dir}
	case filepath.IsAbs(code):
		return Server{Relative: d.beside(), Code: filepath.Dir(code)}
	}
	return Server{Relative: IsSo, Code: d.here()}
}

// lookGunicorn: it enters chdir again on HUP; the default is where it was started
// (gunicorn.app.base, gunicorn.util.getcwd). Options win over GUNICORN_CMD_ARGS, that over the
// configuration file. Variables of environment files are not looked at.
func lookGunicorn(d *Definition, i invocation) Server {
	var s Server
	o, more, file := d.gunicornSettings(i)
	switch preload, _, _ := d.directive(file, gunicornPreload); {
	case o.has("preload"):
		s.Preload = "--preload keeps the code of the start"
	case more.has("preload"):
		s.Preload = "--preload in GUNICORN_CMD_ARGS keeps the code of the start"
	case preload != "":
		s.Preload = "preload_app in " + file + " keeps the code of the start"
	}
	dir := o.last("chdir")
	if dir == "" {
		dir = more.last("chdir")
	}
	found, sure := dir != "", true
	if !found {
		dir, found, sure = d.directive(file, gunicornDirectory)
	}
	if !i.plain || o.has("pythonpath", "paste", "paster") || d.variable(i, "PWD") != "" || d.variable(i, "PYTHONPATH") != "" {
		return s // PWD counts as directory if it is the same one
	}
	at := d.byDirectory(dir, found, sure, "")
	s.Relative, s.Code = at.Relative, at.Code
	return s
}

// gunicornSettings are the options of the command, those of GUNICORN_CMD_ARGS, and the configuration
// file; "" if there is none.
func (d *Definition) gunicornSettings(i invocation) (o, more options, file string) {
	o = gunicornGrammar.read(i.args)
	env, _ := SplitCommand(d.variable(i, "GUNICORN_CMD_ARGS"))
	more = gunicornGrammar.read(env)
	file = o.last("c", "config")
	if file == "" {
		file = more.last("c", "config")
	}
	if file == "" {
		file = "gunicorn.conf.py"
		if dir := o.last("chdir"); dir != "" {
			file = filepath.Join(dir, file)
		}
		if _, err := os.Stat(d.in(file)); err != nil {
			file = ""
		}
	}
	return o, more, strings.TrimPrefix(file, "file:")
}

// lookUwsgi: with a master, HUP executes it anew where it was started, so all is read again.
func lookUwsgi(_ *Definition, i invocation) Server {
	o := uwsgiGrammar.read(i.args)
	files := o.has("ini", "i", "yaml", "y", "yml", "json", "j", "xml", "x", "config", "emperor") || len(o.words) > 0
	var s Server
	if !files && i.plain && !o.has("master", "M") {
		s.Preload = "without --master uwsgi ends on HUP"
	}
	if dir := o.last("chdir"); filepath.IsAbs(dir) && i.plain {
		s.Relative, s.Code = NotSo, dir
	}
	return s
}

// Directives of configuration files that are programs. The first group of each is its value as
// a literal, the second anything else.
var (
	unicornDirectory  = regexp.MustCompile(`(?m)^[ \t]*working_directory[ \t(]+(?:["']([^"'#{}]+)["'][ \t)]*(?:#.*)?$|(.+))`)
	pumaDirectory     = regexp.MustCompile(`(?m)^[ \t]*directory[ \t(]+(?:["']([^"'#{}]+)["'][ \t)]*(?:#.*)?$|(.+))`)
	gunicornDirectory = regexp.MustCompile(`(?m)^chdir[ \t]*=[ \t]*(?:["']([^"'\\]+)["'][ \t]*(?:#.*)?$|(.+))`)
	gunicornPath      = regexp.MustCompile(`(?m)^pythonpath[ \t]*=[ \t]*(?:["']([^"'\\]+)["'][ \t]*(?:#.*)?$|(.+))`)
	gunicornPreload   = regexp.MustCompile(`(?m)^preload_app[ \t]*=[ \t]*(True|1)[ \t]*(?:#.*)?$()`)
)

// maxConfig is how much of a server's configuration file is looked at, in bytes.
const maxConfig = 1 << 20

// directive finds what a configuration file sets; file may be "" for none. sure is false if that
// cannot be told.
func (d *Definition) directive(file string, what *regexp.Regexp) (value string, found, sure bool) {
	if file == "" {
		return "", false, true
	}
	src, err := readRegular(d.in(file), maxConfig)
	if err != nil {
		return "", false, false
	}
	all := what.FindAllStringSubmatch(string(src), -1)
	switch {
	case len(all) == 0:
		return "", false, true
	case len(all) > 1 || all[0][2] != "":
		return "", true, false
	}
	return all[0][1], true, true
}

// variable is a variable of the service's environment as far as the command and [environment]
// say it.
func (d *Definition) variable(i invocation, name string) string {
	value := d.Environment[name]
	for _, word := range i.prefix {
		if n, v, ok := strings.Cut(word, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// in is a path as the service's command means it.
func (d *Definition) in(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(d.WorkingDirectory, file)
}

// Reenters reports whether a successor that the server starts by itself (reload = "usr2") enters
// WorkingDirectory anew: they go to PWD, if that is where they were started
// (Unicorn::HttpServer::START_CTX; gunicorn.util.getcwd). Environment files are not looked at.
func (d *Definition) Reenters() bool {
	i := invoked(d.Command, d.Preset)
	return (i.preset == "unicorn" || i.preset == "gunicorn") && d.WorkingDirectory != "" && d.variable(i, "PWD") == ""
}

// beside says whether a server whose application is an absolute path loads code relative to its
// working directory too: one that was given one may (`use lib "lib"`).
func (d *Definition) beside() Relation {
	if d.WorkingDirectory == "" {
		return NotSo
	}
	return Unknown
}

// here is the directory that the command runs in; "" if it cannot be known.
func (d *Definition) here() string {
	dir, err := filepath.Abs(d.WorkingDirectory)
	if err != nil {
		return ""
	}
	return dir
}
