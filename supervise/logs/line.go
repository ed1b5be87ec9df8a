package logs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxPiece is how much of a line is in memory at a time, in bytes: a longer one
// comes in pieces.
const maxPiece = 1 << 20

// A Line is one line of a log, or a piece of one that is very long. It is valid
// until the function that got it returns.
type Line struct {
	Service string
	Err     bool      // of stderr, where that is kept apart
	Time    time.Time // when its first byte was written, to about 100 ms
	Gen     int       // of the run that wrote it; 0: not known
	Text    []byte    // byte for byte, without its end
	Part    bool      // the line goes on in the next one of the same stream
	Mark    bool      // no line: it only tells how far the reading of that stream is

	off  int64 // where its first byte is
	next Cursor
}

// Cursor is the place behind the line.
func (l *Line) Cursor() Cursor { return l.next }

// A Query says which lines are read. Those of a run that are told apart by
// nothing but it: a line ends where the next run begins, too.
type Query struct {
	Lines  int                    // the last so many of each service; below 0: all
	Since  time.Time              // written then or later; zero: whenever
	Until  time.Time              // written then or earlier; zero: whenever
	Gen    int                    // written by that run; 0: by any
	Also   int                    // written by that run, whenever; 0: by none
	Match  func(text []byte) bool // nil: any. Of a very long line its first MiB decides
	Follow bool                   // go on with what is written
	Over   <-chan struct{}        // with Follow: closed when there is no more to come; nil: never
}

// wants reports whether a line is asked for, but for its text.
func (q *Query) wants(at time.Time, gen int) bool {
	if q.Also != 0 && q.Also == gen {
		return true
	}
	return (q.Gen == 0 || q.Gen == gen) && !at.Before(q.Since) && (q.Until.IsZero() || !at.After(q.Until))
}

// A Cursor is a place in a log, whatever the file that it is in is called by
// now. The zero value is the begin of all there is.
type Cursor struct {
	ino  uint64
	sec  int64 // when the file was born
	nsec uint32
	off  int64
}

func cursorAt(id identity, off int64) Cursor {
	return Cursor{id.ino, id.born.Sec, id.born.Nsec, off}
}

// String is what ParseCursor understands.
func (c Cursor) String() string {
	return fmt.Sprintf("%x.%x.%x.%d", c.ino, c.sec, c.nsec, c.off)
}

// ParseCursor is the opposite of Cursor.String. With "+N" behind, the place is N
// bytes further on, in a later file if need be.
func ParseCursor(text string) (c Cursor, err error) {
	text, more, plus := strings.Cut(text, "+")
	parts := strings.Split(text, ".")
	bad := fmt.Errorf("%q is no place in a log", text)
	if len(parts) != 4 {
		return c, bad
	}
	ino, err1 := strconv.ParseUint(parts[0], 16, 64)
	sec, err2 := strconv.ParseInt(parts[1], 16, 64)
	nsec, err3 := strconv.ParseUint(parts[2], 16, 32)
	off, err4 := strconv.ParseInt(parts[3], 10, 64)
	n := int64(0)
	var err5 error
	if plus {
		n, err5 = strconv.ParseInt(more, 10, 64)
	}
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || err5 != nil || off < 0 || n < 0 || off+n < 0 {
		return c, bad
	}
	return Cursor{ino, sec, uint32(nsec), off + n}, nil
}
