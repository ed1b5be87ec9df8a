// Gsvctl tells gsv what to do and shows how its services are.
//
// One file a family of verbs: verb.go (what changes services), status.go, logs.go, events.go, wait.go, whole.go (gsv itself). What verbs there are, and what
// they take, is in the table of gsv/control. It never reads stdin, and links neither the supervisor nor net: it must be quick to start.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gsv/control"
	"gsv/supervise/status"
)

func main() {
	c := &cli{
		env: os.Getenv,
		out: os.Stdout,
		err: os.Stderr,
		uid: os.Geteuid(),
		now: time.Now,
		interrupts: func() <-chan os.Signal {
			interrupts := make(chan os.Signal, 1)
			signal.Notify(interrupts, os.Interrupt)
			return interrupts
		},
		live:   terminal(os.Stderr),
		screen: terminal(os.Stdout),
		colour: terminal(os.Stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
	os.Exit(c.run(os.Args[1:]))
}

// terminal says whether a file is a terminal.
func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// A cli is one call of gsvctl. Nothing else knows the world outside.
type cli struct {
	env        func(string) string
	out, err   io.Writer
	uid        int
	now        func() time.Time
	interrupts func() <-chan os.Signal // begins to listen for Ctrl-C: nil = never
	live       bool                    // stderr is a terminal: show progress
	screen     bool                    // stdout is a terminal
	colour     bool                    // and one that takes colours

	client *control.Client
	host   string

	waiting bool // for Ctrl-C too

	mu    sync.Mutex
	drawn bool // a progress line stands on the terminal
}

// run does what the command line says and returns the exit status.
func (c *cli) run(args []string) int {
	if len(args) > 0 && args[0] == "__complete" {
		return c.complete(args[1:])
	}
	cmd, err := parse(args)
	if err != nil {
		return c.usage(err)
	}
	if cmd.has("help") || cmd.verb == nil || cmd.verb.Args == control.OptionalVerb {
		return c.help(cmd)
	}
	timeout, err := cmd.duration("timeout")
	if err != nil {
		return c.usage(err)
	}
	w := control.Where{Flag: cmd.flags["socket"], Env: c.env("GSV_SOCKET"), RuntimeDir: c.env("XDG_RUNTIME_DIR"), UID: c.uid}
	c.client = &control.Client{}
	c.client.Path, c.client.Tried = w.Sockets()
	if timeout > 0 {
		c.client.Deadline = c.now().Add(timeout)
	}
	if c.host = c.env("GSV_HOST"); c.host == "" {
		// Only a kernel without uname(2) fails here; the verdict then names the service alone.
		c.host, _ = os.Hostname()
	}
	if cmd.verb.Class == control.Service {
		return c.verb(cmd)
	}
	do, ok := map[string]func(*cli, *command) int{
		"status": (*cli).status, "logs": (*cli).logs, "events": (*cli).events, "wait": (*cli).wait, "apply": (*cli).apply,
		"ps": (*cli).ps, "pid": (*cli).pid, "history": (*cli).history, "why": (*cli).why, "check": (*cli).check, "shutdown": (*cli).shutdown, "version": (*cli).version, "completion": (*cli).completion,
	}[cmd.verb.Name]
	if !ok {
		return c.usage(&usageError{text: cmd.verb.Name + ": not supported yet"})
	}
	return do(c, cmd)
}

// mayWait makes Ctrl-C end the waiting and not gsvctl, once. It is called only where there is something to wait for: listening for a signal takes
// a thread, and a verb that only sends one is done before that is there.
func (c *cli) mayWait() {
	if c.waiting || c.interrupts == nil {
		return
	}
	c.waiting = true
	interrupts := c.interrupts()
	go func() {
		<-interrupts
		signal.Reset(os.Interrupt) // the next one ends gsvctl whatever it does
		c.client.Interrupt()
	}()
}

// usage says what is wrong with the command line.
func (c *cli) usage(err error) int {
	fmt.Fprintf(c.err, "gsvctl: %v\n", err)
	var u *usageError
	if errors.As(err, &u) && u.hint != "" {
		fmt.Fprintf(c.err, "hint: %s\n", u.hint)
	}
	return control.Usage
}

// fail says why something was not done, and gives the exit status for it.
func (c *cli) fail(cmd *command, err error) int {
	c.clear()
	code := control.Exit(err)
	var p *status.Problem
	switch {
	case errors.As(err, &p):
		if cmd.has("json") {
			c.json(p)
		}
		text := p.Detail
		if text == "" {
			text = p.Title
		}
		if p.Service == "" {
			fmt.Fprintf(c.err, "gsvctl: %s\n", c.safeErr(text))
		} else {
			for name := range strings.SplitSeq(p.Service, ", ") {
				if group, ok := strings.CutPrefix(name, "@"); ok && code == control.NoService {
					fmt.Fprintf(c.err, "gsvctl: no such group @%s\n", group)
					continue
				}
				fmt.Fprintf(c.err, "%s@%s: %s\n", name, c.host, c.safeErr(text))
			}
		}
		hint := p.Hint
		if near := c.near(p); near != "" {
			hint = "did you mean " + near + "?"
		}
		if hint != "" {
			fmt.Fprintf(c.err, "hint: %s\n", c.safeErr(hint))
		}
	case code == control.TimedOut:
		fmt.Fprintf(c.err, "gsvctl: gsv has not answered after %s\n", cmd.flags["timeout"])
	case code == control.Detached:
	default:
		fmt.Fprintf(c.err, "gsvctl: %v\n", err)
	}
	return code
}

// near is the service that was probably meant where there is none of a name, "" if that is not known.
func (c *cli) near(p *status.Problem) string {
	if p.ExitCode != control.NoService || !control.Plain(p.Service) {
		return ""
	}
	var all listing
	if err := c.client.Get("/v1/services", &all); err != nil {
		return ""
	}
	return control.ClosestName(p.Service, all.Services)
}

// progress redraws the live line.
func (c *cli) progress(text string) {
	if !c.live {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drawn = true
	fmt.Fprintf(c.err, "\r\x1b[K%s", text)
}

// clear removes the live line.
func (c *cli) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drawn {
		c.drawn = false
		io.WriteString(c.err, "\r\x1b[K")
	}
}
