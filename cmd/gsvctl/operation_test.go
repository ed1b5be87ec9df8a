package main

import (
	"os"
	"strings"
	"testing"

	"gsv/supervise/status"
)

// TestOperationGoesOn: --no-wait, --timeout and Ctrl-C leave the operation going on, name it, and `wait --op` has its verdict.
func TestOperationGoesOn(t *testing.T) {
	s := newSite(t, "db", "web")
	s.Script = func(r status.Request, op *status.Operation) error {
		op.ID, op.Progress = r.ID, "3 of 6 workers new"
		return nil
	}
	s.Requests = make(chan status.Request, 100)
	s.expect(t, "hup web --no-wait", 0, "web@app01: hup accepted", "")
	id := (<-s.Requests).ID
	code, out, err := s.call("hup", "web", "--no-wait", "-q")
	if asked := <-s.Requests; code != 0 || out != asked.ID+"\n" || err != "" {
		t.Errorf("exit %d, %q, %q, asked for %s", code, out, err, asked.ID)
	}
	s.expect(t, "hup --all --no-wait", 0, "db@app01: hup accepted", "")
	<-s.Requests
	<-s.Requests
	s.expire(t, "web@app01: not finished after ", "hup", "web")
	other := (<-s.Requests).ID
	s.expire(t, "db@app01: not finished after ", "hup", "web", "db")
	s.expire(t, "3 of 6 workers new; verdict: gsvctl wait --op "+id, "wait", "--op", id)
	s.Finish(id, func(op *status.Operation) { op.Result = status.OK })
	s.Finish(other, func(op *status.Operation) { op.Result, op.Error = status.Failed, "exit 1" })
	s.expect(t, "wait --op "+id, 0, "web@app01: reloaded", "")
	s.expect(t, "wait --op "+other, 1, "", "web@app01: NOT reloaded, it still serves: exit 1")
}

func TestInterrupt(t *testing.T) {
	s := newSite(t, "web")
	s.Script = func(_ status.Request, op *status.Operation) error {
		op.Progress = "3 of 6 workers new"
		return nil
	}
	s.interrupts = make(chan os.Signal, 1)
	s.interrupts <- os.Interrupt
	code, _, err := s.call("hup", "web")
	if code != 130 || !strings.Contains(err, "verdict: gsvctl wait --op ") {
		t.Errorf("exit %d, %s", code, err)
	}
}

// TestOneshotStreams: what a oneshot writes is shown as it comes, once.
func TestOneshotStreams(t *testing.T) {
	s := newSite(t, "migrate")
	s.Script = func(_ status.Request, op *status.Operation) error {
		op.Log = []string{"one"}
		return nil
	}
	s.Requests = make(chan status.Request, 1)
	go func() {
		id := (<-s.Requests).ID
		s.Finish(id, func(op *status.Operation) { op.Log = []string{"one", "two"} })
		s.Finish(id, func(op *status.Operation) { op.Log, op.Result = []string{"one", "two", "three"}, status.OK })
	}()
	code, out, err := s.call("start", "migrate")
	if code != 0 || !strings.HasPrefix(out, "one\ntwo\nthree\nmigrate@app01: started") || err != "" {
		t.Errorf("exit %d, %q, %q", code, out, err)
	}
}

func TestLiveProgress(t *testing.T) {
	s := newSite(t, "web")
	s.live = true
	s.Script = func(_ status.Request, op *status.Operation) error {
		op.Progress = "workers replaced 5/8"
		return nil
	}
	s.expire(t, "\r\x1b[Kweb: workers replaced 5/8", "hup", "web")
	s.expire(t, "\r\x1b[Kweb@app01: not finished", "hup", "web")
}
