package lifecycle

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the stories with what happens now")

// Every file in testdata is a story: a line "policy KEY=VALUE…" to begin with,
// then "what happens => PHASE effects". Phases are in capitals; (in brackets) the
// operations that wait. "recover 2:ended 3" is a supervisor that finds these runs.
func TestStories(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no stories")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the story goes differently now (-update rewrites it):\n%s", diff)
			}
		})
	}
}

// teller replays a story.
type teller struct {
	t   *testing.T
	p   Policy
	s   State
	now time.Time

	silent bool // starts are not answered by themselves
}

func tell(t *testing.T, story string) string {
	tl := &teller{t: t, p: defaultPolicy(), now: time.Unix(1e9, 0)}
	var out strings.Builder
	for in := bufio.NewScanner(strings.NewReader(story)); in.Scan(); {
		line := in.Text()
		said, _, _ := strings.Cut(line, "=>")
		words := strings.Fields(said)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case words[0] == "policy":
			tl.policy(words[1:])
			fmt.Fprintln(&out, line)
		default:
			fmt.Fprintf(&out, "%-18s => %s\n", strings.TrimSpace(said), tl.happens(words))
		}
	}
	return out.String()
}

func defaultPolicy() Policy {
	return Policy{
		Delay: 500 * time.Millisecond, DelayMax: 30 * time.Second, DelayFactor: 2,
		StartLimitInterval: 10 * time.Minute, MinUptime: time.Second, StartTimeout: 90 * time.Second,
		Success:       []ExitMatch{{}},
		Stop:          []StopStep{{syscall.SIGTERM, 30 * time.Second}, {Signal: syscall.SIGKILL}},
		ReloadTimeout: time.Minute, DrainTimeout: 2 * time.Minute,
		Quit: []StopStep{{syscall.SIGQUIT, 2 * time.Minute}, {syscall.SIGTERM, 30 * time.Second}, {Signal: syscall.SIGKILL}},
	}
}

func (tl *teller) policy(words []string) {
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		d, _ := time.ParseDuration(value)
		n, _ := strconv.Atoi(value)
		switch key {
		case "oneshot":
			tl.p.Oneshot, tl.p.Restart, tl.p.StartTimeout = true, Never, 0
		case "main":
			tl.p.Main, tl.p.Restart = true, Never
		case "shutdown":
			tl.p.Shutdown = true
		case "probe":
			tl.p.Probe = value != "no"
		case "check":
			tl.p.Check = value != "no"
		case "ask":
			tl.p.Ask = true
		case "workers":
			tl.p.Workers = value != "no"
		case "counts":
			tl.p.Counts = true
		case "keeps":
			tl.p.Keeps = value != "no"
		case "overlaps":
			tl.p.Overlaps = true
		case "restarts":
			tl.p.Restarts = true
		case "blind":
			tl.p.Blind = true
		case "by-workers":
			tl.p.Probe, tl.p.Workers, tl.p.ByWorkers = true, true, true
		case "replace":
			tl.p.Method = ByReplace
		case "usr2":
			tl.p.Method = ByUpgrade
		case "drain-timeout":
			tl.p.DrainTimeout = d
		case "reload-timeout":
			tl.p.ReloadTimeout = d
		case "group":
			tl.p.Group = true
		case "restart":
			tl.p.Restart = map[string]Restart{"always": Always, "on-failure": OnFailure, "no": Never}[value]
		case "delay":
			tl.p.Delay = d
		case "delay-max":
			tl.p.DelayMax = d
		case "min-uptime":
			tl.p.MinUptime = d
		case "start-timeout":
			tl.p.StartTimeout = d
		case "start-limit":
			tl.p.StartLimit = n
		default:
			tl.t.Fatalf("no such policy: %s", w)
		}
	}
}

