package logs

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// With a time before each line bytes are changed on their way, so that no single
// system call moves them. They go by way of a file of the run in Options.Dir, its
// spill: splice(2) takes whole lines out of the pipe into the spill, they are
// written to the log, and the spill is cut. So after a death the spill has what
// may not be in the log as a whole: before anything else is written, the log is
// cut back to where it ended before (undo), and they are written again. What is
// after the last newline waits in the spill for the rest of its line.
//
// A spill begins with these, whose numbers are little-endian:
//
//	where the log ended u64  its inode u64  flags u8  0 u8  length of its path u16  0 …  its path
const (
	spillSuffix = ".spill"
	freshSuffix = ".new" // of one that takes the place of another
	spillHeader = 32
	spillMid    = 1 // the log ends within a line that was too long to wait for its end
	spillAfter  = 2 // and will when what is here has been written
)

// A spill is what a run needs to have its lines stamped.
type spill struct {
	fd   int    // -1: not open, and nothing is on disk
	path string // "": there is none, and a death may double lines
	log  string // the path of the log
	part []byte // what is in it, and not in the log
	mid  bool   // the log ends within a line of this run's
}

// begin is where part begins.
func (sp *spill) begin() int64 { return spillHeader + int64(len(sp.log)) }

// stamped reports whether something of a run is on its way through its spill.
func (r *run) stamped() bool { return r.spill != nil && (len(r.spill.part) > 0 || r.spill.mid) }

// takeUp takes up what a Pump that died has left in the spill of a run.
func (r *run) takeUp(dir string) {
	if dir == "" {
		return
	}
	path := filepath.Join(dir, r.key.String()+spillSuffix)
	fd, err := open(unix.AT_FDCWD, path, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	b, err := readAll(fd)
	sp, _, ok := parseSpill(b)
	if err != nil || !ok {
		unix.Close(fd)
		return
	}
	sp.fd, sp.path = fd, path
	r.spill, r.pending = sp, sp.whole()
}

// parseSpill reads a spill; ok: it is one, and not just its begin.
func parseSpill(b []byte) (sp *spill, ino uint64, ok bool) {
	if len(b) < spillHeader {
		return nil, 0, false
	}
	n := spillHeader + int(binary.LittleEndian.Uint16(b[18:]))
	if len(b) < n {
		return nil, 0, false
	}
	sp = &spill{log: string(b[spillHeader:n]), part: bytes.Clone(b[n:]), mid: b[16]&spillMid != 0}
	if len(sp.part) == 0 {
		sp.part, sp.mid = nil, b[16]&spillAfter != 0
	}
	return sp, binary.LittleEndian.Uint64(b[8:]), true
}

// whole reports whether there is more in it than the begin of a line.
func (sp *spill) whole() bool {
	return bytes.IndexByte(sp.part, '\n') >= 0 || len(sp.part) >= maxLine
}

// undo cuts logs back to where they ended before what a Pump that died was writing,
// which is in spills in dir still. Nothing else writes to them yet.
func undo(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), spillSuffix+freshSuffix) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
		if _, ok := parsePart(e.Name()); ok && strings.HasSuffix(e.Name(), spillSuffix) {
			undoSpill(filepath.Join(dir, e.Name()))
		}
	}
}

