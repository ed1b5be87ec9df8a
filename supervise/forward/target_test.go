package forward

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A receiver that is not there yet gets all the lines when it is.
func TestReceiverComesLater(t *testing.T) {
	path := socket(t)
	f, p := start(t, Options{Syslog: "unix:" + path})
	offer(f, "one", "two")
	pr := p.next(t)
	if pr.Err == nil || pr.Dropping || pr.Dropped != 0 || pr.To != "syslog at unix:"+path || pr.Err.Error() != "cannot connect: no such file or directory" {
		t.Errorf("told: %+v", pr)
	}
	r := datagramReceiver(t, "unixgram", path)
	r.want(text("one"), text("two"))
	if pr := p.next(t); pr.Err != nil || pr.Dropped != 0 {
		t.Errorf("told: %+v", pr)
	}
}

func TestReceiverIsStartedAnew(t *testing.T) {
	t.Run("unix datagrams", func(t *testing.T) {
		path := socket(t)
		f, _ := start(t, Options{Syslog: "unix:" + path})
		for i := range 3 {
			r := datagramReceiver(t, "unixgram", path)
			offer(f, fmt.Sprint(i))
			r.want(text(fmt.Sprint(i)))
			r.Close()
			os.Remove(path)
		}
	})
	t.Run("tcp", func(t *testing.T) {
		s := streamServer(t, "tcp", "127.0.0.1:0")
		f, _ := start(t, Options{Syslog: "tcp://" + s.Addr().String()})
		for i := range 3 {
			offer(f, fmt.Sprint(i))
			c := s.accept()
			c.want(text(fmt.Sprint(i)))
			c.Conn.Close()
			f.targets[0].running.Wait()
		}
	})
}

// Of a connection that breaks in the middle of what is written, the next one gets
// whole messages, and all that the first did not get.
func TestConnectionBreaks(t *testing.T) {
	s := streamServer(t, "tcp", "127.0.0.1:0")
	f, _ := start(t, Options{Syslog: "tcp://" + s.Addr().String()})
	line := func(i int) string { return fmt.Sprintf("%05d%s", i, strings.Repeat("x", 1000)) }
	const n = 400
	for i := range n {
		offer(f, line(i))
	}
	c := s.accept()
	c.want(text(line(0)))
	c.Conn.(*net.TCPConn).SetLinger(0) // all that is on its way is lost
	c.Conn.Close()
	c = s.accept()
	first, err := c.counted()
	if err != nil {
		t.Fatal(err)
	}
	var next int
	if _, err := fmt.Sscanf(first[strings.Index(first, "] ")+2:], "%5d", &next); err != nil || first != text(line(next)) {
		t.Fatalf("the second connection begins with %.200q, %v", first, err)
	}
	for i := next + 1; i < n; i++ {
		c.want(text(line(i)))
	}
}

// A receiver that takes nothing costs a mebibyte or so, and whoever offers no wait.
func TestReceiverHangs(t *testing.T) {
	s := streamServer(t, "tcp", "127.0.0.1:0")
	f, p := start(t, Options{Syslog: "tcp://" + s.Addr().String()})
	target := f.targets[0]
	const n = 20000
	line := func(i int) string { return fmt.Sprintf("%05d%s", i, strings.Repeat("x", 1000)) }
	for i := range n {
		offer(f, line(i))
	}
	target.mu.Lock()
	waits := cap(target.waiting)
	target.mu.Unlock()
	if waits > room+room/2 {
		t.Errorf("%d bytes wait", waits)
	}
	if pr := p.next(t); pr.Err == nil || !pr.Dropping || pr.Dropped != 0 {
		t.Errorf("told: %+v", pr)
	}
	// It goes on: what it gets is in order, and each gap says how much is missing.
	c := s.accept()
	var missing int64
	for i := 0; i < n; {
		got, err := c.counted()
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if _, mark, ok := strings.Cut(got, "] [gsv: "); ok {
			var gap int
			if _, err := fmt.Sscanf(mark, "%d lines are missing here]", &gap); err != nil || !strings.HasPrefix(got, "<28>1 ") {
				t.Fatalf("a gap is %q", got)
			}
			missing += int64(gap)
			i += gap
			continue
		}
		if got != text(line(i)) {
			t.Fatalf("got %.100q, want line %d", got, i)
		}
		i++
	}
	if pr := p.next(t); pr.Err != nil || pr.Dropped != missing || missing == 0 {
		t.Errorf("%d are missing, told: %+v", missing, pr)
	}
	offer(f, "after")
	c.want(text("after"))
	if len(p) > 0 {
		t.Errorf("told: %+v", <-p)
	}
}

