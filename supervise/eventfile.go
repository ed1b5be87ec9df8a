package supervise

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"gsv/supervise/logs"
	"gsv/supervise/status"
)

// The events on disk: two files, the older one complete.
const (
	eventsName  = "gsv.events"
	eventsOlder = "gsv.events.1"
	eventsMax   = 1 << 20 // bytes of each, and of what waits to be written
	eventMax    = 64 << 10
	queueMax    = 4 * remembered // events: a burst, as when a thousand services start
	opLogBytes  = 4096           // of log lines, kept with an operation
)

// An eventFile keeps events on disk, a JSON line each, for the next supervisor
// and for histories. A goroutine of its own writes them: put never waits. What
// a disk that is full or hangs has no room for waits in memory, up to eventsMax,
// and is dropped then; gaps in Seq tell.
//
// Nothing is held open between writes, so that the directory may go, be mounted
// over or made again at any time. A line is written at once, at the end, with
// the file locked: another gsv with the same log-dir does no harm, and reads
// only its own.
type eventFile struct {
	dir, runDir string
	say         func(string)

	mu      sync.Mutex
	queue   []status.Event // queueMax at most: the disk hangs
	quit    bool
	wake    chan struct{} // a place for one: there is something in queue, or quit
	stopped chan struct{} // closed when all is written

	pending []byte // lines, of the goroutine alone
	said    string
}

// eventLine is a line of the file.
type eventLine struct {
	RunDir string `json:"run_dir"` // of the gsv that has written it
	status.Event
}

// newEventFile begins to keep events in dir. Close it.
func newEventFile(dir, runDir string, say func(string)) *eventFile {
	e := &eventFile{dir: dir, runDir: runDir, say: say, wake: make(chan struct{}, 1), stopped: make(chan struct{})}
	go e.write()
	return e
}

// put has an event written.
func (e *eventFile) put(ev status.Event) {
	e.mu.Lock()
	if len(e.queue) >= queueMax {
		e.queue = e.queue[1:]
	}
	e.queue = append(e.queue, ev)
	e.mu.Unlock()
	e.nudge()
}

func (e *eventFile) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// close has what is queued written. Done is closed then, which may be never.
func (e *eventFile) close() (done <-chan struct{}) {
	e.mu.Lock()
	e.quit = true
	e.mu.Unlock()
	e.nudge()
	return e.stopped
}

func (e *eventFile) write() {
	defer close(e.stopped)
	for range e.wake {
		for {
			e.mu.Lock()
			queue, quit := e.queue, e.quit
			e.queue = nil
			e.mu.Unlock()
			for i := range queue {
				e.pending = appendEvent(e.pending, e.runDir, &queue[i])
			}
			if over := len(e.pending) - eventsMax; over > 0 {
				e.pending = e.pending[over+bytes.IndexByte(e.pending[over:], '\n')+1:]
			}
			if len(e.pending) > 0 {
				e.tell(e.append(e.pending))
			}
			if quit {
				return
			}
			if len(queue) == 0 {
				break
			}
		}
	}
}

// tell says once that events are not kept, and why.
func (e *eventFile) tell(err error) {
	switch {
	case err == nil:
		e.pending, e.said = nil, ""
	case e.said != err.Error():
		e.said = err.Error()
		e.say("events are not kept on disk: " + e.said)
	}
}

// appendEvent appends the line of an event. One that is absurdly long loses what is long.
func appendEvent(b []byte, runDir string, ev *status.Event) []byte {
	line := eventLine{runDir, *ev}
	text, err := json.Marshal(&line)
	if err == nil && len(text) > eventMax {
		line.Op, line.Text = nil, strings.ToValidUTF8(line.Text[:min(len(line.Text), opLogBytes)], "")
		text, err = json.Marshal(&line)
	}
	if err != nil {
		return b // a time beyond the year 9999
	}
	return append(append(b, text...), '\n')
}