func undoSpill(path string) {
	fd, err := open(unix.AT_FDCWD, path, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	b, err := readAll(fd)
	sp, ino, ok := parseSpill(b)
	if err != nil || !ok || ino == 0 || len(sp.part) > 0 && !sp.whole() {
		return
	}
	log, err := openOwnAs(unix.AT_FDCWD, sp.log, unix.O_RDWR, 0)
	if err != nil {
		return
	}
	defer unix.Close(log)
	var st unix.Stat_t
	base := int64(binary.LittleEndian.Uint64(b))
	same := unix.Fstat(log, &st) == nil && st.Ino == ino
	if len(sp.part) == 0 {
		if same && st.Size == base { // it was not taken up
			flags := b[16] &^ spillAfter
			if flags&spillMid != 0 {
				flags |= spillAfter
			}
			_, _ = pwrite(fd, []byte{flags}, 16)
		}
		return
	}
	if same && st.Size > base && unix.Ftruncate(log, base) != nil {
		return
	}
	_, _ = pwrite(fd, make([]byte, 8), 8) // not again: others write there now
}

func readAll(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	b := make([]byte, st.Size)
	n, err := unix.Pread(fd, b, 0)
	return b[:max(0, n)], err
}

// openSpill makes the spill of a run.
func (r *run) openSpill(dir, log string) *spill {
	if r.spill != nil {
		return r.spill
	}
	r.spill = &spill{fd: -1, log: log}
	if dir != "" {
		path := filepath.Join(dir, r.key.String()+spillSuffix)
		if err := os.MkdirAll(dir, 0o700); err == nil {
			fd, err := open(unix.AT_FDCWD, path, unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
			if err == nil {
				r.spill.fd, r.spill.path = fd, path
				// As a whole: of one without its length the path would be the part.
				b := r.spill.empty()
				if n, err := pwrite(fd, b, 0); n < len(b) || err != nil {
					r.spill.fail()
				}
			}
		}
	}
	return r.spill
}

// empty is what a spill is that has nothing in it.
func (sp *spill) empty() []byte {
	b := append(make([]byte, spillHeader), sp.log...)
	binary.LittleEndian.PutUint16(b[18:], uint16(len(sp.log)))
	return b
}

// close lets go of the spill; what is in it stays there.
func (sp *spill) close() {
	if sp != nil && sp.fd >= 0 {
		unix.Close(sp.fd)
		sp.fd = -1
	}
}

// note writes the header: where the log ends before what is taken up next, and
// whether it will end within a line after that.
func (sp *spill) note(base int64, ino uint64, after bool) {
	var b [spillHeader]byte
	binary.LittleEndian.PutUint64(b[:], uint64(base))
	binary.LittleEndian.PutUint64(b[8:], ino)
	if sp.mid {
		b[16] |= spillMid
	}
	if after {
		b[16] |= spillAfter
	}
	binary.LittleEndian.PutUint16(b[18:], uint16(len(sp.log)))
	if sp.fd >= 0 {
		if n, err := pwrite(sp.fd, b[:], 0); n < len(b) || err != nil {
			sp.fail()
		}
	}
}

// complete writes the end of the part, which has only just got one: so it is known
// to be what is written to the log next.
func (sp *spill) complete(base int64, ino uint64) {
	sp.note(base, ino, false)
	last := len(sp.part) - 1
	if sp.fd >= 0 {
		if n, err := pwrite(sp.fd, sp.part[last:], sp.begin()+int64(last)); n == 0 || err != nil {
			sp.fail()
		}
	}
}

// fail does without a file, where there is no room for it: the dead may double lines.
func (sp *spill) fail() {
	sp.close()
	if sp.path != "" {
		_ = unix.Unlink(sp.path)
	}
}

// take moves n bytes from the pipe of a run into its spill; b are the same.
func (sp *spill) take(r *run, s *scratch, b []byte) {
	left, off := int64(len(b)), sp.begin()+int64(len(sp.part))
	for left > 0 && sp.fd >= 0 {
		n, err := splice(r.fd, sp.fd, &off, left)
		if n <= 0 || err != nil {
			sp.fail()
			break
		}
		left -= n
	}
	if left > 0 {
		_, _ = s.discard(r.fd, left)
	}
}

// become has the spill hold rest instead of the part, at once: a death leaves it
// as it was, or as it is then.
func (sp *spill) become(rest []byte) {
	if len(rest) == 0 {
		sp.cut()
		return
	}
	sp.part = rest
	if sp.fd < 0 {
		return
	}
	b := append(sp.empty(), rest...)
	fresh := sp.path + freshSuffix
	fd, err := open(unix.AT_FDCWD, fresh, unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err == nil {
		n, e := pwrite(fd, b, 0)
		if e == nil && n == len(b) {
			e = unix.Rename(fresh, sp.path)
		} else if e == nil {
			e = unix.ENOSPC
		}
		if err = e; err == nil {
			unix.Close(sp.fd)
			sp.fd = fd
			return
		}
		unix.Close(fd)
		_ = unix.Unlink(fresh)
	}
	sp.fail()
}

// cut empties the spill.
func (sp *spill) cut() {
	sp.part = sp.part[:0]
	if cap(sp.part) > plenty/8 {
		sp.part = nil // costs nothing while there is none
	}
	if sp.fd >= 0 && unix.Ftruncate(sp.fd, sp.begin()) != nil {
		sp.fail()
	}
}
