package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"gsv/control"
	"gsv/supervise/definition"
	"gsv/supervise/guardian"
)

// settings are the command line and the environment of gsv.
type settings struct {
	services    []string // directories; the later wins
	files       []string // only these service files
	command     []string // only this command, of `gsv -- COMMAND`
	config      string   // gsv.toml; "": there is none
	configNamed bool     // it must be there
	socket      string
	runDir      string
	logDir      string
	bound       time.Duration // of an orderly end; 0: none
	boundSet    bool
	setAside    bool
	private     bool // the run-dir is this gsv's alone, and goes with it
}

const usage = `usage: gsv [flags]                      supervise every service of the service directories
       gsv [flags] FILE.toml...         just those
       gsv [flags] -- COMMAND [ARG...]  one command, as its init: output, input and signals are its own
       gsv check [FILE|NAME...]         say what is wrong with service files
       gsv version

`

var errHelp = errors.New("help was asked for")

// parse reads the command line, and for what it does not say the environment
// and then the defaults of the user that gsv runs as.
func parse(args []string) (settings, error) {
	s := settings{}
	flags := pflag.NewFlagSet("gsv", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.StringArrayVar(&s.services, "services", nil, "a directory of service files; may be repeated, a later one wins [GSV_SERVICES, separated by colons]")
	flags.StringVar(&s.socket, "socket", "", "the control socket [GSV_SOCKET]")
	flags.StringVar(&s.runDir, "run-dir", "", "the directory for what must survive gsv's death [GSV_RUN_DIR]")
	flags.StringVar(&s.logDir, "log-dir", "", "the directory for logs [GSV_LOG_DIR]")
	flags.StringVar(&s.config, "config", "", "gsv.toml, what holds for all services together [GSV_CONFIG]")
	bound := flags.String("shutdown-timeout", "", `when an orderly end kills what is left, such as "8s"; "0s" = never (as PID 1: 8s) [GSV_SHUTDOWN_TIMEOUT]`)
	flags.Usage = func() {}
	if n := len(args); n > 0 && args[n-1] == asideFlag {
		s.setAside, args = true, args[:n-1]
	}
	if err := flags.Parse(args); errors.Is(err, pflag.ErrHelp) {
		fmt.Print(usage + flags.FlagUsages())
		return s, errHelp
	} else if err != nil {
		return s, err
	}
	if dash := flags.ArgsLenAtDash(); dash >= 0 {
		s.command = flags.Args()[dash:]
		s.files = flags.Args()[:dash]
		if len(s.command) == 0 {
			return s, errors.New("there is no command after --")
		}
		if len(s.files) > 0 || len(s.services) > 0 {
			return s, errors.New("a command after -- takes neither service files nor --services")
		}
	} else {
		s.files = flags.Args()
	}
	for _, f := range s.files {
		if !strings.HasSuffix(f, ".toml") {
			return s, noFile(f, s.files)
		}
	}
	if err := s.setBound(cmp.Or(*bound, os.Getenv("GSV_SHUTDOWN_TIMEOUT"))); err != nil {
		return s, err
	}
	return s, s.complete()
}

// noFile is the error of a word where a service file should stand, and what was probably meant.
func noFile(word string, all []string) error {
	meant := "to run a command: gsv -- " + strings.Join(all, " ")
	if info, err := os.Stat(word); err == nil && info.IsDir() {
		meant = "of a directory of them: --services " + word
	} else if control.Lookup(all[0]) != nil {
		meant = "a verb is gsvctl's: gsvctl " + strings.Join(all, " ")
	}
	return fmt.Errorf("%s is no service file (NAME.toml); %s", word, meant)
}

func (s *settings) setBound(text string) error {
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf(`--shutdown-timeout: want a duration with a unit, such as "8s", not %q`, text)
	}
	s.bound, s.boundSet = d, true
	return nil
}

