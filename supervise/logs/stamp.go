package logs

import (
	"bytes"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// StampLayout is the time before each line, in UTC, which a space follows.
const StampLayout = "2006-01-02T15:04:05.000Z07:00"

const stampExample = "2006-01-02T15:04:05.000Z "

// stamp moves whole lines of a run to the end of the file, each with the time
// before it. It returns how many bytes it has taken out of the pipe.
func (f *File) stamp(r *run, s *scratch, now time.Time, end, limit int64) (int64, error) {
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
	sp := r.openSpill(s.p.dir, f.Path())
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
	err = f.putPart(r, s, now, end)
	if err != nil && f.policy.Load().Block {
		r.pending = true
		sp.note(end, 0, false) // nothing of it is in the log, to which others may write
		f.block(s, err)
		s.l.park(r) // there may be nothing more in its pipe
	} else if err != nil {
		f.lose(s, int64(len(sp.part)), err)
		sp.cut()
	}
	return int64(whole), nil
}

// stampedRoom is how much of b, whole lines, is to be written next, after what is in
// the spill, and where: in the file that takes the place of this one, if the first of
// them has no room here. With no b it is for the spill alone, which is a line.
func (f *File) stampedRoom(r *run, s *scratch, now time.Time, end int64, b []byte) (int64, int, error) {
	size := f.policy.Load().size()
	if size == 0 && !f.old || now.Before(f.fixed) {
		return end, len(b), nil
	}
	left := size - end
	if size == 0 {
		left = 1 << 62
	}
	fits := func() int {
		if len(b) == 0 && int64(len(r.spill.part)+len(stampExample)) <= left {
			return 1
		}
		return stampedFit(r.spill, b, left)
	}
	n := 0
	if !f.old {
		n = fits()
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
		n = fits()
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

// finishPending writes what is complete of the part to the log: a dead Pump, or a
// full disk, has left nothing of it there.
func (f *File) finishPending(r *run, s *scratch, now time.Time, end int64) error {
	sp := r.spill
	whole := bytes.LastIndexByte(sp.part, '\n') + 1
	sp.note(end, f.at.ino, whole == 0)
	if whole == 0 {
		whole = len(sp.part)
	}
	rest := bytes.Clone(sp.part[whole:])
	sp.part = sp.part[:whole]
	if err := f.put(r, s, now, end); err != nil {
		sp.part = append(sp.part, rest...)
		sp.note(end, 0, false)
		return err
	}
	r.pending = false
	sp.become(rest)
	f.nudge()
	return nil
}

// putPart is put, and cuts the spill.
func (f *File) putPart(r *run, s *scratch, now time.Time, end int64) error {
	err := f.put(r, s, now, end)
	if err == nil {
		r.spill.cut()
	}
	return err
}

// put writes the part, all of it, to the end of the file.
func (f *File) put(r *run, s *scratch, now time.Time, end int64) error {
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
	if start > 0 {
		f.mend(now, start, r.key.Gen)
	}
	sp.mid = sp.part[len(sp.part)-1] != '\n'
	return nil
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
		now := time.Now()
		end, err := f.end(s)
		if err == nil {
			sp.part = append(sp.part, '\n')
			if n := len(sp.part); n > 1 && sp.part[n-2] == '\n' {
				sp.part = sp.part[:n-1]
			}
			end, _, err = f.stampedRoom(r, s, now, end, nil)
		}
		if err == nil {
			sp.complete(end, f.at.ino)
			err = f.putPart(r, s, now, end)
		}
		if err != nil {
			f.lose(s, int64(len(sp.part)), err)
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
