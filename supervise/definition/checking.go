package definition

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Check is the command that must succeed before the service is started, restarted or reloaded
// by hand: that of the file, else one that the preset derives from the command where it is
// understood for certain; nil if there is none. servicePath is the service's PATH. The command
// is to be run with the service's user, directory and environment.
//
// The error says that the program whose check it would be cannot be found. Check reads files,
// so it may block where they are on a network.
func (d *Definition) Check(servicePath string) (argv []string, err error) {
	if d.CheckCommand != nil {
		return d.CheckCommand, nil
	}
	if d.NoCheck || d.Type == Oneshot {
		return nil, nil
	}
	return d.derive(invoked(d.Command, d.Preset), servicePath)
}

func (d *Definition) derive(i invocation, servicePath string) ([]string, error) {
	p := presetByName(i.preset)
	switch {
	case p.wraps && i.inner != nil:
		return d.deriveInner(i, servicePath)
	case p.check == nil || !i.plain:
		return nil, nil
	}
	return p.check(d, i, servicePath)
}

// deriveInner is the check of the server that start_server starts, where it would run.
func (d *Definition) deriveInner(i invocation, servicePath string) ([]string, error) {
	o := starterGrammar.read(i.args)
	if !o.plain || o.has("envdir") { // envdir: its environment is not known here
		return nil, nil
	}
	there := *d
	dir := o.last("dir")
	if dir != "" {
		there.WorkingDirectory = d.in(dir)
	}
	inner := *i.inner
	inner.prefix = slices.Concat(i.prefix, inner.prefix)
	argv, err := there.derive(inner, servicePath)
	if argv != nil && dir != "" {
		argv = append([]string{"sh", "-c", `cd "$1" && shift && exec "$@"`, "sh", dir}, argv...)
	}
	return argv, err
}

// checkStarman loads the application as a worker does (Plack::Runner, Plack::Loader::Delayed):
// with its directories, modules and PLACK_ENV. Nothing listens.
func checkStarman(d *Definition, i invocation, servicePath string) ([]string, error) {
	o := plackGrammar.read(i.args)
	if !o.plain || len(o.words) > 1 || o.has("e", "D", "daemonize") {
		return nil, nil
	}
	interp, err := d.interpreter(i, servicePath, "perl")
	if interp == nil {
		return nil, err
	}
	argv := slices.Concat(i.prefix, interp)
	for _, g := range o.given {
		if g.name == "I" || g.name == "M" {
			argv = append(argv, "-"+g.name+g.value)
		}
	}
	env := o.last("E", "env")
	switch {
	case env != "":
	case unversioned(i.base()) == "plackup":
		env = "development"
	default:
		env = "deployment"
	}
	app := o.last("a", "app")
	if app == "" {
		app = o.word("app.psgi")
	}
	return append(argv, "-MPlack::Util", "-e", `my ($env, $app) = @ARGV; $ENV{PLACK_ENV} ||= $env; ref Plack::Util::load_psgi($app) or die "$app gives no application\n"`, env, app), nil
}

// checkUnicorn reads the configuration, which enters working_directory, and evaluates the rackup
// file as a worker does (Unicorn::Configurator, Unicorn.builder).
func checkUnicorn(d *Definition, i invocation, servicePath string) ([]string, error) {
	o := unicornGrammar.read(i.args)
	ru := o.word("config.ru")
	if !o.plain || o.has("D", "daemonize") || unversioned(i.base()) != "unicorn" || path.Ext(ru) != ".ru" || len(o.words) > 1 {
		return nil, nil
	}
	interp, err := d.interpreter(i, servicePath, "ruby")
	if interp == nil {
		return nil, err
	}
	argv := slices.Concat(i.prefix, interp)
	for _, g := range o.given {
		switch g.name {
		case "I", "include":
			argv = append(argv, "-I"+g.value)
		case "r", "require":
			argv = append(argv, "-r"+g.value)
		}
	}
	script := `ru, config, env = ARGV
if env then ENV["RACK_ENV"] = env else ENV["RACK_ENV"] ||= "development" end
Unicorn::Configurator.new(:config_file => config) unless config.empty?
Rack::Builder.parse_file(ru)`
	argv = append(argv, "-rrack", "-runicorn", "-e", script, ru, o.last("c", "config-file"))
	if env := o.last("E", "env"); env != "" {
		argv = append(argv, env)
	}
	return argv, nil
}