// complete fills in what was not said.
func (s *settings) complete() error {
	paths := defaultPaths(os.Geteuid(), os.Getenv)
	if list := os.Getenv("GSV_SERVICES"); len(s.services) == 0 && list != "" {
		s.services = filepath.SplitList(list)
	}
	if len(s.services) == 0 {
		s.services = []string{paths.services}
	}
	s.runDir = cmp.Or(s.runDir, os.Getenv("GSV_RUN_DIR"))
	if s.runDir == "" {
		s.runDir = paths.run
		if s.command != nil && guardianPid() != 1 {
			// Many may be run at a time, and beside the one that has the services.
			s.runDir, s.private = filepath.Join(paths.run, "command-"+strconv.Itoa(guardianPid())), true
		}
	}
	s.config = cmp.Or(s.config, os.Getenv("GSV_CONFIG"))
	if s.configNamed = s.config != ""; !s.configNamed && s.command == nil {
		s.config = paths.config
	}
	s.logDir = cmp.Or(s.logDir, os.Getenv("GSV_LOG_DIR"), paths.log)
	if s.socket == "" {
		s.socket = os.Getenv("GSV_SOCKET")
	}
	if s.logDir == "" {
		return errors.New("neither XDG_STATE_HOME nor HOME is set: give --log-dir")
	}
	if len(s.files) == 0 && s.command == nil && s.services[0] == "" {
		return errors.New("neither XDG_CONFIG_HOME nor HOME is set: give --services")
	}
	s.socket = cmp.Or(s.socket, control.Socket(s.runDir))
	for _, p := range []*string{&s.runDir, &s.logDir, &s.socket} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("cannot tell the working directory: %w", err)
		}
		*p = abs
	}
	return nil
}

// guardianPid is the pid of gsv, which the supervisor is a child of.
func guardianPid() int {
	if os.Args[0] == guardian.SupervisorName {
		return os.Getppid()
	}
	return os.Getpid()
}

type paths struct{ services, run, log, config string }

// defaultPaths are where gsv's files are: the system's for root, else below the
// user's own directories (XDG Base Directory Specification). One is empty where
// the environment does not say enough.
func defaultPaths(uid int, getenv func(string) string) paths {
	run := control.RunDir(uid, getenv("XDG_RUNTIME_DIR"))
	if uid == 0 {
		return paths{"/etc/gsv/services.d", run, "/var/log/gsv", "/etc/gsv/gsv.toml"}
	}
	in := func(name, below, last string) string {
		if dir := getenv(name); filepath.IsAbs(dir) {
			return filepath.Join(dir, "gsv", last)
		}
		if home := getenv("HOME"); home != "" {
			return filepath.Join(home, below, "gsv", last)
		}
		return ""
	}
	return paths{in("XDG_CONFIG_HOME", ".config", "services.d"), run, in("XDG_STATE_HOME", ".local/state", ""), in("XDG_CONFIG_HOME", ".config", "gsv.toml")}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// load reads the service files that these settings name.
func (s *settings) load(d definition.Defaults) ([]*definition.Definition, []definition.Bad, error) {
	root := os.Geteuid() == 0
	switch {
	case s.command != nil:
		return []*definition.Definition{definition.Command(s.command, d)}, nil, nil
	case len(s.files) > 0:
		return definition.LoadFiles(s.files, root, d)
	}
	return definition.LoadDirs(s.services, root, d)
}

// configThere is the error of a gsv.toml that was named and is not there.
func (s *settings) configThere() error {
	if _, err := os.Stat(s.config); s.configNamed && err != nil {
		return fmt.Errorf("cannot use --config: %w", err)
	}
	return nil
}

// hasConfig reports whether there is a gsv.toml, or should be.
func (s *settings) hasConfig() bool {
	if s.configNamed || s.config == "" {
		return s.configNamed
	}
	_, err := os.Lstat(s.config)
	return !errors.Is(err, fs.ErrNotExist)
}

// loadSettings reads gsv.toml.
func (s *settings) loadSettings() (*definition.Settings, definition.Problems) {
	if !s.hasConfig() {
		return &definition.Settings{}, nil
	}
	return definition.LoadSettings(s.config, os.Geteuid() == 0)
}

func (s *settings) defaults(container bool) definition.Defaults {
	actions := map[string]definition.Action{}
	for _, v := range control.Actions() {
		for _, word := range append([]string{v.Name}, v.Aliases...) {
			actions[word] = definition.Action{Verb: v.Name, Signal: v.Signal}
		}
	}
	return definition.Defaults{Container: container, LogDir: s.logDir, Verbs: control.AllowKeys(), Actions: actions}
}

// release is set by the build of a release.
var release string

// version is the release's, or of a build from a checkout the commit's.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	v := "development"
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			v += " " + setting.Value[:12]
		}
	}
	return v
}