var signals = map[string]syscall.Signal{"HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL, "TERM": syscall.SIGTERM,
	"QUIT": syscall.SIGQUIT, "TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU}

func (tl *teller) happens(words []string) string {
	verb, at, _ := strings.Cut(words[0], "@")
	gen := tl.s.Gen
	if at != "" {
		gen, _ = strconv.Atoi(at)
	}
	args := words[1:]
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	commands := map[string]Verb{"start": DoStart, "stop": DoStop, "quit": DoQuit, "once": DoOnce, "restart": DoRestart}
	switch verb {
	case "start", "stop", "quit", "once", "restart":
		return tl.step(Command{Op: OpID(arg(0)), Verb: commands[verb], Reset: arg(1) == "reset"})
	case "signal":
		return tl.step(Command{Op: OpID(arg(1)), Verb: DoSignal, Signal: signals[arg(0)]})
	case "hup":
		return tl.step(Command{Op: OpID(arg(0)), Verb: DoReload, NoCheck: arg(1) == "no-check"})
	case "replace":
		return tl.step(Command{Op: OpID(arg(0)), Verb: DoReplace, NoCheck: arg(1) == "no-check"})
	case "succeeded": // by that process
		n, _ := strconv.Atoi(arg(0))
		if at == "" {
			gen = tl.s.Current().Gen
		}
		return tl.step(Succeeded{Gen: gen, Next: Proc{Pid: n, Start: 1}})
	case "successor-ended": // unseen
		if at == "" {
			gen = tl.s.Current().Gen
		}
		return tl.step(SuccessorEnded{Gen: gen})
	case "overdue": // PID…
		ev := Overdue{Gen: gen}
		for _, w := range workers(args) {
			ev.Procs = append(ev.Procs, w.Proc)
		}
		return tl.step(ev)
	case "extend":
		d, _ := time.ParseDuration(arg(0))
		return tl.step(Extend{Gen: gen, Until: tl.now.Add(d)})
	case "scale":
		n, _ := strconv.Atoi(arg(1))
		return tl.step(Command{Op: OpID(arg(0)), Verb: DoScale, Count: n, NoCheck: arg(2) == "no-check"})
	case "remembered":
		return fmt.Sprintf("%d%+d", tl.s.Scale.Base, tl.s.Scale.Delta)
	case "checked":
		return tl.step(Checked{Op: OpID(arg(0)), Err: strings.Join(args[1:], " ")})
	case "surveyed": // OP WORKER… : those that have to go
		return tl.step(tl.surveyed(OpID(arg(0)), args[1:]))
	case "workers": // what a look sees
		queue := 0
		if n := len(args); n > 0 && args[n-1] == "queue" {
			args, queue = args[:n-1], 3
		}
		return tl.step(Census{Gen: gen, Workers: workers(args), Queue: queue})
	case "answered":
		return tl.step(Answered{Op: OpID(arg(0)), Err: strings.Join(args[1:], " "), Final: arg(1) == "never"})
	case "ailing":
		return tl.step(Ailing{Gen: gen, Why: strings.Join(args, " ")})
	case "launched":
		return tl.step(Launched{gen})
	case "unanswered": // from now on no start is answered but by "launched"
		tl.silent = true
		return tl.show(nil)
	case "changed": // the policy, by the lines before
		return tl.step(Changed{})
	case "ready":
		return tl.step(Ready{gen})
	case "exit":
		ev := Ended{Gen: gen}
		if sig, ok := signals[arg(0)]; ok {
			ev.Exit.Signal = sig
		} else {
			ev.Exit.Code, _ = strconv.Atoi(arg(0))
		}
		ev.Left = arg(1) == "left"
		return tl.step(ev)
	case "cannot":
		return tl.step(Ended{Gen: gen, Exit: Exit{Failure: strings.Join(args, " ")}})
	case "empty":
		return tl.step(Empty{Gen: gen})
	case "delivered":
		return tl.step(Delivered{Op: OpID(arg(0)), Err: strings.Join(args[1:], " ")})
	case "after":
		d, err := time.ParseDuration(arg(0))
		if err != nil {
			tl.t.Fatal(err)
		}
		return tl.after(d)
	case "recover":
		var found []Found
		for _, a := range args {
			number, how, ended := strings.Cut(a, ":")
			f := Found{Since: tl.now}
			f.Gen, _ = strconv.Atoi(number)
			if ended {
				f.Ended = &Ended{Gen: f.Gen, Left: how == "left"}
			}
			found = append(found, f)
		}
		var effects []Effect
		tl.s, effects = Recover(tl.p, tl.s, tl.now, found)
		return tl.show(append(effects, tl.answer(effects)...))
	}
	tl.t.Fatalf("nothing like %q can happen", words[0])
	return ""
}

// surveyed is what a survey finds: workers, or "refused WHY", "restart", "command".
func (tl *teller) surveyed(op OpID, words []string) Surveyed {
	ev := Surveyed{Op: op, Signal: syscall.SIGHUP}
	if sc := tl.s.Scaling; sc != nil && sc.Op == op {
		ev.Signal, ev.Back = syscall.SIGTTIN, syscall.SIGTTOU
		if sc.Count < 0 {
			ev.Signal, ev.Back = syscall.SIGTTOU, 0
		}
	}
	switch {
	case len(words) > 0 && words[0] == "refused":
		ev.Err = strings.Join(words[1:], " ")
		return ev
	case len(words) > 0 && words[0] == "restart":
		ev.Restart = true
		return ev
	case len(words) > 0 && words[0] == "command":
		ev.Run, words = true, words[1:]
	}
	if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "storm-of-") { // "storm-of-4": there were 4 before
		ev.Steady, _ = strconv.Atoi(words[n-1][len("storm-of-"):])
		ev.Crew.Died, ev.Crew.Changed = 9, tl.now
		words = words[:n-1]
	}
	if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "of-") { // "of-4": there were 4 before, and none is known to have died
		ev.Steady, _ = strconv.Atoi(words[n-1][len("of-"):])
		words = words[:n-1]
	}
	ev.Workers = workers(words)
	for _, w := range ev.Workers {
		if w.Shows {
			ago := tl.now.Add(-time.Hour)
			ev.Crew.Members = append(ev.Crew.Members, Member{Proc: w.Proc, Since: ago, Shows: ago, Between: w.Between})
		}
	}
	for _, w := range ev.Workers {
		if !w.Between {
			ev.Need++
		}
	}
	return ev
}

