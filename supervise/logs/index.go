package logs

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// Beside a log file gsv keeps an index: from which offset on, since when and by
// which run its bytes were written. So times and runs are known without a byte
// of gsv's in the log. LOG-DIR/.index/web is that of LOG-DIR/web.log, and
// .index/web-20261123T030405Z that of web-20261123T030405Z.log, compressed or
// not: offsets are those of what is in it.
//
// An index has a header that says which file it belongs to (its inode and when
// it was born, for a file may be moved away or removed by others), then entries
// of one size, appended before the bytes that they are about are written. So a
// death in between leaves an entry about nothing, which the next one with the
// same offset replaces.
//
//	header  "gsvidx1\n"  inode u64  born: seconds i64, nanoseconds u32  0 u32
//	entry   milliseconds since 1970 u48  offset u48  generation u32
//
// All numbers are little-endian.
const (
	indexDir    = ".index"
	indexMagic  = "gsvidx1\n"
	indexHeader = 32
	indexEntry  = 16
)

// indexTick is how exact its times are.
const indexTick = time.Millisecond

// How often an index gets an entry while one run writes: after indexPause, and
// after indexBytes as well if that takes indexLeast.
const (
	indexPause = 100 * time.Millisecond
	indexLeast = 10 * time.Millisecond
	indexBytes = 4 << 10
)

// An entry is what an index says of the bytes from off to that of the next.
type entry struct {
	at  time.Time // when they were written, to the millisecond
	off int64
	gen int // of the run that wrote them
}

func (e entry) encode(b []byte) {
	ms, off := uint64(max(0, e.at.UnixMilli())), uint64(e.off)
	binary.LittleEndian.PutUint64(b, ms&(1<<48-1)|off<<48)
	binary.LittleEndian.PutUint64(b[8:], off>>16&(1<<32-1)|uint64(uint32(e.gen))<<32)
}

func decodeEntry(b []byte) entry {
	lo, hi := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	return entry{time.UnixMilli(int64(lo & (1<<48 - 1))), int64(lo>>48 | hi&(1<<32-1)<<16), int(hi >> 32)}
}

func encodeHeader(id identity) []byte {
	b := make([]byte, indexHeader)
	copy(b, indexMagic)
	binary.LittleEndian.PutUint64(b[8:], id.ino)
	binary.LittleEndian.PutUint64(b[16:], uint64(id.born.Sec))
	binary.LittleEndian.PutUint32(b[24:], id.born.Nsec)
	return b
}

// decodeHeader is the file that a header names, but for its device.
func decodeHeader(b []byte) identity {
	id := identity{ino: binary.LittleEndian.Uint64(b[8:])}
	id.born.Sec = int64(binary.LittleEndian.Uint64(b[16:]))
	id.born.Nsec = binary.LittleEndian.Uint32(b[24:])
	return id
}

// An index is one that is being written. The zero value is not open.
type index struct {
	f     *os.File  // nil: not open
	any   bool      // there is an entry
	first time.Time // of the first one
	last  entry     // the newest one
	again time.Time // when to try again to open it
}

// open opens the index of the log file that has that identity, in the log
// directory dir, and makes it if it is missing or another file's.
func (x *index) open(dir int, stem string, id identity) error {
	x.close()
	in, err := openIndexDir(dir, true)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	fd, err := openOwnAs(in, stem, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Join(indexDir, stem), Err: err}
	}
	_ = unix.SetNonblock(fd, false) // not Go's poller
	f := os.NewFile(uintptr(fd), filepath.Join(indexDir, stem))
	x.f = f
	if err := x.take(id); err != nil {
		x.close()
		return err
	}
	if x.f != nil {
		return nil
	}
	f.Close()
	// It is another file's: of the one that was rotated last, if gsv was killed then.
	if to := x.lost(dir, in, stem); to != "" {
		err = unix.Renameat(in, stem, in, to)
	} else {
		err = unix.Unlinkat(in, stem, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "rename", Path: filepath.Join(indexDir, stem), Err: err}
	}
	return x.open(dir, stem, id)
}

