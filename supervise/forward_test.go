package supervise

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/forward"
	"gsv/supervise/logs"
)

// What a service writes goes to where its definition says at the time, all of it,
// and nowhere any more when it is forgotten or gsv ends.
func TestLinesAreForwarded(t *testing.T) {
	pump, err := logs.NewPump(logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pump.Close()
	s := &Supervisor{pump: pump, services: map[string]*service{}, said: make(chan string, 100), done: make(chan struct{}), opts: Options{LogDir: t.TempDir(), Direct: "direct"}}
	defer close(s.done)
	svc := s.add("web")
	use := func(l definition.Log) {
		s.use(svc, &definition.Definition{Name: "web", Log: l, StopSequence: []definition.StopStep{{}}})
	}
	use(definition.Log{})

	child, reader, err := logs.Make(logs.Key{Name: "web", Gen: 3}, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	defer reader.Close()
	if err := pump.Add(logs.Key{Name: "web", Gen: 3}, reader, svc.out); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if _, err := child.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	sync := func() {
		t.Helper()
		if err := pump.Sync(t.Context(), logs.Key{Name: "web", Gen: 3}); err != nil {
			t.Fatal(err)
		}
	}
	receiver := func() (string, func(want string)) {
		path := filepath.Join(t.TempDir(), "s")
		c, err := net.ListenPacket("unixgram", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return "unix:" + path, func(want string) {
			t.Helper()
			b := make([]byte, 1000)
			c.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, _, err := c.ReadFrom(b)
			if err != nil || !strings.HasPrefix(string(b[:n]), "<30>1 ") || !strings.HasSuffix(string(b[:n]), want) {
				t.Fatalf("got %q, %v; want %q", b[:n], err, want)
			}
		}
	}
	first, wantFirst := receiver()
	second, wantSecond := receiver()
	write("not forwarded\n")
	sync()
	use(definition.Log{Syslog: first})
	same := svc.forwarder
	use(definition.Log{Syslog: first, MaxSize: 1}) // something else has changed
	if svc.forwarder != same {
		t.Error("it is made anew though nothing has changed")
	}
	sync()
	write("one\ntwo\n")
	use(definition.Log{Syslog: second, Separate: true})
	sync()
	write("three\n")
	wantFirst(` web - - [gsv@32473 run="3"] one`)
	wantFirst(` web - - [gsv@32473 run="3"] two`)
	wantSecond(` web - - [gsv@32473 run="3" stream="stdout"] three`)
	write("last words")
	s.lastLines()
	wantSecond(` last words`)
	if svc.forwarder != nil {
		t.Error("it is still there")
	}

	use(definition.Log{Syslog: "nonsense"})
	if got := <-s.said; svc.forwarder != nil || !strings.HasPrefix(got, `web: cannot forward to syslog at "nonsense": `) {
		t.Errorf("said %q", got)
	}
	use(definition.Log{Journal: true})
	if svc.forwarder == nil {
		t.Fatal("there is none to the journal")
	}
	s.forget(svc)
	if svc.forwarder != nil {
		t.Error("a forgotten service has one")
	}
	s.closing.Wait()

	direct := s.add("direct")
	s.forward(direct, forwarding{journal: true})
	if direct.forwarder != nil {
		t.Error("what gsv does not see is forwarded")
	}
}

func TestForwardProblems(t *testing.T) {
	why := errors.New("cannot connect: connection refused")
	for want, p := range map[string]forward.Problem{
		"lines for the journal wait: cannot connect: connection refused":                           {Err: why},
		"lines for the journal are dropped, for too many wait: cannot connect: connection refused": {Err: why, Dropping: true},
		"lines are forwarded to the journal again; none was dropped":                               {},
		"lines are forwarded to the journal again; one line was dropped":                           {Dropped: 1},
		"12 lines were dropped on the way to the journal: cannot connect: connection refused":      {Err: why, Dropping: true, Dropped: 12},
	} {
		p.To = "the journal"
		if got := describeForward(p); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
