package supervise

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/lifecycle"
	"gsv/supervise/status"
	"gsv/supervise/watch"
)

func TestWatchFollowsTheService(t *testing.T) {
	r := newWatchRig(t, unchecked)
	r.want("paths", strings.Join(r.fake.spec.Paths, " "), "/srv/app")
	r.ask("stop")
	r.want("stopped", r.fake.take(), "remove web")
	r.settle(deployed)
	r.want("a deploy of a stopped one", r.waiting(), "stop by deploy")
	r.step(r.svc, lifecycle.Ended{Gen: 1})
	r.settle(deployed)
	r.want("a deploy of one that is down", r.waiting()+r.told(), "")
	r.start()
	r.want("started again", r.fake.take(), "set web")
	r.step(r.svc, lifecycle.Ended{Gen: 2})
	r.want("ended", r.fake.take(), "")
	r.svc.state.RetryAt = now()
	r.step(r.svc, lifecycle.Tick{})
	r.want("started by itself", r.fake.take(), "loaded web")
	r.svc.state.Runs, r.svc.state.Idle = nil, lifecycle.Fatal
	r.step(r.svc, lifecycle.Tick{})
	r.want("given up", r.fake.take(), "remove web")
	r.start()
	r.apply(planned{Step: status.Step{Service: "web", Action: status.Change}, def: r.parseDef("check-command = []\n")}, true)
	r.want("not watched any more", r.fake.take(), "set web, remove web")
	if r.svc.watch != nil || r.view(r.svc).Watch != nil {
		t.Errorf("%+v is left", r.svc.watch)
	}
}

// A change of the file is told only where something of the table changes.
func TestWatchFollowsTheFile(t *testing.T) {
	r := newWatchRig(t, unchecked)
	change := func(keys string) {
		t.Helper()
		r.apply(planned{Step: status.Step{Service: "web", Action: status.Change}, def: r.parseDef(keys)}, true)
	}
	change(unchecked + "\n# a comment\n")
	r.want("a comment", r.fake.take(), "")
	change("check-command = []\nstop-timeout = '1s'\n" + watched)
	r.want("another key", r.fake.take(), "")
	change(unchecked + "ignore = ['x']\ndebounce = '1s'\npoll = '1m'\nmax-delay = '1h'\nstamp = '/s'\n")
	want := watch.Spec{Paths: []string{"/srv/app"}, Ignore: []string{"x"}, Debounce: time.Second, MaxDelay: time.Hour, Poll: time.Minute, Stamp: "/s", Except: r.fake.spec.Except}
	r.want("all of it", r.fake.take()+fmt.Sprint(r.fake.spec), "set web"+fmt.Sprint(want))
	r.want("state", r.view(r.svc).Watch.State, status.Polling)
}

func TestWatchReloads(t *testing.T) {
	r := newWatchRig(t, unchecked)
	r.settle(deployed)
	r.want("waits", r.waiting(), "hup by watch")
	r.want("before the signal", r.fake.take(), "")
	op := r.Supervisor.ops.byID[r.svc.state.Reload.Op]
	if op.Reason != deployedText || op.By.UID != uint32(os.Geteuid()) || op.By.Pid != 4711 {
		t.Errorf("the operation is %+v", op.Operation)
	}
	r.want("events", r.told(), "deployed: "+deployedText)
	r.signalled()
	r.want("at the signal", r.fake.take(), "loaded web")
	if last := r.svc.lastReload; last != nil {
		t.Errorf("the last reload is %+v already", last)
	}
	op.result = status.Failed
	r.ended(op)
	r.want("the last reload", r.svc.lastReload.By+": "+r.svc.lastReload.Reason, "watch: "+deployedText)
	ev := operationEvent(op)
	if want := "(by watch: " + deployedText + ")"; !strings.HasSuffix(ev.Text, want) || ev.Op.Reason == "" {
		t.Errorf("the event says %q", ev.Text)
	}
}