// append writes whole lines to the end of the file.
func (e *eventFile) append(lines []byte) error {
	dir, err := logs.OpenDir(e.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	for range 8 { // times that somebody else is faster
		f, err := dir.Open(eventsName, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT, 0o600)
		if err != nil {
			return err
		}
		again, err := appendLocked(dir, f, lines)
		f.Close() // the lock goes with it
		if err != nil || !again {
			return err
		}
	}
	return fmt.Errorf("%s/%s is renamed all the time", e.dir, eventsName)
}

// appendLocked writes lines if f is still the file and has room for them.
func appendLocked(dir *logs.Dir, f *os.File, lines []byte) (again bool, err error) {
	lock(f)
	if !dir.Is(eventsName, f) {
		return true, nil
	}
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	size := wholeLines(f, st.Size())
	if size < st.Size() { // its writer died in the middle of a line, or the disk was full
		if err := f.Truncate(size); err != nil {
			return false, err
		}
	}
	if size > 0 && size+int64(len(lines)) > eventsMax {
		if err := dir.Rename(eventsName, eventsOlder); err == nil {
			return true, nil
		}
		if err := f.Truncate(0); err != nil { // the bound counts for more
			return false, err
		}
		size = 0
	}
	if _, err := f.Write(lines); err != nil {
		_ = f.Truncate(size)
		return false, err
	}
	return false, nil
}

// lock waits until no other gsv writes to the file. Where the file system knows
// no locks, O_APPEND alone keeps lines apart.
func lock(f *os.File) {
	for unix.Flock(int(f.Fd()), unix.LOCK_EX) == unix.EINTR {
	}
}

// wholeLines is how much of the file is whole lines.
func wholeLines(f io.ReaderAt, size int64) int64 {
	var b [4096]byte
	for size > 0 {
		n := min(size, int64(len(b)))
		if _, err := f.ReadAt(b[:n], size-n); err != nil {
			return size // it cannot be read: leave it as it is
		}
		if i := bytes.LastIndexByte(b[:n], '\n'); i >= 0 {
			return size - n + int64(i) + 1
		}
		size -= n
	}
	return 0
}

// read calls each with the lines on disk, the newest first, until it returns
// false. It may hang with the disk. What is not there is nothing.
func (e *eventFile) read(each func(line []byte) bool) error {
	dir, err := logs.OpenDir(e.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	newer, err := dir.Open(eventsName, unix.O_RDONLY, 0)
	if err == nil {
		defer newer.Close()
	} else if !os.IsNotExist(err) {
		return err
	}
	older, err := dir.Open(eventsOlder, unix.O_RDONLY, 0)
	if err == nil { // else the newer one must do
		defer older.Close()
	}
	if newer != nil && older != nil && dir.Is(eventsOlder, newer) {
		older = nil // renamed in between
	}
	for _, f := range []*os.File{newer, older} {
		if f == nil {
			continue
		}
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if more, err := backwards(f, st.Size(), each); err != nil || !more {
			return err
		}
	}
	return nil
}

// backwards calls each with the whole lines of f[:size], without their ends, the
// last one first, until it returns false. The slice is good until each returns.
func backwards(f io.ReaderAt, size int64, each func(line []byte) bool) (more bool, err error) {
	const block = 64 << 10
	var rest []byte // the end of a line whose beginning is still to be read
	torn := true    // what follows the last end of a line is none
	for from := size; from > max(0, size-2*eventsMax); {
		n := min(from, block)
		from -= n
		b := make([]byte, int(n)+len(rest))
		if _, err := f.ReadAt(b[:n], from); err != nil {
			return false, err
		}
		copy(b[n:], rest)
		for {
			i := bytes.LastIndexByte(b, '\n')
			if i < 0 {
				break
			}
			line := b[i+1:]
			b = b[:i]
			if torn {
				torn = false
			} else if !each(line) {
				return false, nil
			}
		}
		rest = b
	}
	if !torn && len(rest) > 0 && size <= 2*eventsMax {
		return each(rest), nil
	}
	return true, nil
}
