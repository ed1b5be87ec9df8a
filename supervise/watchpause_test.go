package supervise

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

func TestWatchPause(t *testing.T) {
	r := newWatchRig(t, unchecked)
	if op, err := r.pauseFor(status.Resume, 0); err != nil || !op.Already {
		t.Errorf("resume of one that is not paused: %+v, %v", op, err)
	}
	r.fake.take()
	op, err := r.pauseFor(status.Pause, 10*time.Minute)
	if err != nil || op.Result != status.OK || op.Detail != "for 10m" || op.Action != status.Pause {
		t.Errorf("%+v, %v", op, err)
	}
	v := r.view(r.svc).Watch
	if v.State != status.Paused || v.By != "deploy" || v.Until == nil || time.Until(*v.Until) > 11*time.Minute || time.Until(*v.Until) < 9*time.Minute {
		t.Errorf("%+v", v)
	}
	r.settle(deployed) // it had been on its way
	r.want("paused", r.waiting()+r.fake.take(), "pause web")
	r.elapse(9 * time.Minute)
	r.want("still", r.waiting(), "")
	r.elapse(11 * time.Minute)
	r.want("over", r.waiting()+", "+r.fake.take(), "hup by watch, resume web")
	r.want("events", r.told(), "deployed: "+deployedText+"\nresumed, for its time is over")

	op, _ = r.pauseFor(status.Pause, time.Minute)
	op, _ = r.pauseFor(status.Pause, 0)
	r.want("until", op.Detail, "until gsvctl watch resume web")
	r.elapse(time.Hour)
	r.want("an older pause is over", r.view(r.svc).Watch.State, status.Paused)
	r.ask("restart")
	r.step(r.svc, lifecycle.Ended{Gen: 1})
	r.want("over a restart", r.view(r.svc).Watch.State, status.Paused)
	r.ask("stop")
	r.step(r.svc, lifecycle.Ended{Gen: 2})
	r.fake.take()
	r.start()
	r.want("over a stop", r.fake.take()+", "+r.view(r.svc).Watch.State, "set web, pause web, "+status.Paused)

	plain := newWatchRig(t, "")
	var p *status.Problem
	if _, err := plain.pauseFor(status.Pause, 0); !errors.As(err, &p) || p.ExitCode != 1 || !strings.Contains(p.Detail, "no [watch] table") {
		t.Errorf("without a table: %v", err)
	}
	r.ask("stop")
	r.step(r.svc, lifecycle.Ended{Gen: r.svc.state.Gen})
	r.pauseFor(status.Resume, 0)
	r.want("down", r.view(r.svc).Watch.State, status.WatchOff)
}

// A supervisor that is started again knows of a pause and of what was to be loaded.
func TestWatchSurvives(t *testing.T) {
	start, err := procfs.StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name                 string
		leave                func(r *watchRig)
		told, state, waiting string
	}{
		{"nothing", func(*watchRig) {}, "set web again, of 4711", status.Watching, ""},
		{"a pause", func(r *watchRig) { r.pauseFor(status.Pause, time.Minute) }, "set web again, of 4711, pause web", status.Paused, ""},
		{"a pause without an end", func(r *watchRig) { r.pauseFor(status.Pause, 0) }, "set web again, of 4711, pause web", status.Paused, ""},
		{"a loop", func(r *watchRig) { r.stopWatch(r.svc, deployed) }, "set web again, of 4711, pause web", status.WatchStopped, ""},
		{"what is held", func(r *watchRig) { r.svc.watch.held = &deployed }, "set web again, of 4711", status.Watching, "hup by watch"},
		{"what is held in a pause", func(r *watchRig) {
			r.pauseFor(status.Pause, 0)
			r.settle(deployed)
		}, "set web again, of 4711, pause web", status.Paused, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newWatchRig(t, unchecked)
			if _, err := r.store.open(); err != nil {
				t.Fatal(err)
			}
			r.watchLoaded("web", 4711)
			tt.leave(r)
			rec := r.recordOf(r.svc)
			if err := r.store.put("web", &rec); err != nil {
				t.Fatal(err)
			}
			again := &watchRig{t: t, fake: &fakeWatcher{}}
			again.Supervisor = watchSupervisor(t, again.fake, r.opts.RunDir)
			records, err := again.store.open()
			if err != nil {
				t.Fatal(err)
			}
			again.resume(map[string]record{"web": {Definition: records["web"].Definition, Watch: records["web"].Watch,
				State: lifecycle.State{Want: lifecycle.Up, Gen: 1, Runs: []lifecycle.Run{{Gen: 1, Phase: lifecycle.Running}}}}}, &findings{processes: []guardian.Process{{Key: "web", N: 1, Pid: os.Getpid(), StartTime: start}}}, false)
			again.svc = again.services["web"]
			again.want("told", again.fake.take(), tt.told)
			again.want("state", again.view(again.svc).Watch.State, tt.state)
			if tt.waiting == "" {
				return
			}
			again.elapse(0)
			again.want("waiting", again.waiting(), tt.waiting)
		})
	}
}