// take takes up what is in the file that was opened, if it is that of the log
// file with that identity, or a new one. Otherwise x.f is nil then.
func (x *index) take(id identity) error {
	var b [indexHeader]byte
	var st unix.Stat_t
	if err := unix.Fstat(int(x.f.Fd()), &st); err != nil {
		return err
	}
	n, err := x.f.ReadAt(b[:], 0)
	switch {
	case n < len(b) && err != io.EOF:
		return err
	case n < len(b): // new, or the disk was full then
		_, err := x.f.WriteAt(encodeHeader(id), 0)
		return err
	case string(b[:]) != string(encodeHeader(id)):
		x.f = nil
		return nil
	}
	whole := (st.Size - indexHeader) / indexEntry
	if whole == 0 {
		return nil
	}
	var e [indexEntry]byte
	if _, err := x.f.ReadAt(e[:], indexHeader); err != nil {
		return err
	}
	x.first = decodeEntry(e[:]).at
	if _, err := x.f.ReadAt(e[:], indexHeader+(whole-1)*indexEntry); err != nil {
		return err
	}
	x.last, x.any = decodeEntry(e[:]), true
	return nil
}

// lost is the stem of the rotated file that the index at stem belongs to, "" if
// there is none.
func (x *index) lost(dir, in int, stem string) string {
	fd, err := openOwnAs(in, stem, unix.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	var b [indexHeader]byte
	n, _ := unix.Pread(fd, b[:], 0)
	unix.Close(fd)
	fd, err = open(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil || n < len(b) {
		return ""
	}
	list := os.NewFile(uintptr(fd), ".")
	defer list.Close()
	names, _ := list.Readdirnames(-1)
	ino := binary.LittleEndian.Uint64(b[8:])
	for _, name := range names {
		r, ok := parseRotated(stem, name)
		var st unix.Stat_t
		if ok && unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Ino == ino {
			return r.stem
		}
	}
	return ""
}

// renameIndex gives the index of a log that was rotated the name that goes with
// it. Where that fails, open does it later.
func renameIndex(dir int, from, to string) {
	in, err := openIndexDir(dir, false)
	if err == nil {
		_ = unix.Renameat(in, from, in, to)
		unix.Close(in)
	}
}

func (x *index) close() {
	if x == nil {
		return
	}
	if x.f != nil {
		x.f.Close()
	}
	*x = index{}
}

// add appends an entry.
func (x *index) add(e entry) error {
	if x == nil || x.f == nil {
		return nil
	}
	var b [indexEntry]byte
	e.encode(b[:])
	end, err := x.f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	end -= (end - indexHeader) % indexEntry // one that is not whole: the disk was full
	if _, err := x.f.WriteAt(b[:], end); err != nil {
		_ = x.f.Truncate(end)
		return err
	}
	if !x.any {
		x.first = e.at
	}
	x.last, x.any = e, true
	return nil
}

// reset forgets all entries: what they speak of has been cut off by others.
func (x *index) reset() error {
	x.last, x.any = entry{}, false
	if x.f == nil {
		return nil
	}
	return x.f.Truncate(indexHeader)
}

// due reports whether bytes that run gen writes to off now want an entry.
func (x *index) due(now time.Time, off int64, gen int) bool {
	if x == nil || !x.any || x.last.gen != gen {
		return true
	}
	since := now.Sub(x.last.at)
	return since >= indexPause || since < 0 || since >= indexLeast && off-x.last.off >= indexBytes
}

// openIndexDir opens the directory of the indexes in a log directory.
func openIndexDir(dir int, create bool) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := open(dir, indexDir, flags, 0)
	if err == unix.ENOENT && create {
		if err = unix.Mkdirat(dir, indexDir, 0o700); err == nil || err == unix.EEXIST {
			fd, err = open(dir, indexDir, flags, 0)
		}
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: indexDir, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || int(st.Uid) != os.Geteuid() {
		unix.Close(fd)
		return -1, &fs.PathError{Op: "open", Path: indexDir, Err: errors.New("belongs to somebody else")}
	}
	return fd, nil
}

// appendEntry appends the next one of an index to those before it.
func appendEntry(entries []entry, e entry) []entry {
	for n := len(entries); n > 0 && entries[n-1].off >= e.off; n-- {
		entries = entries[:n-1] // it was about nothing, or about what has been cut off
	}
	return append(entries, e)
}

// entryAt is the position of the entry that is about the byte at off, -1 where
// there is none.
func entryAt(entries []entry, off int64) int {
	return sort.Search(len(entries), func(i int) bool { return entries[i].off > off }) - 1
}
