package main_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Patience bounds every wait of a script. Nothing is expected to take nearly as long.
const patience = 60 * time.Second

// Bin holds gsv, gsvctl and prefork, built as this test was (with -race or without).
var bin string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == numberedRole {
		if err := writeNumbered(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == livingRole {
		if err := writeOn(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	dir, remove, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot build what the scripts run:", err)
		os.Exit(1)
	}
	bin = dir
	status := m.Run()
	remove()
	os.Exit(status)
}

// Build makes the programs that scripts run, unless GSV_TEST_BIN names a directory that has them.
func build() (dir string, remove func(), err error) {
	if dir := os.Getenv("GSV_TEST_BIN"); dir != "" {
		return dir, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "gsv-bin")
	if err != nil {
		return "", nil, err
	}
	args := []string{"build", "-o", dir}
	if raced() {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "gsv/cmd/gsv", "gsv/cmd/gsvctl", "gsv/services.d/prefork")...).CombinedOutput()
	if err != nil {
		return "", nil, fmt.Errorf("%w\n%s", err, out)
	}
	// Scripts run some of it as another user.
	return dir, func() { os.RemoveAll(dir) }, os.Chmod(dir, 0o755)
}

func raced() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// TestScript runs testdata/*.txt: each a story of one behaviour, with the real gsv, gsvctl and servers.
// README.txt in testdata says what words there are besides testscript's own.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files:               scripts(t),
		Setup:               setup,
		Cmds:                words,
		Condition:           condition,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
	})
}

func scripts(t *testing.T) []string {
	files, err := filepath.Glob("testdata/*_*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	return files
}

// Setup gives each script directories, ports and a place for its gsv.
func setup(env *testscript.Env) error {
	// Other users must reach the programs and files, root's gsv refuses what they could change.
	for _, dir := range []string{filepath.Dir(env.WorkDir), env.WorkDir} {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"services.d", "run", "log"} {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, dir), 0o755); err != nil {
			return err
		}
	}
	env.Setenv("PATH", bin+":"+env.Getenv("PATH"))
	env.Setenv("GSV_SERVICES", filepath.Join(env.WorkDir, "services.d"))
	env.Setenv("GSV_RUN_DIR", filepath.Join(env.WorkDir, "run"))
	env.Setenv("GSV_LOG_DIR", filepath.Join(env.WorkDir, "log"))
	env.Setenv("GSV_SOCKET", filepath.Join(env.WorkDir, "run/gsv.sock"))
	env.Setenv("GSV_HOST", "app01")
	env.Setenv("NO_COLOR", "1")
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command takes a second to end
	for _, name := range []string{"PORT", "PORT2"} {
		port, free, err := reservePort()
		if err != nil {
			return err
		}
		env.Defer(free)
		env.Setenv(name, port)
	}
	// Files may say $PORT and the like.
	if err := expand(env, filepath.Join(env.WorkDir, "services.d")); err != nil {
		return err
	}
	t := env.T()
	failed := func() bool { f, ok := t.(interface{ Failed() bool }); return ok && f.Failed() }
	h := newHouse(env.WorkDir, env.Vars, t.Log, failed)
	env.Values[houseKey{}] = h
	env.Defer(h.close)
	return nil
}

// Expand replaces ${PORT}, ${PORT2} and ${WORK} in the files of a directory.
func expand(env *testscript.Env, dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := strings.NewReplacer("${PORT}", env.Getenv("PORT"), "${PORT2}", env.Getenv("PORT2"), "${WORK}", env.WorkDir).Replace(string(b))
		return os.WriteFile(path, []byte(text), 0o644)
	})
}

// Condition knows [root] and [pidns]: whether a pid namespace can be made.
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Getuid() == 0, nil
	case "pidns":
		return exec.Command("unshare", "--pid", "--fork", "--mount-proc", "true").Run() == nil, nil
	}
	return false, errors.New("unknown condition " + name)
}

// TestScriptNames asks for a script of each verb: its name begins with the verb.
func TestScriptNames(t *testing.T) {
	verbs := map[string]bool{}
	for _, file := range scripts(t) {
		first, _, _ := strings.Cut(filepath.Base(file), "_")
		verbs[first] = true
	}
	for _, verb := range strings.Fields("status start stop restart once quit hup ttin ttou kill signal logs ps pid wait events history why apply check watch shutdown version completion") {
		if !verbs[verb] {
			t.Errorf("no script begins with %s_", verb)
		}
	}
}
