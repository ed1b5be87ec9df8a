package forward

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

func TestSyslogToEachKindOfReceiver(t *testing.T) {
	lines := []string{"one", "", " two [x] ", "caf\xe9\x00\x1b[31m", "<3>bad", "<8>no", "<3"}
	want := []string{text("one"), text(""), text(" two [x] "), text("caf\xe9\x00\x1b[31m"), strings.Replace(text("bad"), "<30>", "<27>", 1), text("<8>no"), text("<3")}
	t.Run("unix datagrams", func(t *testing.T) {
		path := socket(t)
		r := datagramReceiver(t, "unixgram", path)
		f, _ := start(t, Options{Syslog: "unix:" + path})
		offer(f, lines...)
		r.want(want...)
	})
	t.Run("unix stream", func(t *testing.T) {
		path := socket(t)
		s := streamServer(t, "unix", path)
		f, _ := start(t, Options{Syslog: "unix:" + path})
		offer(f, lines...)
		c := s.accept()
		for _, want := range want {
			if got, err := c.ReadString('\n'); err != nil || got != want+"\n" {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
	})
	t.Run("udp", func(t *testing.T) {
		r := datagramReceiver(t, "udp", "127.0.0.1:0")
		f, _ := start(t, Options{Syslog: "udp://" + r.LocalAddr().String()})
		offer(f, lines...)
		r.want(want...)
	})
	t.Run("tcp", func(t *testing.T) {
		s := streamServer(t, "tcp", "127.0.0.1:0")
		f, _ := start(t, Options{Syslog: "tcp://" + s.Addr().String()})
		offer(f, lines...)
		s.accept().want(want...)
	})
}

// What listens on the system's own socket reads what syslog(3) writes.
func TestSyslogOfTheSystem(t *testing.T) {
	path := socket(t)
	r := datagramReceiver(t, "unixgram", path)
	f, _ := start(t, Options{Syslog: "unix", SyslogSocket: path})
	f.Offer(7, Stderr, at, []byte("one"))
	r.want("<28>" + at.Local().Format("Jan _2 15:04:05") + " web: one")
}

func TestStreamsAndSeverities(t *testing.T) {
	path := socket(t)
	r := datagramReceiver(t, "unixgram", path)
	f, _ := start(t, Options{Syslog: "unix:" + path})
	f.Offer(1, Stdout, at, []byte("a"))
	f.Offer(12, Stderr, at, []byte("b"))
	f.Offer(12, Stderr, at, []byte("<7>c"))
	const begin = "1 2026-11-23T03:04:05.000123Z app01 web - - "
	r.want("<30>"+begin+`[gsv@32473 run="1" stream="stdout"] a`,
		"<28>"+begin+`[gsv@32473 run="12" stream="stderr"] b`,
		"<31>"+begin+`[gsv@32473 run="12" stream="stderr"] c`)
}

func TestJournal(t *testing.T) {
	path := socket(t)
	r := datagramReceiver(t, "unixgram", path)
	f, _ := start(t, Options{Journal: true, JournalSocket: path})
	f.Offer(7, Stderr, at, []byte("<2>on\xff\x00e"))
	offer(f, strings.Repeat("x", maxLine+1))
	r.want("PRIORITY=2\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=web\nGSV_SERVICE=web\nGSV_RUN=7\nGSV_STREAM=stderr\nSYSLOG_TIMESTAMP=2026-11-23T03:04:05.000123Z\nMESSAGE\n\x05\x00\x00\x00\x00\x00\x00\x00on\xff\x00e\n")
	length := binary.LittleEndian.AppendUint64(nil, maxLine)
	r.want("PRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=web\nGSV_SERVICE=web\nGSV_RUN=7\nSYSLOG_TIMESTAMP=2026-11-23T03:04:05.000123Z\nMESSAGE\n" + string(length) + strings.Repeat("x", maxLine) + "\n")
}

func TestBothReceivers(t *testing.T) {
	journal, path := socket(t), socket(t)
	j, r := datagramReceiver(t, "unixgram", journal), datagramReceiver(t, "unixgram", path)
	f, _ := start(t, Options{Syslog: "unix:" + path, Journal: true, JournalSocket: journal})
	offer(f, "one")
	r.want(text("one"))
	if got := j.next(); !strings.HasSuffix(got, "\x00one\n") {
		t.Errorf("the journal got %q", got)
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+100)
	t.Run("tcp", func(t *testing.T) {
		s := streamServer(t, "tcp", "127.0.0.1:0")
		f, _ := start(t, Options{Syslog: "tcp://" + s.Addr().String()})
		offer(f, long, "after")
		s.accept().want(text(long[:maxLine]), text("after"))
	})
	t.Run("udp", func(t *testing.T) { // as much as a datagram has room for
		r := datagramReceiver(t, "udp", "127.0.0.1:0")
		f, _ := start(t, Options{Syslog: "udp://" + r.LocalAddr().String()})
		offer(f, long, "after")
		if got := r.next(); len(got) < 50000 || !strings.HasPrefix(text(long), got) {
			t.Errorf("got %d bytes, %.200q", len(got), got)
		}
		r.want(text("after"))
	})
}

func TestAddresses(t *testing.T) {
	for _, ok := range []string{"unix", "unix:/run/x", "udp://localhost:514", "tcp://[::1]:601", "tcp://10.0.0.1:1"} {
		if _, err := New(Options{Syslog: ok}); err != nil {
			t.Error(err)
		}
	}
	for bad, want := range map[string]string{
		"unix:x":               "slash",
		"syslog":               "it is",
		"udp:localhost:514":    "it is",
		"tls://localhost:6514": "it is",
		"udp://localhost":      "HOST:PORT",
		"tcp://:514":           "HOST:PORT",
		"tcp://a:0":            "65535",
		"tcp://a:70000":        "65535",
		"tcp://a:syslog":       "65535",
	} {
		if _, err := New(Options{Syslog: bad}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+bad+`"`) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Nothing is there while nothing is on its way.
func TestIdleHasNothing(t *testing.T) {
	path := socket(t)
	r := datagramReceiver(t, "unixgram", path)
	f, _ := start(t, Options{Syslog: "unix:" + path})
	target := f.targets[0]
	if target.link != nil || target.waiting != nil {
		t.Error("there is something before the first line")
	}
	big := strings.Repeat("x", 10000)
	for range 20 {
		offer(f, big)
	}
	for range 20 {
		r.want(text(big))
	}
	target.running.Wait()
	target.mu.Lock()
	defer target.mu.Unlock()
	if n := cap(target.waiting) + cap(target.spare) + cap(target.out) + cap(target.one); n > 4*keepable {
		t.Errorf("an idle one keeps %d bytes", n)
	}
}

func BenchmarkUnixDatagrams(b *testing.B) {
	path := socket(b)
	r := datagramReceiver(b, "unixgram", path)
	got := make(chan struct{})
	ahead := make(chan struct{}, room/200) // fewer than there is room for: dropped ones would cost nothing
	go func() {
		defer close(got)
		buf := make([]byte, 4096)
		for range b.N {
			if _, _, err := r.ReadFrom(buf); err != nil {
				return
			}
			<-ahead
		}
	}()
	f, _ := start(b, Options{Syslog: "unix:" + path})
	line := []byte(strings.Repeat("x", 99))
	b.SetBytes(100)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		ahead <- struct{}{}
		f.Offer(7, Both, time.Now(), line)
	}
	<-got
}

// BenchmarkOffer is what it costs who offers a line.
func BenchmarkOffer(b *testing.B) {
	f, _ := start(b, Options{Syslog: "unix:" + socket(b)}) // nobody there
	line := []byte(strings.Repeat("x", 99))
	b.ReportAllocs()
	t := f.targets[0]
	for b.Loop() {
		f.Offer(7, Both, at, line)
		t.mu.Lock()
		t.waiting = t.waiting[:0]
		t.mu.Unlock()
	}
}
