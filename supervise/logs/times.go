package logs

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// windowEntries is how much of an index is in memory at a time: 64 KiB of it,
// which is about 16 MiB of a busy log.
const windowEntries = 4096

// noEnd is an offset behind everything.
const noEnd = math.MaxInt64

// A times tells when, and by which run, the bytes of a log file were written:
// its index, open, whatever the file is called by now. Of the index of a large
// log only a part is in memory. The zero value knows nothing.
type times struct {
	f      *os.File
	head   string  // its header
	count  int64   // entries when last looked
	first  int64   // the position in the index of what window was made of
	last   int64   // and that behind it
	window []entry // without those that were replaced

	// The last span that was told, where another entry follows it.
	told   entry
	toldTo int64
}

// openTimes opens the index of a log file in dir. Where check is set it must be
// that of the file with the identity id. id is returned as the index has it,
// the zero one where there is no index.
func openTimes(dir, stem string, id identity, check bool) (times, identity, error) {
	path := filepath.Join(dir, indexDir, stem)
	fd, err := open(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return times{}, identity{}, nil
	}
	if err != nil {
		return times{}, identity{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	_ = unix.SetNonblock(fd, false) // not Go's poller
	f := os.NewFile(uintptr(fd), path)
	head := make([]byte, indexHeader)
	if n, _ := f.ReadAt(head, 0); n < indexHeader || string(head[:8]) != indexMagic || check && string(head) != string(encodeHeader(id)) {
		f.Close()
		return times{}, identity{}, nil
	}
	return times{f: f, head: string(head)}, decodeHeader(head), nil
}

func (t *times) close() {
	if t.f != nil {
		t.f.Close()
	}
	*t = times{}
}

// span returns what is known of the byte at off, and up to where that holds of
// those that follow. known is false where nothing is.
func (t *times) span(off int64) (e entry, end int64, known bool) {
	if t.f == nil {
		return entry{}, noEnd, false
	}
	if off >= t.told.off && off < t.toldTo {
		return t.told, t.toldTo, true
	}
	if n := len(t.window); n == 0 || t.first > 0 && off < t.window[0].off || off >= t.window[n-1].off {
		if t.look(); len(t.window) == 0 || off < t.window[0].off || t.last < t.count {
			t.load(off)
		}
	}
	i := entryAt(t.window, off)
	if i+1 < len(t.window) {
		end = t.window[i+1].off
	} else {
		end = noEnd
	}
	if i < 0 {
		return entry{}, end, false
	}
	if end != noEnd {
		t.told, t.toldTo = t.window[i], end
	}
	return t.window[i], end, true
}

// forget has the index read anew: others have cut the log short.
func (t *times) forget() { t.window, t.toldTo = t.window[:0], 0 }

// load takes that part of the index into memory which is about what is around off.
func (t *times) load(off int64) {
	at := t.search(func(e entry) bool { return e.off > off })
	first := max(0, at-windowEntries/2)
	t.read(first, min(t.count, first+windowEntries))
}

// look asks how many entries there are by now. When others have moved the log
// away, its index becomes that of the next file: then there are none.
func (t *times) look() {
	var head [indexHeader]byte
	count := int64(0)
	info, err := t.f.Stat()
	if n, _ := t.f.ReadAt(head[:], 0); err == nil && n == indexHeader && string(head[:]) == t.head {
		count = max(0, (info.Size()-indexHeader)/indexEntry)
	}
	if count < t.count {
		t.forget()
	}
	t.count = count
}

func (t *times) read(first, last int64) {
	t.first, t.last, t.window = first, last, t.window[:0]
	b := make([]byte, (last-first)*indexEntry)
	n, err := t.f.ReadAt(b, indexHeader+first*indexEntry)
	if err != nil && !errors.Is(err, io.EOF) {
		return
	}
	for b = b[:n]; len(b) >= indexEntry; b = b[indexEntry:] {
		t.window = appendEntry(t.window, decodeEntry(b))
	}
}

// search returns the position of the first entry for which is holds, if it
// holds for all behind it. Entries that were replaced are few and stand beside
// what replaced them.
func (t *times) search(is func(entry) bool) int64 {
	var b [indexEntry]byte
	return int64(sort.Search(int(t.count), func(i int) bool {
		if _, err := t.f.ReadAt(b[:], indexHeader+int64(i)*indexEntry); err != nil {
			return true // cut short meanwhile
		}
		return is(decodeEntry(b[:]))
	}))
}

// from returns the offset of the first byte that was written at t or later;
// noEnd: none is known to be.
func (t *times) from(at time.Time) int64 {
	if t.f == nil {
		return 0
	}
	t.look()
	i := t.search(func(e entry) bool { return !e.at.Before(at) })
	if i >= t.count {
		return noEnd
	}
	t.read(max(0, i-1), min(t.count, i+windowEntries))
	k := slices.IndexFunc(t.window, func(e entry) bool { return !e.at.Before(at) })
	if k < 0 {
		return noEnd
	}
	return t.window[k].off
}

// begin is when the first byte that is known of was written.
func (t *times) begin() (time.Time, bool) {
	if t.f == nil {
		return time.Time{}, false
	}
	if t.look(); t.count == 0 {
		return time.Time{}, false
	}
	t.read(0, min(t.count, windowEntries))
	if len(t.window) == 0 {
		return time.Time{}, false
	}
	return t.window[0].at, true
}
