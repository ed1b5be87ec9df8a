package forward

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"
)

// Options of a Forwarder.
type Options struct {
	Service string
	// Syslog is "unix" for the system's own socket, "unix:/PATH",
	// "udp://HOST:PORT" or "tcp://HOST:PORT"; "" is none.
	Syslog  string
	Journal bool   // systemd's journal gets the lines
	Host    string // this one, by its name; "": not said

	// Problem is told when lines cannot be forwarded and when they can again, one
	// call at a time, in order, from a goroutine that may wait; nil is not called.
	Problem func(Problem)

	SyslogSocket  string // of "unix"; "" is /dev/log
	JournalSocket string // "" is /run/systemd/journal/socket
}

// A Problem is told at most three times: when lines have waited for more than a
// second or two, when the first is dropped, and when all that waited was sent.
type Problem struct {
	To       string // the receiver, for people
	Err      error  // why; nil: it is over
	Dropping bool   // lines are dropped; false, with Err: they wait
	Dropped  int64  // lines lost; 0 while it goes on. With Err: Close has given up
}

// A Stream is where a service wrote a line.
type Stream uint8

// Streams.
const (
	Both   Stream = iota // standard output or error, which are one
	Stdout               // standard output alone
	Stderr               // standard error alone
)

func (s Stream) String() string { return [...]string{"", "stdout", "stderr"}[s] }

// A Forwarder sends the lines of one service.
type Forwarder struct{ targets []*target }

// New returns a Forwarder, which connects to nothing until there is a line. The
// error says what is wrong with o.Syslog. Close it.
func New(o Options) (*Forwarder, error) {
	f := &Forwarder{}
	if o.Syslog != "" {
		t, err := syslogTarget(o)
		if err != nil {
			return nil, err
		}
		f.targets = append(f.targets, t)
	}
	if o.Journal {
		f.targets = append(f.targets, journalTarget(o))
	}
	return f, nil
}

// Offer gives a line, without its end, of run gen. It copies the line and never
// waits. Of one that is longer than 64 KiB that much is taken. After Close it
// does nothing. It may be called concurrently.
func (f *Forwarder) Offer(gen int, stream Stream, at time.Time, line []byte) {
	m := message{at: at, gen: gen, stream: stream, severity: info}
	if stream == Stderr {
		m.severity = warning
	}
	if len(line) >= 3 && line[0] == '<' && '0' <= line[1] && line[1] <= '7' && line[2] == '>' {
		m.severity, line = severity(line[1]-'0'), line[3:]
	}
	m.text = line[:min(len(line), maxLine)]
	for _, t := range f.targets {
		t.offer(&m)
	}
}

// Close sends what waits, for a second at most; a receiver that is not there is
// tried once more.
func (f *Forwarder) Close() {
	var all sync.WaitGroup
	for _, t := range f.targets {
		all.Go(t.close)
	}
	all.Wait()
}

// A severity is one of RFC 5424.
type severity uint8

const (
	warning severity = 4
	info    severity = 6

	daemon = 3 // the facility
)

// priority is what a message begins with.
func (s severity) priority() int64 { return daemon<<3 | int64(s) }

const maxLine = 64 << 10

// A message is a line on its way.
type message struct {
	at       time.Time
	gen      int
	stream   Stream
	severity severity
	text     []byte
}

// A form writes messages as a receiver expects them.
type form func(to []byte, m *message) []byte

// A framing is how a connection tells one message from the next.
type framing uint8

const (
	datagrams framing = iota // each is one
	counted                  // the length before it (RFC 6587, octet counting)
	ended                    // a newline after it (the same, non-transparent framing)
)

// A link is a connection to a receiver.
type link struct {
	net.Conn
	framing framing
	lossy   bool      // that nobody listened to the last message is no reason to send it again
	until   time.Time // when its address is looked up anew; zero: never
}

// A dialer connects to a receiver.
type dialer func(ctx context.Context) (*link, error)

// oneLine makes a text one that can be ended by a newline.
func oneLine(text []byte) []byte {
	if bytes.IndexByte(text, '\n') < 0 {
		return text
	}
	return bytes.ReplaceAll(text, []byte("\n"), []byte(" "))
}
