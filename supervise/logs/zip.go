package logs

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// Rotated logs are compressed as gzip, by the standard library: zcat, zgrep and
// zless read it on every machine, and it needs no dependency. Level 3 leaves
// 11.3 % of an access log at some 260 MB/s; the 6 of gzip(1) leaves 10.1 % and
// takes twice the time, 1 leaves 12.8 % in three quarters of it (BenchmarkZip).
const zipLevel = 3

// The thread that compresses is nice, but only so much: while it is kept from
// running, Go cannot stop it, and all others wait, each time the garbage
// collector stops the process. With four busy threads a processor that took up
// to 0.05 s at nice 0, 0.09 at 5, 0.5 at 10 and 1.1 at 19.
const zipNice = 5

var errStopped = errors.New("stopped")

// A zipping is the compression of one rotated log, step by step: openZip, fill,
// publish, drop. It may be killed after any of them, and within. Its first two
// steps are slow and run on a thread of their own.
type zipping struct {
	d        *folder
	stem     string
	from, to *os.File // to: hidden, as it has no name that anybody reads
	st       unix.Stat_t
}

// hidden is what a compressed log with that stem is called before it is complete.
func hidden(stem string) string { return "." + stem + logSuffix + gzSuffix }

// openZip begins to compress the rotated log with that stem. Close what it
// returns.
func openZip(dir, stem string) (_ *zipping, err error) {
	d, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	z := &zipping{d: d, stem: stem}
	defer func() {
		if err != nil {
			z.abandon()
			z.close()
		}
	}()
	fd, err := openOwnAs(d.fd, stem+logSuffix, unix.O_RDONLY, 0)
	if err != nil {
		return nil, z.wrong("open", stem+logSuffix, err)
	}
	z.from = blocking(fd, stem+logSuffix)
	if err := unix.Fstat(fd, &z.st); err != nil {
		return nil, z.wrong("stat", stem+logSuffix, err)
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err = open(d.fd, hidden(stem), flags, 0o600)
	if err != nil {
		return nil, z.wrong("create", hidden(stem), err)
	}
	z.to = os.NewFile(uintptr(fd), hidden(stem))
	var made unix.Stat_t
	if err := unix.Fstat(fd, &made); err != nil {
		return nil, z.wrong("stat", hidden(stem), err)
	}
	if made.Gid != z.st.Gid { // before the mode, which could let another group read
		if err := unix.Fchown(fd, -1, int(z.st.Gid)); err != nil {
			return nil, z.wrong("chown", hidden(stem), err)
		}
	}
	if err := unix.Fchmod(fd, z.st.Mode&0o777); err != nil {
		return nil, z.wrong("chmod", hidden(stem), err)
	}
	return z, nil
}

func blocking(fd int, name string) *os.File {
	_ = unix.SetNonblock(fd, false) // not Go's poller
	return os.NewFile(uintptr(fd), name)
}

func (z *zipping) wrong(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: filepath.Join(z.d.path, name), Err: bare(err)}
}

// A zipper is the memory that one compression after the other uses. The zero
// value is ready.
type zipper struct {
	w   *gzip.Writer
	buf []byte
}

// fill writes the compressed file, until stop is set, and has it on the disk.
func (z *zipping) fill(by *zipper, stop *atomic.Bool) error {
	if by.w == nil {
		by.w, _ = gzip.NewWriterLevel(z.to, zipLevel) // fails for another level only
		by.buf = make([]byte, 64<<10)
	}
	w := by.w
	w.Reset(z.to)
	w.OS = 3 // Unix
	w.ModTime = time.Unix(z.st.Mtim.Unix())
	if name := z.stem + logSuffix; !strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		w.Name = name // gzip has no other letters
	}
	for {
		if stop.Load() {
			return errStopped
		}
		n, err := z.from.Read(by.buf)
		if _, err := w.Write(by.buf[:n]); err != nil {
			return z.wrong("write", hidden(z.stem), err)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return z.wrong("read", z.stem+logSuffix, err)
		}
	}
	if err := w.Close(); err != nil {
		return z.wrong("write", hidden(z.stem), err)
	}
	times := []unix.Timespec{z.st.Atim, z.st.Mtim}
	if err := unix.UtimesNanoAt(z.d.fd, hidden(z.stem), times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return z.wrong("set the time of", hidden(z.stem), err)
	}
	if err := z.to.Sync(); err != nil {
		return z.wrong("sync", hidden(z.stem), err)
	}
	return nil
}

// publish gives the complete file its name. It is not done, without an error,
// where the log has been removed, or written to, since.
func (z *zipping) publish() (done bool, err error) {
	var log unix.Stat_t
	if unix.Fstatat(z.d.fd, z.stem+logSuffix, &log, unix.AT_SYMLINK_NOFOLLOW) != nil || !same(&log, &z.st) ||
		log.Size != z.st.Size || log.Mtim != z.st.Mtim {
		return false, nil
	}
	if !z.mine() {
		return false, nil
	}
	name := z.stem + logSuffix + gzSuffix
	err = unix.Renameat2(z.d.fd, hidden(z.stem), z.d.fd, name, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS { // a file system that does not know NOREPLACE
		if err = unix.Fstatat(z.d.fd, name, &log, unix.AT_SYMLINK_NOFOLLOW); err == unix.ENOENT {
			err = unix.Renameat(z.d.fd, hidden(z.stem), z.d.fd, name)
		} else if err == nil {
			err = unix.EEXIST
		}
	}
	if err != nil {
		return false, z.wrong("create", name, err)
	}
	return true, nil
}

// mine reports whether the hidden file is z's: another gsv that writes to this
// directory may have taken it for a leftover, and have begun one of its own.
func (z *zipping) mine() bool {
	var there, own unix.Stat_t
	return z.to != nil && unix.Fstatat(z.d.fd, hidden(z.stem), &there, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		unix.Fstat(int(z.to.Fd()), &own) == nil && same(&there, &own)
}

func same(a, b *unix.Stat_t) bool { return a.Dev == b.Dev && a.Ino == b.Ino }

// drop removes the log that has been compressed.
func (z *zipping) drop() error { return z.d.unlink(z.d.fd, "", z.stem+logSuffix) }

// abandon removes what has been written.
func (z *zipping) abandon() {
	if z.mine() {
		_ = unix.Unlinkat(z.d.fd, hidden(z.stem), 0)
	}
}

func (z *zipping) close() {
	z.d.close()
	if z.from != nil {
		z.from.Close()
	}
	if z.to != nil {
		z.to.Close()
	}
}

// nicely calls f on a thread of low priority, which is thrown away: a thread
// may give its priority away, but not take it back.
func nicely(f func()) {
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if unix.Gettid() == os.Getpid() {
			// The main thread would not end, and the whole process seem nice.
			runtime.UnlockOSThread()
		} else {
			_ = unix.Setpriority(unix.PRIO_PROCESS, 0, zipNice)
			const process, idle = 1, 3 << 13 // IOPRIO_WHO_PROCESS, IOPRIO_CLASS_IDLE
			_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, process, 0, idle)
		}
		f()
	}()
}
