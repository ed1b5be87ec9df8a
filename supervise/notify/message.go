package notify

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxMessage = 4096 // bytes of a message, as systemd takes them (NOTIFY_BUFFER_MAX in its src/core/manager.c)
	maxStatus  = 512  // bytes of a status that are kept
)

// maxTime is the longest time that is taken as one, a year: more is for ever.
const maxTime = 365 * 24 * time.Hour

// State is what a service says it does. The zero value is that it said nothing.
type State uint8

// What a service can say that it does.
const (
	Ready     State = iota + 1 // READY=1: it serves, after its start or a reload
	Reloading                  // RELOADING=1: Ready follows
	Stopping                   // STOPPING=1
)

// Watchdog is what a service says to the watchdog. The zero value is nothing.
type Watchdog uint8

// What a service can say to the watchdog.
const (
	Ping    Watchdog = iota + 1 // WATCHDOG=1: it lives
	Trigger                     // WATCHDOG=trigger: it found itself broken
)

// A Message is what one datagram says, of what is known here; all else, such as
// FDSTORE=1 and BARRIER=1, says nothing. The zero value says nothing.
type Message struct {
	State     State         // the last of them
	Monotonic time.Duration // MONOTONIC_USEC=: when it was sent, by CLOCK_MONOTONIC; 0: not said
	HasStatus bool          // STATUS=
	Status    string        // UTF-8 without control characters, of at most 512 bytes; "" takes it back
	MainPid   int           // MAINPID=; 0: not said
	Errno     int           // ERRNO=, the error it fails with; 0: not said
	Extend    time.Duration // EXTEND_TIMEOUT_USEC=: as long, from now, for what it does; 0: not said; at most a year
	Watchdog  Watchdog
	HasEvery  bool          // WATCHDOG_USEC=
	Every     time.Duration // from one Ping to the next, at most; 0: no watchdog
}

// IsZero reports whether a message says nothing: when it was sent is nothing by itself.
func (m Message) IsZero() bool { return m == Message{Monotonic: m.Monotonic} }

// Parse reads a datagram. What is malformed in it says nothing; a NUL within
// makes all of it so.
func Parse(b []byte) Message {
	var m Message
	b = bytes.TrimRight(b, "\x00") // of a sender that counts the end of its string
	if len(b) > maxMessage || bytes.IndexByte(b, 0) >= 0 {
		return m
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if ok {
			m.take(name, value)
		}
	}
	return m
}

func (m *Message) take(name, value string) {
	switch name {
	case "READY":
		m.say(Ready, value)
	case "RELOADING":
		m.say(Reloading, value)
	case "STOPPING":
		m.say(Stopping, value)
	case "MONOTONIC_USEC":
		if n, ok := number(value); ok && n <= uint64(math.MaxInt64/time.Microsecond) {
			m.Monotonic = time.Duration(n) * time.Microsecond
		}
	case "STATUS":
		if utf8.ValidString(value) {
			m.HasStatus, m.Status = true, clean(value)
		}
	case "MAINPID":
		if n, ok := number(value); ok && n > 1 && n < 1<<31 {
			m.MainPid = int(n)
		}
	case "ERRNO":
		if n, ok := number(value); ok && n < 4096 { // MAX_ERRNO in the kernel's err.h
			m.Errno = int(n)
		}
	case "EXTEND_TIMEOUT_USEC":
		if d, ok := microseconds(value); ok {
			m.Extend = d
		}
	case "WATCHDOG_USEC":
		if d, ok := microseconds(value); ok {
			if m.HasEvery, m.Every = true, d; d == maxTime {
				m.Every = 0
			}
		}
	case "WATCHDOG":
		switch value {
		case "1":
			m.Watchdog = Ping
		case "trigger":
			m.Watchdog = Trigger
		}
	}
}

func (m *Message) say(s State, value string) {
	if value == "1" {
		m.State = s
	}
}

// number reads decimal digits and nothing else.
func number(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// microseconds is a time, maxTime at most.
func microseconds(s string) (time.Duration, bool) {
	n, ok := number(s)
	return time.Duration(min(n, uint64(maxTime/time.Microsecond))) * time.Microsecond, ok
}

// clean makes a text fit to be shown on a line.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxStatus {
		n := maxStatus
		for !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.TrimSpace(s)
}
