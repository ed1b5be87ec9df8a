package watch

import (
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// drain does what the events say that wait. Directories that are new are watched at
// once, since more will happen in them; contents are looked at when all is quiet.
func (s *service) drain() {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	for _, e := range inbox {
		if s.astray {
			s.rearrange()
		}
		switch {
		case e.call == callLoaded:
			s.absorb()
		case e.call == callLost:
			s.rescan()
		case e.dir != nil:
			s.inDir(e.dir, e)
		case e.way != nil:
			s.onWay(e.way, e)
		}
	}
	if s.astray {
		s.rearrange()
	}
}

// inDir is something that has happened in a directory below a watched path.
func (s *service) inDir(d *dir, e event) {
	if d.wd != e.wd {
		return // it has been dropped, or is another one by now
	}
	if e.mask&(unix.IN_IGNORED|unix.IN_UNMOUNT) != 0 {
		if d.wd = none; d.parent == nil {
			s.astray = true
			return
		}
		s.again(d)
		return
	}
	if e.name == "" {
		s.astray = s.astray || d.parent == nil && e.mask&maskSelf != 0
		return
	}
	rel, isDir := join(d.rel(), e.name), e.mask&unix.IN_ISDIR != 0
	at := place{d.root.under, rel}
	switch class := s.classify(d.class, d.path(), e.name, rel, isDir); {
	case d.class == temporal:
		s.stir(func(now time.Time) { s.state.temp(now, d.place(""), e.mask&unix.IN_MODIFY != 0) })
	case class == ignored:
	case class == temporal && !isDir:
		s.stir(func(now time.Time) {
			if e.mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0 {
				s.state.tempGone(now, at)
			} else {
				s.state.temp(now, at, e.mask&(unix.IN_CREATE|unix.IN_MODIFY) != 0)
			}
		})
	case isDir && e.mask&(unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
		s.moved(d, e, at, class)
	case !isDir:
		d.touch()
		s.onFile(at, filepath.Join(d.path(), e.name), e.mask)
	}
}

// onFile is something that has happened to a file that counts.
func (s *service) onFile(at place, path string, mask uint32) {
	if _, known := s.state.open[at]; mask&(unix.IN_CREATE|unix.IN_MODIFY) != 0 && !known {
		mask = opened(path, mask)
	}
	s.stir(func(now time.Time) {
		switch {
		case mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
			s.state.gone(now, at)
		case mask&unix.IN_MODIFY != 0:
			s.state.write(now, at)
		case mask&unix.IN_CLOSE_WRITE != 0:
			s.state.close(now, at)
		case mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
			s.state.change(now, at)
		}
	})
}

// opened returns IN_MODIFY if it looks as if somebody had a file open to write to it,
// who will close it, else IN_MOVED_TO. One that was made and is empty is open, if it is
// no link: rsync --inplace may write to it much later. One that was modified is not if
// only its time was set, of which the kernel tells in the same way (notify_change).
func opened(path string, mask uint32) uint32 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		made := mask&unix.IN_CREATE != 0 && st.Size == 0 && st.Nlink == 1
		if made || mask&unix.IN_MODIFY != 0 && st.Mtim == st.Ctim {
			return unix.IN_MODIFY
		}
	}
	return unix.IN_MOVED_TO
}

// moved is a directory that came or went in another.
func (s *service) moved(d *dir, e event, at place, is class) {
	i, had := d.find(e.name)
	came := e.mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0
	if had && !(came && d.subs[i].class == is) { // else it has been found before
		s.drop(d.subs[i])
		d.subs, had = slices.Delete(d.subs, i, i+1), false
	}
	s.stir(func(now time.Time) {
		switch {
		case is == temporal && came:
			s.state.temp(now, at, false)
		case is == temporal:
			s.state.tempGone(now, at)
		case is == counted && came:
			s.state.change(now, at)
		case is == counted:
			s.state.gone(now, at)
		default:
			s.state.drop(at)
		}
	})
	d.touch()
	if came {
		if !had {
			d.subs = slices.Insert(d.subs, i, &dir{root: d.root, parent: d, name: e.name, class: is, dirty: true, below: true})
		}
		s.again(d.subs[i])
	}
}

// again has a directory looked at, with all below.
func (s *service) again(d *dir) {
	w := s.walk()
	if _, err := w.refresh(d, d.path(), d.rel()); err != nil {
		s.poll(err)
	}
	s.say()
	if d.class == counted {
		d.touchAll()
		d.touch()
		s.changed(place{})
	}
}

func (s *service) changed(at place) {
	s.stir(func(now time.Time) { s.state.change(now, at) })
}

