package watch

import (
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// look is what a service does that polls: whether anything has changed since the
// last time. What, and whether it matters, is compared when it has settled.
func (s *service) look() {
	start := time.Now()
	s.lookAt = start.Add(s.every)
	if s.mayWatch() {
		return
	}
	s.rearrange()
	w := s.survey()
	s.rest = time.Since(start) * 9 // looking takes a tenth of the time at most
	s.lookAt = later(s.lookAt, time.Now().Add(s.rest))
	s.latest = later(s.latest, w.latest)
	s.stir(func(now time.Time) {
		for at, stat := range w.temps {
			if was, ok := s.temps[at]; s.temps != nil && (!ok || was != stat) {
				s.state.temp(now, at, false)
			}
		}
		for at := range s.temps {
			if _, ok := w.temps[at]; !ok {
				s.state.tempGone(now, at)
			}
		}
		if w.digest != s.digest {
			s.state.change(now, w.at)
		}
	})
	if w.digest != s.digest {
		for _, r := range s.roots {
			if r.dirty = true; r.tree != nil {
				r.tree.touchAll()
			}
		}
	}
	s.digest, s.temps = w.digest, w.temps
}

// survey goes through all that is watched.
func (s *service) survey() *walk {
	w := s.walk()
	for _, r := range s.roots {
		if r.tree != nil {
			w.refresh(r.tree, r.real, "") // which watches nothing
		} else if n := w.file(r); n != nil {
			w.digest = w.digest*31 + n.files[0].stat>>32
		}
	}
	return w
}

// mayWatch tries whether the kernel tells by now, when it is time for that.
func (s *service) mayWatch() bool {
	now := time.Now()
	if s.polls == byWish || now.Before(s.retryAt) {
		return false
	}
	s.retryAt = now.Add(s.w.retry)
	digest, temps := s.digest, s.temps
	s.arm(s.walk()) // which has changed what is watched anew
	s.say()
	if s.polls != "" {
		s.digest, s.temps, s.lookAt = digest, temps, now.Add(s.every)
		return false
	}
	return true
}

// A stampID says how a stamp was left by who touched it last.
type stampID struct {
	mtime, size int64
	id          fileID
}

// after reports whether it was touched since then.
func (id stampID) after(since time.Time) bool { return id.mtime >= since.UnixNano() }

// stampIs looks at the stamp; zero: there is none.
func (s *service) stampIs() stampID {
	var st unix.Stat_t
	if s.spec.Stamp == "" || unix.Stat(s.spec.Stamp, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return stampID{}
	}
	return stampID{st.Mtim.Nano(), st.Size, idOf(&st)}
}

// touched has it known that the stamp was touched, if sure or if it looks so. That
// it is gone is no touch.
func (s *service) touched(stamp string, sure bool) {
	if stamp == "" {
		return
	}
	if is := s.stampIs(); is != (stampID{}) && (sure || is != s.stamp) {
		s.stamp = is
		s.stir(func(now time.Time) { s.state.touch(now, place{under: stamp}) })
	}
}

// learn reads files that may be compared later, of one directory.
func (s *service) learn() {
	j := s.jobs[len(s.jobs)-1]
	s.jobs = s.jobs[:len(s.jobs)-1]
	if len(s.jobs) == 0 {
		s.jobs = nil
	}
	if s.budget <= 0 {
		s.jobs = nil
		return
	}
	names := j.node.names
	for i := range j.node.files {
		var name string
		name, names, _ = strings.Cut(names, "\x00")
		e := &j.node.files[i]
		if e.content != 0 || e.stat == 0 {
			continue
		}
		content, size, err := s.w.hash(join(j.path, name), *e, min(hashFile, s.budget))
		if err == nil && content != 0 {
			e.content = content
			s.budget -= size
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
