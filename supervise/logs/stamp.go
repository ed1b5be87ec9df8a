package logs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// With a time before each line bytes are changed on their way, so that no single
// system call moves them. They go by way of a file of the run in Options.Dir, its
// spill: splice(2) takes whole lines out of the pipe into the spill, they are
// written to the log, and the spill is cut. So after a death the spill has what
// may not be in the log as a whole: the log is cut back to where it ended before,
// and they are written again. What is after the last newline waits in the spill
// for the rest of its line.
//
// The header of a spill, whose numbers are little-endian:
//
//	where the log ended u64  its inode u64  flags u8
const (
	spillSuffix = ".spill"
	spillHeader = 32
	spillMid    = 1 // the log ends within a line that was too long to wait for its end
	spillAfter  = 2 // and will when what is here has been written
)

// StampLayout is the time before each line, in UTC, which a space follows.
const StampLayout = "2006-01-02T15:04:05.000Z07:00"

const stampExample = "2006-01-02T15:04:05.000Z "

// A spill is what a run needs to have its lines stamped.
type spill struct {
	fd      int    // -1: not open, and nothing is on disk
	path    string // "": there is none, and a death may double lines
	part    []byte // what is in it, and not in the log
	mid     bool   // the log ends within a line of this run's
	pending bool   // part is to be written before anything else
	base    int64  // where the log ended before a part that is pending
	ino     uint64 // of that log; 0: nothing of it can be there
}

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
	sp := &spill{fd: fd, path: path}
	r.spill = sp
	b, err := readAll(fd)
	if err != nil || len(b) < spillHeader {
		return
	}
	flags := b[16]
	sp.part = bytes.Clone(b[spillHeader:])
	sp.mid = flags&spillMid != 0
	switch {
	case len(sp.part) == 0:
		sp.mid = flags&spillAfter != 0
		sp.part = nil
	case bytes.IndexByte(sp.part, '\n') >= 0 || len(sp.part) >= maxLine:
		sp.pending = true
		sp.base, sp.ino = int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
	}
	r.pending = sp.pending
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