// What a deploy tool asks for itself is the one reload, whenever the watch comes to know of the deploy.
func TestWatchAndADeployToolsOwnReload(t *testing.T) {
	checked := "check-command = 'true'\n" + watched
	for _, tt := range []struct {
		name, keys, verb string
		play             func(r *watchRig)
		told, waiting    string
	}{
		{"hup, before it settles", unchecked, "hup", func(r *watchRig) { r.signalled() }, "loaded web", ""},
		{"hup with a check", checked, "hup", func(*watchRig) {}, "loaded web", "hup by deploy"},
		{"hup with a check, then the signal", checked, "hup", func(r *watchRig) {
			r.checked(r.svc.state.Reload.Op, "")
			r.signalled()
		}, "loaded web, loaded web", ""},
		{"settled while it is checked", checked, "hup", func(r *watchRig) { r.settle(deployed) }, "loaded web", "hup by deploy"},
		{"settled while it is checked, and loaded", checked, "hup", func(r *watchRig) {
			r.settle(deployed)
			r.checked(r.svc.state.Reload.Op, "")
			r.signalled()
			r.elapse(0)
		}, "loaded web, loaded web", ""},
		{"settled while it is checked, and not loaded", checked, "hup", func(r *watchRig) {
			r.settle(deployed)
			r.checked(r.svc.state.Reload.Op, "no")
			r.elapse(0)
		}, "loaded web, loaded web", "hup by watch"},
		{"settled while it is surveyed", unchecked, "hup", func(r *watchRig) { r.settle(deployed) }, "", "hup by deploy"},
		{"refused", unchecked, "hup", func(r *watchRig) {
			r.settle(deployed)
			r.step(r.svc, lifecycle.Surveyed{Op: r.svc.state.Reload.Op, Err: "no"})
			r.elapse(0)
		}, "", "hup by watch"},
		{"restart", unchecked, "restart", func(r *watchRig) { r.settle(deployed) }, "", "restart by deploy"},
		{"restart, when it starts", unchecked, "restart", func(r *watchRig) {
			r.settle(deployed)
			r.step(r.svc, lifecycle.Ended{Gen: 1})
			r.elapse(0)
		}, "loaded web", "restart by deploy"},
		{"restart that is checked", checked, "restart", func(r *watchRig) {
			r.settle(deployed)
			r.checked(r.svc.state.Ops[0].ID, "no")
			r.elapse(0)
		}, "loaded web, loaded web", "hup by watch"},
		{"replace", unchecked, "replace", func(r *watchRig) { r.step(r.svc, lifecycle.Surveyed{Op: r.svc.state.Reload.Op}) }, "loaded web", "replace by deploy"},
		{"a later one, after a deploy of its own", unchecked, "replace", func(r *watchRig) {
			r.step(r.svc, lifecycle.Surveyed{Op: r.svc.state.Reload.Op})
			r.settle(deployed)
		}, "loaded web", "replace by deploy, hup by watch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newWatchRig(t, tt.keys)
			r.ask(tt.verb)
			tt.play(r)
			r.want("told", r.fake.take(), tt.told)
			r.want("waiting", r.waiting(), tt.waiting)
			if r.svc.watch.held != nil && !r.svc.loadsSoon() {
				t.Errorf("%+v is held for ever", r.svc.watch.held)
			}
		})
	}
}

// Reloads that wait for the same turn are one.
func TestWatchSharesAReload(t *testing.T) {
	r := newWatchRig(t, unchecked)
	r.svc.state.Reload, r.svc.state.Reloads = &lifecycle.Reload{Turn: 1, Op: "first", Gen: 1, Stage: lifecycle.Proving}, 1
	r.ask("hup")
	r.settle(deployed)
	r.want("waiting", r.waiting(), "hup by deploy, hup by watch")
	if a, b := r.svc.state.Ops[0].Turn, r.svc.state.Ops[1].Turn; a != 2 || b != 2 {
		t.Errorf("turns %d and %d", a, b)
	}
}

func TestWatchActions(t *testing.T) {
	for _, tt := range []struct{ keys, waiting string }{
		{unchecked, "hup by watch"},
		{unchecked + "action = 'restart'\n", "restart by watch"},
		{unchecked + "action = 'replace'\n", "replace by watch"},
		{unchecked + "action = 'quit'\n", "quit by watch"},
	} {
		r := newWatchRig(t, tt.keys)
		r.settle(deployed)
		r.want(tt.keys, r.waiting(), tt.waiting)
	}
	r := newWatchRig(t, unchecked)
	r.step(r.svc, lifecycle.Ended{Gen: 1})
	r.settle(deployed)
	r.want("in backoff", fmt.Sprint(r.waiting(), r.svc.state.Phase()), "hup by watchstarting")
	r = newWatchRig(t, "type = 'oneshot'\n"+unchecked)
	r.settle(deployed)
	r.want("a oneshot that runs", r.waiting(), "")
	r.step(r.svc, lifecycle.Ended{Gen: 1})
	r.elapse(0)
	r.want("a oneshot that has ended", fmt.Sprint(r.waiting(), r.svc.state.Phase()), "hup by watchstarting")
}

func TestWatchSignal(t *testing.T) {
	r := newWatchRig(t, unchecked)
	d := *r.svc.def
	d.Watch.Action = definition.Action{Verb: "usr1", Signal: "USR1"}
	r.svc.def = &d
	r.step(r.svc, lifecycle.Ended{Gen: 1})
	r.settle(deployed)
	r.want("in backoff", r.waiting()+r.told(), "")
	r.start()
	if r.svc.watch.held != nil {
		t.Error("what a start has loaded is held still")
	}
	r.svc.runs[2].launched = false
	r.settle(deployed)
	(<-r.calls)() // it finds out about the process first
	(<-r.calls)()
	(<-r.reports)()
	r.want("done", r.told(), "deployed: "+deployedText)
	if n := len(r.Supervisor.ops.byID); n == 0 {
		t.Error("there is no operation")
	}
}

