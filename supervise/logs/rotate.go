package logs

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// rotateAgain is how long a file that could not be rotated goes on growing.
const rotateAgain = time.Minute

// room is how many of the next limit bytes of a run may be written at end: with
// turn, those up to the end of a line at which the file is rotated then. No bytes
// and turn: it is to be rotated before. A line is cut in two only where it is
// longer than a whole file may be.
func (f *File) room(r *run, s *scratch, now time.Time, end, limit int64) (n int64, turn bool, err error) {
	size := f.policy.Load().size()
	if size == 0 && !f.old || now.Before(f.fixed) {
		return limit, false, nil
	}
	left := size - end
	if f.old {
		left = 0
	}
	if left > 2*plenty {
		return min(limit, left-plenty), false, nil
	}
	b, err := s.peek(r.fd)
	if err != nil && err != unix.EAGAIN {
		err = pipeError{err}
	}
	if err != nil || len(b) == 0 {
		return 0, false, err
	}
	b = b[:min(int64(len(b)), limit)]
	if int64(len(b)) <= left {
		return int64(len(b)), false, nil
	}
	if i := bytes.LastIndexByte(b[:max(0, left)], '\n'); i >= 0 {
		return int64(i) + 1, true, nil
	}
	if end > 0 && f.newline(end) {
		return 0, true, nil
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return int64(i) + 1, true, nil
	}
	return int64(len(b)), end > 2*size, nil
}

// rotate gives the file, and its index, the name of a rotated one; the next byte
// goes to another. A death between the two leaves an index that names another
// file than the one at its path: open finds out.
func (f *File) rotate(s *scratch, now time.Time) {
	err := f.rename(now)
	if err != nil {
		f.fixed = now.Add(rotateAgain)
		s.p.note(f.service, fmt.Errorf("cannot rotate %s: %w; it goes on growing", f.Path(), bare(err)))
		return
	}
	f.release()
	s.p.keep.rotated(f.dir, f.stem)
}

func (f *File) rename(now time.Time) error {
	dir, err := openDir(f.dir)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if f.last.After(now) { // the clock was set back: names go on sorting by time
		now = f.last
	}
	for range 1000 {
		name := rotatedName(f.stem, now)
		var st unix.Stat_t
		err := unix.Fstatat(dir, name+gzSuffix, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == unix.ENOENT {
			err = unix.Renameat2(dir, f.base, dir, name, unix.RENAME_NOREPLACE)
		} else if err == nil {
			err = unix.EEXIST
		}
		if err != unix.EEXIST {
			if err == nil {
				f.last = now.Add(time.Second)
				renameIndex(dir, f.stem, name[:len(name)-len(logSuffix)])
			}
			return err
		}
		now = now.Add(time.Second)
	}
	return unix.EEXIST
}
