package logs

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"
)

// mend sees to bytes of run gen that were written at off, where the file ended
// before, when others have cut the file to nothing in the meantime, as logrotate's
// copytruncate does: splice(2) takes no O_APPEND, and leaves a hole of zeros
// before them. They go to the begin of the file.
func (f *File) mend(now time.Time, off int64, gen int) {
	var last [1]byte
	if n, _ := unix.Pread(f.fd, last[:], off-1); n != 1 || last[0] != 0 {
		return
	}
	// A service may write zeros: only a hole says that they are none of its.
	from, err := unix.Seek(f.fd, 0, unix.SEEK_DATA)
	if err != nil || from == 0 {
		return
	}
	b := make([]byte, 64<<10)
	to := int64(0)
	for {
		n, err := unix.Pread(f.fd, b, from)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return // as it is: nothing of it is lost
		}
		if n == 0 {
			break
		}
		from += int64(n)
		text := b[:n]
		if to == 0 { // a hole ends where a page does
			text = bytes.TrimLeft(text, "\x00")
		}
		if n, err := pwrite(f.fd, text, to); n < len(text) || err != nil {
			return
		}
		to += int64(len(text))
	}
	if unix.Ftruncate(f.fd, to) == nil && f.index != nil {
		_ = f.index.reset()
		_ = f.index.add(entry{now.Truncate(indexTick), 0, gen})
	}
}