func TestWatchLoopIsStopped(t *testing.T) {
	r := newWatchRig(t, unchecked)
	r.svc.def.Watch.Debounce = time.Nanosecond
	pyc := watch.Change{Files: 2, Under: "/srv/app", First: "lib/__pycache__/x.pyc"}
	r.settle(deployed)
	for i := range loopSame {
		if !strings.HasPrefix(r.waiting(), "hup by watch") {
			t.Fatalf("reload %d: %s", i, r.waiting())
		}
		r.signalled()
		r.settle(pyc)
	}
	r.want("after three of its own", r.waiting(), "")
	v := r.view(r.svc).Watch
	const why = "the service itself changes lib/__pycache__/x.pyc after each reload; add it to ignore; gsvctl watch resume web"
	r.want("state", v.State+": "+v.Reason, status.WatchStopped+": "+why)
	if !strings.HasSuffix(r.told(), "watch stopped: "+why) {
		t.Errorf("events: %s", r.told())
	}
	if !strings.HasSuffix(r.fake.take(), "pause web") {
		t.Error("the watcher was not told")
	}
	if op, err := r.pauseFor(status.Resume, 0); err != nil || op.Already {
		t.Errorf("resume: %+v, %v", op, err)
	}
	r.want("resumed", r.fake.take()+r.view(r.svc).Watch.State, "resume web"+status.Watching)
	r.svc.watch.stopped = "x"
	r.apply(planned{Step: status.Step{Service: "web", Action: status.Change}, def: r.parseDef(unchecked + "ignore = ['*.pyc']\n")}, true)
	r.want("ignored", r.fake.take()+r.view(r.svc).Watch.State, "set web, resume web"+status.Watching)
}

// Somebody else's reload ends what looks like a loop.
func TestWatchLoopIsBroken(t *testing.T) {
	r := newWatchRig(t, unchecked)
	r.svc.def.Watch.Debounce = time.Nanosecond
	for range 2 * loopSame {
		r.settle(deployed)
		r.signalled()
		op := r.ask("hup")
		r.signalled()
		if r.Supervisor.ops.byID[lifecycle.OpID(op.ID)].Ended.IsZero() {
			t.Fatal("it goes on")
		}
	}
	r.want("stopped", r.svc.watch.stopped, "")
}

func TestWatchTellsOfTrouble(t *testing.T) {
	r := newWatchRig(t, unchecked+"max-delay = '5m'\n")
	go r.fake.Trouble("web", "polls every 10 s")
	(<-r.reports)()
	r.watchTrouble("web", "polls every 10 s")
	r.watchTrouble("nosuch", "x")
	go r.fake.Stalled("web", ".blob.bin.Xy12ab is being written")
	(<-r.reports)()
	v := r.view(r.svc).Watch
	r.want("status", v.Trouble+", "+v.Stalled, "polls every 10 s, .blob.bin.Xy12ab is being written")
	r.fake.pending = "12 files under /srv/app"
	r.watched(r.svc, v)
	r.want("pending", v.Pending+" "+strings.Join(v.Paths, " "), "12 files under /srv/app /srv/app")
	go r.fake.Settled("web", deployed)
	(<-r.reports)()
	r.watchTrouble("web", "")
	v = r.view(r.svc).Watch
	r.want("later", v.Trouble+v.Stalled, "")
	r.want("events", r.told(), "polls every 10 s\nnot settled after 5m: .blob.bin.Xy12ab is being written\ndeployed: "+deployedText+"\nfiles are watched again as they should be")

	s := watchSupervisor(t, r.fake, t.TempDir())
	s.newWatcher = func(watch.Options) (watcher, error) { return nil, errors.New("too many open files") }
	bad := &watchRig{Supervisor: s, t: t, fake: &fakeWatcher{}, svc: s.add("web")}
	s.use(bad.svc, bad.parseDef(unchecked))
	bad.start()
	bad.ask("hup")
	bad.want("no watcher", bad.view(bad.svc).Watch.Trouble, "files cannot be watched: too many open files")
}

func TestWatchReason(t *testing.T) {
	for want, c := range map[string]watch.Change{
		deployedText:                          deployed,
		"1 file under /srv/app, lib/App.pm":   {Files: 1, Under: "/srv/app", First: "lib/App.pm"},
		"/srv/app/current has changed":        {Files: 1, Under: "/srv/app/current"},
		"2 files, first /srv/app/tmp/restart": {Files: 2, Under: "/srv/app/tmp/restart"},
	} {
		if got := watchReason(c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