// onWay is something that has happened in a directory on the way to a watched path.
func (s *service) onWay(w *way, e event) {
	if w.wd != e.wd {
		return
	}
	switch {
	case e.mask&(unix.IN_IGNORED|unix.IN_UNMOUNT) != 0:
		w.wd = none
		s.astray = true
	case e.name == "":
		s.astray = s.astray || e.mask&maskSelf != 0
	case e.mask&(unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE|unix.IN_MOVED_FROM) != 0 && w.leads(e.name):
		s.astray = true
	}
	for _, r := range s.roots {
		if r.isDir || e.name == "" || r.real != filepath.Join(w.path, e.name) {
			continue
		}
		if s.spec.Stamp != "" {
			s.touched(r.under, e.mask&(unix.IN_MODIFY|unix.IN_CLOSE_WRITE|unix.IN_CREATE|unix.IN_MOVED_TO) != 0)
			continue
		}
		r.dirty = true
		s.onFile(place{under: r.under}, r.real, e.mask)
	}
}

// rescan looks at everything, since events are missing. It is a change only if anything
// has changed since that was done last: who makes more events than the kernel keeps
// would have the deploys of all others never settle.
func (s *service) rescan() {
	s.stir(func(now time.Time) { s.state.forget() })
	s.denied, s.swapped = "", false
	at := kernelNow()
	s.rearrange()
	w := s.walk()
	for _, r := range s.roots {
		if r.tree == nil {
			w.file(r)
		} else if _, err := w.refresh(r.tree, r.real, ""); err != nil {
			s.poll(err)
			s.swapped = true
			break
		}
	}
	s.say()
	if s.swapped || at.Before(s.looked) || !w.newest.Before(s.looked) { // by a clock that was put back, nobody knows
		for _, r := range s.roots {
			if r.dirty = true; r.tree != nil {
				r.tree.touchAll()
			}
		}
		s.changed(place{})
	}
	s.looked = at
}

// rearrange follows the paths anew, and has a change known if they lead elsewhere.
func (s *service) rearrange() {
	if err := s.arrange(s.walk()); err != nil {
		s.poll(err)
		s.changed(place{})
	}
	s.say()
	s.touched(s.spec.Stamp, false)
}

// arrange follows the paths and has watched what they lead to. An error is of the
// limits of watching.
func (s *service) arrange(w *walk) error {
	paths := s.spec.Paths
	if s.spec.Stamp != "" {
		paths = []string{s.spec.Stamp}
	}
	s.astray = false
	var r *resolver
	for range 20 {
		r = resolve(paths, s.rules)
		if s.polls != "" {
			break
		}
		news, err := s.watchWays(r)
		if err != nil {
			return err
		}
		if !news {
			break // what has changed since is told
		}
	}
	if r.many {
		s.deny("the paths lead to too many files: some do not count")
	}
	for i, is := range r.roots {
		if j := slices.IndexFunc(s.roots, func(was *root) bool {
			return was.under == is.under && was.real == is.real && was.id == is.id && was.isDir == is.isDir && (was.tree == nil || was.tree.wd != none || s.polls != "")
		}); j >= 0 {
			r.roots[i] = s.roots[j]
			continue
		}
		err := error(nil)
		if fs := s.w.network(is.real); fs != "" && s.polls == "" {
			err = networkError{is.under, fs}
		} else if is.isDir {
			is.tree = &dir{root: is, dirty: true, below: true}
			is.seen, err = w.refresh(is.tree, is.real, "")
		}
		if err != nil {
			for _, is := range r.roots[:i+1] { // the others are watched still
				if is.tree != nil && !slices.Contains(s.roots, is) {
					s.drop(is.tree)
				}
			}
			return err
		}
		if is.dirty = true; is.isDir {
			is.tree.touchAll()
		} else if w.keep {
			is.seen = w.file(is)
		}
		s.changed(place{under: is.under})
	}
	for _, was := range s.roots {
		if slices.Contains(r.roots, was) {
			continue
		}
		if was.tree != nil {
			s.drop(was.tree)
		}
		s.stir(func(now time.Time) { s.state.gone(now, place{under: was.under}) })
	}
	s.roots = r.roots
	return nil
}

// watchWays has the ways watched that a resolver has found, and says whether that
// was new of one: then what is behind it may have changed before.
func (s *service) watchWays(r *resolver) (news bool, err error) {
	for path, is := range r.ways {
		w := s.ways[path]
		if w == nil {
			w = &way{path: path}
			s.ways[path] = w
		}
		w.names, w.globs = is.names, is.globs
		wd, err := s.in.watch(path, is.mask, user{service: s, way: w})
		switch {
		case err == nil:
			if news = news || wd != w.wd || is.mask&^w.mask != 0; wd != w.wd {
				s.leaveWay(w)
			}
			w.wd, w.mask = wd, w.mask|is.mask
		case gone(err):
			news = true
		case is.mask != maskSelf: // that of a plain directory matters only if it is moved
			return false, err
		}
	}
	for path, w := range s.ways {
		if r.ways[path] == nil {
			s.leaveWay(w)
			delete(s.ways, path)
		}
	}
	return news, nil
}