// open makes the spill of a run.
func (r *run) openSpill(dir string) *spill {
	if r.spill != nil {
		return r.spill
	}
	r.spill = &spill{fd: -1}
	if dir != "" {
		path := filepath.Join(dir, r.key.String()+spillSuffix)
		if err := os.MkdirAll(dir, 0o700); err == nil {
			fd, err := open(unix.AT_FDCWD, path, unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
			if err == nil {
				r.spill.fd, r.spill.path = fd, path
			}
		}
	}
	return r.spill
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
	if sp.fd >= 0 {
		if n, err := pwrite(sp.fd, b[:], 0); n < len(b) || err != nil {
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
	left, off := int64(len(b)), int64(spillHeader+len(sp.part))
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

// stamp moves whole lines of a run to the end of the file, each with the time
// before it. It returns how many bytes it has taken out of the pipe.
func (f *File) stamp(r *run, s *scratch, now time.Time, end, limit int64) (int64, error) {
	sp := r.openSpill(s.p.dir)
	if r.pending {
		if err := f.finishPending(r, s, now, end); err != nil {
			return 0, err
		}
		return f.write(r, s, limit)
	}
	b, err := s.peek(r.fd)
	if err != nil && err != unix.EAGAIN {
		err = pipeError{err}
	}
	if err != nil || len(b) == 0 {
		return 0, err
	}
	b = b[:min(int64(len(b)), limit)]
	whole := bytes.LastIndexByte(b, '\n') + 1
	if whole == 0 {
		if len(sp.part)+len(b) < maxLine {
			if len(sp.part) == 0 {
				sp.note(end, f.at.ino, false)
			}
			sp.take(r, s, b)
			sp.part = append(sp.part, b...)
			return int64(len(b)), nil
		}
		whole = len(b) // too long to wait for its end
	}
	if end, whole, err = f.stampedRoom(r, s, now, end, b[:whole]); err != nil {
		return 0, err
	}
	sp.note(end, f.at.ino, b[whole-1] != '\n')
	sp.take(r, s, b[:whole])
	sp.part = append(sp.part, b[:whole]...)
	r.moved += int64(whole)
	err = f.putPart(r, s, now, end)
	r.moved -= int64(whole) // move counts them
	if err != nil && f.policy.Load().Block {
		sp.pending, r.pending = true, true
		sp.ino = 0
		f.block(s, err)
		s.l.park(r) // there may be nothing more in its pipe
	} else if err != nil {
		f.lose(s, int64(len(sp.part)), err)
		sp.cut()
	}
	return int64(whole), nil
}

// stampedRoom is how much of b, whole lines, is to be written next, and where: in
// the file that takes the place of this one, if the first of them has no room here.
func (f *File) stampedRoom(r *run, s *scratch, now time.Time, end int64, b []byte) (int64, int, error) {
	size := f.policy.Load().size()
	if size == 0 && !f.old || now.Before(f.fixed) {
		return end, len(b), nil
	}
	left := size - end
	if size == 0 {
		left = 1 << 62
	}
	n := 0
	if !f.old {
		n = stampedFit(r.spill, b, left)
	}
	if n == 0 && end > 0 && f.newline(end) {
		f.rotate(s, now)
		var err error
		if end, err = f.end(s); err != nil {
			return 0, 0, err
		}
		if size > 0 {
			left = size - end
		}
		n = stampedFit(r.spill, b, left)
	}
	if n == 0 { // longer than a file may be
		if n = bytes.IndexByte(b, '\n') + 1; n == 0 {
			n = len(b)
		}
	}
	return end, n, nil
}

// stampedFit is how many of the bytes of b, whole lines, have room in left bytes
// with a time before each, after what is in the spill.
func stampedFit(sp *spill, b []byte, left int64) int {
	n := 0
	left -= int64(len(sp.part))
	for len(b) > n {
		line := bytes.IndexByte(b[n:], '\n') + 1
		if line == 0 {
			line = len(b) - n
		}
		if n > 0 || !sp.mid {
			left -= int64(len(stampExample))
		}
		if left -= int64(line); left < 0 {
			break
		}
		n += line
	}
	return n
}

// finishPending writes what is complete of the part to the log, in place of what
// a dead Pump, or a full disk, has left of it there.
func (f *File) finishPending(r *run, s *scratch, now time.Time, end int64) error {
	sp := r.spill
	if sp.ino != 0 && sp.ino == f.at.ino && sp.base < end {
		if err := unix.Ftruncate(f.fd, sp.base); err != nil {
			return err
		}
		end = sp.base
	}
	whole := bytes.LastIndexByte(sp.part, '\n') + 1
	if whole == 0 {
		whole = len(sp.part)
	}
	rest := bytes.Clone(sp.part[whole:])
	sp.part = sp.part[:whole]
	if err := f.putPart(r, s, now, end); err != nil {
		sp.part = append(sp.part, rest...)
		return err
	}
	sp.pending, r.pending = false, false
	if len(rest) == 0 {
		return nil
	}
	sp.part = rest
	if sp.fd >= 0 {
		if _, err := pwrite(sp.fd, rest, spillHeader); err != nil {
			sp.fail()
		}
	}
	return nil
}

// putPart writes the part, all of it, to the end of the file, and cuts the spill.
func (f *File) putPart(r *run, s *scratch, now time.Time, end int64) error {
	sp := r.spill
	f.enter(s, now, end, r.key.Gen)
	start := end
	if f.gap > 0 {
		var err error
		if end, err = f.tellGap(end); err != nil {
			return err
		}
	}
	s.out = appendStamped(s.out[:0], now, sp.part, sp.mid)
	n, err := pwrite(f.fd, s.out, end)
	if n < len(s.out) {
		_ = unix.Ftruncate(f.fd, start)
		if err == nil {
			err = unix.ENOSPC
		}
		return err
	}
	f.wrote(s, start, int64(n))
	sp.mid = sp.part[len(sp.part)-1] != '\n'
	sp.cut()
	return nil
}

// cut empties the spill.
func (sp *spill) cut() {
	sp.part = sp.part[:0]
	if cap(sp.part) > plenty/8 {
		sp.part = nil // costs nothing while there is none
	}
	if sp.fd >= 0 && unix.Ftruncate(sp.fd, spillHeader) != nil {
		sp.fail()
	}
}

// appendStamped appends lines to b, the time before each; mid: the first one has
// been begun.
func appendStamped(b []byte, now time.Time, lines []byte, mid bool) []byte {
	var stamp [len(stampExample)]byte
	before := append(now.UTC().AppendFormat(stamp[:0], StampLayout), ' ')
	for len(lines) > 0 {
		i := bytes.IndexByte(lines, '\n') + 1
		if i == 0 {
			i = len(lines)
		}
		if !mid {
			b = append(b, before...)
		}
		mid = false
		b = append(b, lines[:i]...)
		lines = lines[i:]
	}
	return b
}

// finish writes the last line of a run that has no end, which it gets.
func (f *File) finish(r *run, s *scratch) {
	sp := r.spill
	if sp == nil {
		return
	}
	if len(sp.part) > 0 || sp.mid {
		if end, err := f.end(s); err != nil {
			f.lose(s, int64(len(sp.part)), err)
		} else {
			if len(sp.part) == 0 || sp.part[len(sp.part)-1] != '\n' {
				sp.part = append(sp.part, '\n')
			}
			if err := f.putPart(r, s, time.Now(), end); err != nil {
				f.lose(s, int64(len(sp.part)), err)
			}
		}
	}
	sp.close()
	if sp.path != "" {
		if err := unix.Unlink(sp.path); err != nil && !errors.Is(err, unix.ENOENT) {
			s.p.note(f.service, &os.PathError{Op: "unlink", Path: sp.path, Err: err})
		}
	}
	r.spill = nil
}