// checkPuma lets puma read its own command line and configuration, and load the application,
// without listening (Puma::CLI, Puma::Launcher, Puma::Configuration#app).
func checkPuma(d *Definition, i invocation, servicePath string) ([]string, error) {
	if o := pumaGrammar.read(i.args); !o.plain {
		return nil, nil
	}
	interp, err := d.interpreter(i, servicePath, "ruby")
	if interp == nil {
		return nil, err
	}
	return slices.Concat(i.prefix, interp, []string{"-rpuma/cli", "-e", "Puma::CLI.new(ARGV).launcher.config.app", "--"}, i.args), nil
}

// withOption makes a server check itself: with an option in front of its own arguments.
func withOption(option string, g *grammar, never ...string) func(*Definition, invocation, string) ([]string, error) {
	return func(_ *Definition, i invocation, _ string) ([]string, error) {
		if g != nil {
			if o := g.read(i.args); !o.plain || len(o.words) > 0 || o.has(never...) {
				return nil, nil
			}
		}
		return slices.Concat(i.prefix, i.interp, []string{i.program, option}, i.args), nil
	}
}

// interpreter is what runs the server's program: as the command says, else as the first line of
// the program's file does, so that it is the one with the server's libraries. nil without an error
// is one that is not known.
func (d *Definition) interpreter(i invocation, servicePath, language string) ([]string, error) {
	if i.interp != nil {
		interp := slices.DeleteFunc(slices.Clone(i.interp), func(w string) bool { return w == "-S" })
		if unversioned(path.Base(interp[0])) != language {
			return nil, nil
		}
		return interp, nil
	}
	programs := []string{i.program}
	for n, word := range i.prefix {
		switch unversioned(path.Base(word)) {
		case "carton": // it puts local/bin in front of PATH
			programs = append([]string{d.in(filepath.Join("local/bin", i.base()))}, append(programs, i.prefix[n])...)
		case "bundle", "bundler":
			programs = append(programs, i.prefix[n])
		}
	}
	for _, program := range programs {
		first, err := d.firstLine(program, servicePath)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		words := strings.Fields(strings.TrimPrefix(first, "#!"))
		if err != nil || !strings.HasPrefix(first, "#!") || len(words) == 0 {
			return nil, nil
		}
		name := words[0]
		if path.Base(name) == "env" && len(words) == 2 {
			name = words[1]
		} else if len(words) > 1 && strings.Trim(words[1], "-wT") != "" {
			return nil, nil // options that may mean anything
		}
		if unversioned(path.Base(name)) != language {
			return nil, nil
		}
		return []string{name}, nil
	}
	return nil, fmt.Errorf("cannot find %s in the service's PATH", i.program)
}

// Program is the path of the program that the command runs, behind what wraps it; "" if it cannot
// be found. servicePath is the service's PATH. It looks at files, so it may block.
func (d *Definition) Program(servicePath string) string {
	return d.lookUp(invoked(d.Command, d.Preset).program, servicePath)
}

// lookUp finds a program as for a start; "" if there is none.
func (d *Definition) lookUp(program, servicePath string) string {
	candidates := []string{d.in(program)}
	if !strings.Contains(program, "/") {
		candidates = nil
		for _, dir := range filepath.SplitList(servicePath) {
			candidates = append(candidates, d.in(filepath.Join(dir, program)))
		}
	}
	for _, file := range candidates {
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// firstLine reads the first line of a program, which is looked up as for a start.
func (d *Definition) firstLine(program, servicePath string) (string, error) {
	file := d.lookUp(program, servicePath)
	if file == "" {
		return "", fs.ErrNotExist
	}
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	line, err := bufio.NewReaderSize(f, 256).ReadSlice('\n') // a kernel reads no more (binfmt_script)
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", file, err)
	}
	return string(line), nil
}
