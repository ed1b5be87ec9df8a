package logs

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A past is a log that was rotated: what is on disk of it.
type past struct {
	of    *kept     // whose it is
	stem  string    // "web-20261123T030405Z": its name without ".log"
	at    time.Time // when it was rotated
	log   piece     // STEM.log
	zip   piece     // STEM.log.gz; there may be both for a moment
	index piece     // .index/STEM
	taken bool      // STEM.log or STEM.log.gz is not gsv's
	left  bool      // it was never rotated: see shelf; at is when it was last written
}

// A piece is one file, if it is there.
type piece struct {
	there bool
	size  int64 // bytes
	mtime unix.Timespec
}

func (p *past) size() int64 { return p.log.size + p.zip.size + p.index.size }

// zippable reports whether it is to be compressed, where that is wanted at all.
func (p *past) zippable() bool { return p.log.there && !p.zip.there && !p.taken && !p.left }

// A shelf is all that is on disk of the logs with one stem.
type shelf struct {
	of      *kept
	stem    string
	current int64    // bytes of the current log and its index
	past    []*past  // the oldest first
	junk    []string // names of what a compression left behind when it was killed
	orphans []string // stems of indexes whose rotated log is gone

	// left: nothing is written there any more, see kept. Its current log is then
	// one of the past, as soon as that can be told: from again on.
	left  bool
	again time.Time // zero: it can
}

// lull is how long a log of which it is not known that nobody writes it must not
// have been written to be taken for left: an old run may be there still.
const lull = time.Minute

// surplus parts the rotated logs of a service in those that must go under p,
// and those that stay, both with the oldest first. next is when the first of
// those that stay is too old; the zero Time: never.
//
// With room, they go as if the current logs had grown to the size at which they
// are rotated, so that all of them never take more than MaxTotal.
func (p *Policy) surplus(shelves []*shelf, now time.Time, room bool) (gone, stay []*past, next time.Time) {
	var current, reserve int64
	for _, s := range shelves {
		n := 0
		if p.Keep > 0 {
			n = max(0, len(s.past)-p.Keep)
		}
		for p.MaxAge > 0 && n < len(s.past) && now.Sub(s.past[n].at) >= p.MaxAge {
			n++
		}
		gone = append(gone, s.past[:n]...)
		stay = append(stay, s.past[n:]...)
		current += s.current
		if s.left {
			reserve += s.current
		} else {
			reserve += max(s.current, p.size())
		}
	}
	sortPast(stay)
	if p.MaxTotal > 0 {
		if room {
			current = max(current, min(reserve, p.MaxTotal/2))
		}
		n := excess(stay, current, p.MaxTotal)
		gone, stay = append(gone, stay[:n]...), stay[n:]
	}
	sortPast(gone)
	if p.MaxAge > 0 && len(stay) > 0 {
		next = stay[0].at.Add(p.MaxAge)
	}
	return gone, stay, next
}

// excess is how many of all, the oldest, must go so that what is left takes no
// more than limit bytes, together with others.
func excess(all []*past, others, limit int64) int {
	size := others
	for _, p := range all {
		size += p.size()
	}
	n := 0
	for ; n < len(all) && size > limit; n++ {
		size -= all[n].size()
	}
	return n
}

func sortPast(all []*past) {
	slices.SortFunc(all, func(a, b *past) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.stem, b.stem))
	})
}
