package supervise

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/logs"
	"gsv/supervise/status"
	"gsv/supervise/watch"
)

// A fakeWatcher notes what it is told.
type fakeWatcher struct {
	watch.Options
	told    []string
	spec    watch.Spec
	pending string
}

func (f *fakeWatcher) note(format string, args ...any) {
	f.told = append(f.told, fmt.Sprintf(format, args...))
}

func (f *fakeWatcher) Set(name string, s watch.Spec) { f.spec = s; f.note("set %s", name) }
func (f *fakeWatcher) SetSince(name string, s watch.Spec, since time.Time, files uint64) {
	f.spec = s
	f.note("set %s again, of %d", name, files)
}
func (f *fakeWatcher) Remove(name string) { f.note("remove %s", name) }
func (f *fakeWatcher) Pause(name string)  { f.note("pause %s", name) }
func (f *fakeWatcher) Resume(name string) { f.note("resume %s", name) }
func (f *fakeWatcher) Loaded(name string) { f.note("loaded %s", name) }
func (f *fakeWatcher) Close() error       { return nil }
func (f *fakeWatcher) Pending(string) (string, time.Time) {
	return f.pending, time.Time{}
}

// take is what it was told since it was last asked.
func (f *fakeWatcher) take() string {
	told := strings.Join(f.told, ", ")
	f.told = nil
	return told
}

// A watchRig is a supervisor with one service, web, and no guardian: its starts
// wait for their turn for ever, and its signals go nowhere. All of it happens in
// the test's goroutine.
type watchRig struct {
	*Supervisor
	t    *testing.T
	fake *fakeWatcher
	svc  *service
}

var deployed = watch.Change{Files: 137, Under: "/srv/app", First: "lib/App.pm"}

const deployedText = "137 files under /srv/app, first lib/App.pm"

// newWatchRig makes one whose service has these keys beside its [watch] table, of
// which they are the end.
func newWatchRig(t *testing.T, keys string) *watchRig {
	t.Helper()
	r := &watchRig{t: t, fake: &fakeWatcher{}}
	r.Supervisor = watchSupervisor(t, r.fake, t.TempDir())
	r.svc = r.add("web")
	r.use(r.svc, r.parseDef(keys))
	r.start()
	r.fake.take()
	return r
}

func watchSupervisor(t *testing.T, fake *fakeWatcher, runDir string) *Supervisor {
	t.Helper()
	pump, err := logs.NewPump(logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &Supervisor{pump: pump, services: map[string]*service{}, mains: map[int]int{}, tokens: map[uint64]delivery{}, launching: maxLaunching,
		reports: make(chan func()), calls: make(chan func()), done: make(chan struct{}), pid: 4711, store: store{dir: runDir},
		opts: Options{LogDir: t.TempDir(), RunDir: runDir}}
	s.newWatcher = func(o watch.Options) (watcher, error) { fake.Options = o; return fake, nil }
	if err := os.MkdirAll(filepath.Join(runDir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(s.done)
		pump.Close()
	})
	return s
}

func (r *watchRig) parseDef(keys string) *definition.Definition {
	r.t.Helper()
	d, problems := definition.Parse("web", "web.toml", []byte("command = 'sleep 1'\nmin-uptime = '0s'\nstart-limit = 1000\n"+keys), definition.Defaults{})
	if d == nil {
		r.t.Fatal(problems)
	}
	return d
}

// start has the service run and be ready.
func (r *watchRig) start() {
	r.t.Helper()
	if err := r.step(r.svc, lifecycle.Command{Verb: lifecycle.DoStart}); err != nil {
		r.t.Fatal(err)
	}
	r.step(r.svc, lifecycle.Launched{Gen: r.svc.state.Gen})
	r.step(r.svc, lifecycle.Ready{Gen: r.svc.state.Gen})
}

// ask is an operator's verb.
func (r *watchRig) ask(verb string) status.Operation {
	r.t.Helper()
	q := status.Request{ID: newID(), Verb: verb, Service: "web", By: status.Caller{User: "deploy"}}
	op, err := r.accept(q, r.commandOf(q), 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return op
}

func (r *watchRig) pauseFor(action string, d time.Duration) (status.Operation, error) {
	return r.acceptWatch(status.Request{ID: newID(), Verb: "watch", Action: action, For: d, Service: "web", By: status.Caller{User: "deploy"}})
}

// settle is told by the watcher, and what then is due is done.
func (r *watchRig) settle(c watch.Change) {
	r.settled("web", c)
	r.elapse(0)
}

// elapse does what is due within d, and what follows at once.
func (r *watchRig) elapse(d time.Duration) {
	for due := r.due.pop(now().Add(d), 100); len(due) > 0; due = r.due.pop(now(), 100) {
		for _, do := range due {
			do()
		}
	}
}

// waiting is the verbs that wait for the service, by whom.
func (r *watchRig) waiting() string {
	var list []string
	for _, o := range r.svc.state.Ops {
		op := r.Supervisor.ops.byID[o.ID]
		list = append(list, op.Verb+" by "+op.By.User)
	}
	return strings.Join(list, ", ")
}

// told is the texts of the events of kind watch.
func (r *watchRig) told() string {
	var texts []string
	for _, ev := range r.journal.after(0) {
		if ev.Kind == "watch" {
			texts = append(texts, ev.Text)
		}
	}
	return strings.Join(texts, "\n")
}

func (r *watchRig) want(what, got, want string) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// signalled goes on with a reload to where its signal is sent.
func (r *watchRig) signalled() {
	r.t.Helper()
	rl := r.svc.state.Reload
	if rl == nil {
		r.t.Fatal("there is no reload")
	}
	r.step(r.svc, lifecycle.Surveyed{Op: rl.Op, Signal: r.svc.def.Signals.Reload})
}

// checked ends a check-command.
func (r *watchRig) checked(op lifecycle.OpID, why string) {
	r.helpers = nil
	r.step(r.svc, lifecycle.Checked{Op: op, Err: why})
}

const watched = "[watch]\npaths = ['/srv/app']\n"

const unchecked = "check-command = []\n" + watched