// One gap after another is one problem.
func TestGapsAreOneProblem(t *testing.T) {
	path := socket(t)
	f, p := start(t, Options{Syslog: "unix:" + path})
	line := strings.Repeat("x", 50000)
	for range 30 {
		offer(f, line)
	}
	if pr := p.next(t); pr.Err == nil || !pr.Dropping {
		if pr = p.next(t); pr.Err == nil || !pr.Dropping {
			t.Errorf("told: %+v", pr)
		}
	}
	for range 30 { // lost, whatever was taken since
		offer(f, line)
	}
	r := datagramReceiver(t, "unixgram", path)
	got, lost := 0, int64(0)
	for got+int(lost) < 60 {
		_, mark, ok := strings.Cut(r.next(), "] [gsv: ")
		if !ok {
			got++
			continue
		}
		var n int64
		if _, err := fmt.Sscanf(strings.Replace(mark, "a line is", "1 lines are", 1), "%d lines are missing", &n); err != nil {
			t.Fatalf("a gap is %q", mark)
		}
		lost += n
	}
	if pr := p.next(t); pr.Err != nil || pr.Dropped != lost || lost == 0 {
		t.Errorf("%d lost, told: %+v", lost, pr)
	}
}

// A hanging socket of datagrams, and a connection that nobody takes up, do not
// keep gsv from its end.
func TestCloseIsBounded(t *testing.T) {
	bounded := func(t *testing.T, f *Forwarder, p problems, offered int64) {
		t.Helper()
		begin := time.Now()
		f.Close()
		if took := time.Since(begin); took > 5*closeTimeout {
			t.Errorf("it took %v", took)
		}
		for pr := p.next(t); ; pr = p.next(t) {
			if pr.Dropped == 0 {
				continue
			}
			if pr.Err == nil || pr.Dropped > offered {
				t.Errorf("told: %+v", pr)
			}
			break
		}
		offer(f, "late")
		f.Close()
	}
	t.Run("datagrams", func(t *testing.T) {
		path := socket(t)
		datagramReceiver(t, "unixgram", path) // and reads none
		f, p := start(t, Options{Syslog: "unix:" + path})
		for range 5000 {
			offer(f, strings.Repeat("x", 90))
		}
		bounded(t, f, p, 5000)
	})
	t.Run("tcp", func(t *testing.T) {
		s := streamServer(t, "tcp", "127.0.0.1:0")
		f, p := start(t, Options{Syslog: "tcp://" + s.Addr().String()})
		for range 30000 {
			offer(f, strings.Repeat("x", 1000))
		}
		bounded(t, f, p, 30000)
	})
	t.Run("nobody", func(t *testing.T) {
		f, p := start(t, Options{Syslog: "unix:" + socket(t)})
		f.targets[0].firstDelay, f.targets[0].maxDelay = time.Hour, time.Hour
		offer(f, "one", "two")
		begin := time.Now()
		bounded(t, f, p, 2)
		if took := time.Since(begin); took >= closeTimeout {
			t.Errorf("it took %v, though nobody is there", took)
		}
	})
	t.Run("no such name", func(t *testing.T) {
		f, p := start(t, Options{Syslog: "tcp://nowhere.invalid:514"})
		offer(f, "one", "two")
		bounded(t, f, p, 2)
	})
}

func TestCloseSendsWhatWaits(t *testing.T) {
	s := streamServer(t, "tcp", "127.0.0.1:0")
	f, p := start(t, Options{Syslog: "tcp://" + s.Addr().String()})
	var want []string
	for i := range 1000 {
		offer(f, fmt.Sprint(i))
		want = append(want, text(fmt.Sprint(i)))
	}
	f.Close()
	c := s.accept()
	c.want(want...)
	if got, err := c.counted(); err == nil {
		t.Errorf("and %q", got)
	}
	if len(p) > 0 {
		t.Errorf("told: %+v", <-p)
	}
}

// That nobody listens to datagrams over a network cannot be known; nothing waits
// for it.
func TestUDPThatNobodyHears(t *testing.T) {
	r := datagramReceiver(t, "udp", "127.0.0.1:0")
	addr := r.LocalAddr().String()
	r.Close()
	f, _ := start(t, Options{Syslog: "udp://" + addr})
	for i := range 100 {
		offer(f, fmt.Sprint(i))
		f.targets[0].running.Wait()
	}
	r = datagramReceiver(t, "udp", addr)
	offer(f, "heard")
	r.want(text("heard"))
}

// Offers from many threads while the receiver comes and goes.
func TestConcurrently(t *testing.T) {
	path := socket(t)
	f, _ := start(t, Options{Syslog: "unix:" + path, Journal: true, JournalSocket: path})
	r := datagramReceiver(t, "unixgram", path)
	done := make(chan struct{})
	for g := range 4 {
		go func() {
			for i := range 500 {
				f.Offer(g, Both, at, fmt.Appendf(nil, "line %d", i))
			}
			done <- struct{}{}
		}()
	}
	for range 4 * 500 * 2 {
		r.next()
	}
	for range 4 {
		<-done
	}
}
