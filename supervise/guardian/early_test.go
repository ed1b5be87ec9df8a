package guardian

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// playBecoming is a process that becomes a guardian.
func playBecoming() int {
	null, err := os.Open(os.DevNull)
	if err == nil {
		err = Become([]string{"argument"}, [2]*os.File{null, null})
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// playBecome is the supervisor of what has become a guardian.
func playBecome() int {
	c, err := Dial(3)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	name, err := os.Readlink("/proc/self/fd/4")
	procs, set := os.LookupEnv(procs)
	fmt.Println(os.Args[1:], name, err, procs, set)
	c.Exit(7)
	return 0
}

// What the guardian is told of processors reaches nobody else, and what others were told does.
func TestBecome(t *testing.T) {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return e[:min(len(e), len(procs)+1)] == procs+"=" })
	env = append(env, "GORACE=atexit_sleep_ms=0")
	for value, want := range map[string]string{"": " false", "GOMAXPROCS=1": "1 true", "GOMAXPROCS=": " true"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = []string{"becoming"}
		cmd.Env = env
		if value != "" {
			cmd.Env = append(env[:len(env):len(env)], value)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, _ := cmd.Output() // the state tells
		if got, want := string(out), "[argument] /dev/null <nil> "+want+"\n"; got != want || cmd.ProcessState.ExitCode() != 7 {
			t.Errorf("%q: supervisor says %q, want %q; %v\n%s", value, got, want, cmd.ProcessState, stderr.String())
		}
	}
}
