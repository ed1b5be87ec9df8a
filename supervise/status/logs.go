package status

import (
	"time"
	"unicode/utf8"
)

// A LogQuery is what somebody wants to read of what services wrote, checked and permitted.
type LogQuery struct {
	Services  []string
	Some      bool                   // leave out services whose output is not kept, instead of refusing
	Lines     int                    // the last so many of each; below 0: all
	Since     time.Time              // written then or later; zero: whenever
	Match     func(line []byte) bool // nil: all lines
	Operation *Operation             // only what was written between its start and its end, and by a generation that it tried in vain; nil: all
	Follow    bool                   // go on with what is written
	From      map[string]string      // cursors to go on from, by stream (see LogLine.Source)
}

// The streams of a service.
const (
	Stdout = "stdout" // or both, where they are not kept apart
	Stderr = "stderr"
)

// A LogLine is one line that a service wrote, or a piece of one that is very long.
type LogLine struct {
	Time    time.Time `json:"time,omitzero"` // when it began, to about 100 ms; zero: not known
	Service string    `json:"service"`
	Run     int       `json:"run"`               // the generation that wrote it; 0: not known
	Stream  string    `json:"stream"`            // Stdout or Stderr
	Line    string    `json:"line"`              // without its end
	Bytes   []byte    `json:"bytes,omitempty"`   // the same, where it is not UTF-8
	Part    bool      `json:"part,omitempty"`    // it goes on in the next one of this stream
	Cursor  string    `json:"cursor,omitempty"`  // the place behind it, to go on from
	Matches [][]int   `json:"matches,omitempty"` // where what was looked for begins in Text and ends, in bytes; only where that was asked
	Mark    bool      `json:"mark,omitempty"`    // no line: it only tells the cursor of a stream that is followed
}

// SetText sets the line to what was written.
func (l *LogLine) SetText(text []byte) {
	l.Line, l.Bytes = string(text), nil
	if !utf8.ValidString(l.Line) {
		l.Bytes = append(l.Bytes, text...)
	}
}

// Text is what was written, byte for byte.
func (l *LogLine) Text() string {
	if l.Bytes != nil {
		return string(l.Bytes)
	}
	return l.Line
}

// Source names the stream among all, as LogQuery.From does: "web", or "web.err" for what a service writes to a stderr of its own.
func (l *LogLine) Source() string {
	if l.Stream == Stderr {
		return l.Service + ".err"
	}
	return l.Service
}