// workers reads "7" as a worker that shows its sign, "7?" as one that does not
// yet, "7-" as a process between.
func workers(words []string) []Worker {
	var list []Worker
	for _, word := range words {
		n, _ := strconv.Atoi(strings.TrimRight(word, "?-"))
		list = append(list, Worker{Proc: Proc{Pid: n, Start: 1}, Shows: !strings.HasSuffix(word, "?"), Between: strings.HasSuffix(word, "-")})
	}
	return list
}

func (tl *teller) after(d time.Duration) string {
	end := tl.now.Add(d)
	var all []Effect
	for {
		next := tl.s.Deadline()
		if next.IsZero() || next.After(end) {
			break
		}
		tl.now = next
		s, effects, err := Step(tl.p, tl.s, tl.now, Tick{})
		if err != nil {
			tl.t.Fatal(err)
		}
		tl.s, all = s, append(all, effects...)
		all = append(all, tl.answer(effects)...)
	}
	tl.now = end
	return tl.show(all)
}

func (tl *teller) step(ev Event) string {
	s, effects, err := Step(tl.p, tl.s, tl.now, ev)
	if err != nil {
		return "error: " + err.Error()
	}
	tl.s = s
	return tl.show(append(effects, tl.answer(effects)...))
}

// answer says of what was started that it exists now.
func (tl *teller) answer(effects []Effect) (more []Effect) {
	for _, e := range effects {
		start, ok := e.(StartRun)
		if !ok || tl.silent {
			continue
		}
		s, effects, err := Step(tl.p, tl.s, tl.now, Launched(start))
		if err != nil {
			tl.t.Fatal(err)
		}
		tl.s, more = s, append(more, effects...)
	}
	return more
}

func nameOf(sig syscall.Signal) string {
	for name, s := range signals {
		if s == sig {
			return name
		}
	}
	return sig.String()
}

func (tl *teller) show(effects []Effect) string {
	out := strings.ToUpper(tl.s.Phase().String())
	for _, r := range tl.s.Runs {
		if len(tl.s.Runs) > 1 || r.Role != Serving {
			out += fmt.Sprintf(" %s%d", [...]string{"", "try", "leave"}[r.Role], r.Gen)
		}
	}
	if tl.s.Ailing != "" {
		out += " ailing"
	}
	if tl.s.Phase() == Backoff {
		out += fmt.Sprint(" in ", tl.s.RetryAt.Sub(tl.now))
	}
	for _, e := range effects {
		switch e := e.(type) {
		case StartRun:
			out += fmt.Sprintf(" start(%d)", e.Gen)
		case Adopt:
			out += fmt.Sprintf(" adopt(%d %d)", e.Gen, e.Proc.Pid)
		case Serve:
			out += fmt.Sprintf(" serve(%d)", e.Gen)
		case Name:
			out += fmt.Sprintf(" name(%d)", e.Gen)
		case Kill:
			to := "main"
			if e.Group {
				to = "group"
			}
			times := ""
			if e.Count > 1 {
				times = fmt.Sprintf(" %d times", e.Count)
			}
			out += fmt.Sprintf(" %s(%d %s%s)", nameOf(e.Signal), e.Gen, to, times)
		case Check:
			out += fmt.Sprintf(" check(%s)", e.Op)
		case Survey:
			out += fmt.Sprintf(" survey(%s)", e.Op)
		case RunReload:
			out += fmt.Sprintf(" run(%s)", e.Op)
		case Ask:
			out += fmt.Sprintf(" ask(%s)", e.Op)
		case End:
			out += " " + nameOf(e.Signal) + "("
			for i, p := range e.Procs {
				out += [...]string{"", " "}[min(i, 1)] + strconv.Itoa(p.Pid)
			}
			out += ")"
		case Finish:
			out += fmt.Sprintf(" %s:%s", e.Op, [...]string{"done", "failed", "superseded"}[e.Result])
			if e.Why != "" {
				out += fmt.Sprintf("(%s)", e.Why)
			}
		case Shutdown:
			out += " shutdown"
		}
	}
	for i, op := range tl.s.Ops {
		out += [...]string{" [", " "}[min(i, 1)] + string(op.ID)
		if i == len(tl.s.Ops)-1 {
			out += "]"
		}
	}
	return out
}
