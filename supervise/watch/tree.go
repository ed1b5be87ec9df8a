package watch

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A root is a watched path as it is now.
type root struct {
	under string // as it was named, or what a glob has matched
	real  string // without links
	id    fileID
	isDir bool
	tree  *dir  // if it is a directory
	seen  *node // what there was when it came to be watched, of a walk that keeps
	dirty bool  // a file that may have changed
}

// A fileID says which file or directory a name was.
type fileID struct{ dev, ino uint64 }

// A dir is a directory that is watched, as a root or below one.
type dir struct {
	root   *root
	parent *dir // nil: the root
	name   string
	subs   []*dir // sorted by name
	wd     int32  // none when it polls; -1 when it has been dropped
	class  class
	dirty  bool // files in it may have changed since they were compared
	below  bool // or in those below
	size   int  // what it takes of namesMax
}

const (
	none    = 0 // descriptors begin with 1
	dropped = -1
)

// rel returns where a directory is below its root.
func (d *dir) rel() string {
	if d.parent == nil {
		return ""
	}
	return join(d.parent.rel(), d.name)
}

func (d *dir) path() string { return filepath.Join(d.root.real, d.rel()) }

func (d *dir) place(name string) place { return place{d.root.under, join(d.rel(), name)} }

func (d *dir) find(name string) (int, bool) {
	return slices.BinarySearchFunc(d.subs, name, func(d *dir, name string) int { return strings.Compare(d.name, name) })
}

// touch notes that files in it may have changed.
func (d *dir) touch() {
	d.dirty = true
	for d = d.parent; d != nil && !d.below; d = d.parent {
		d.below = true
	}
}

// touchAll notes that for all below.
func (d *dir) touchAll() {
	d.dirty, d.below = true, true
	for _, sub := range d.subs {
		sub.touchAll()
	}
}

// clean: what there is has been compared.
func (r *root) clean() {
	r.dirty, r.seen = false, nil
	if r.tree != nil {
		r.tree.clean()
	}
}

// clean: what there was has been compared.
func (d *dir) clean() {
	if d.dirty || d.below {
		d.dirty, d.below = false, false
		for _, sub := range d.subs {
			sub.clean()
		}
	}
}

// A walk goes through directories that are watched, and finds what has changed in them.
type walk struct {
	*service
	fresh  time.Time // temporaries that have changed since are of the deploy
	keep   bool      // returns what it has seen
	since  time.Time // see list
	jobs   []job     // what is kept of which no contents are known
	digest uint64    // of all that was seen
	temps  map[place]uint64
	latest time.Time // the latest change of a file after that, and where
	at     place
	newest time.Time // the latest change of a file or directory
}

// refresh has a directory watched, with all below, and brings what is known of them
// up to date. Those that are gone are dropped; an error is of watching itself.
func (w *walk) refresh(d *dir, path, rel string) (*node, error) {
	if err := w.rewatch(d, path); gone(err) {
		return nil, nil // its parent is told
	} else if err != nil && !errors.Is(err, fs.ErrPermission) && err != unix.ENAMETOOLONG {
		return nil, err
	}
	l, err := w.list(d, path, rel, w.since)
	if errors.As(err, new(networkError)) {
		return nil, err
	}
	if err != nil {
		w.room, d.size = w.room+d.size, 0
		for _, sub := range d.subs {
			w.drop(sub)
		}
		d.subs = nil
		return nil, nil
	}
	w.see(d, path, rel, &l)
	for _, was := range d.subs {
		if !slices.ContainsFunc(l.subs, func(s sub) bool { return s.name == was.name && s.class == was.class }) {
			w.drop(was)
		}
	}
	var n *node
	if w.keep && d.class == counted {
		n = &node{name: d.name, names: l.names, files: l.files}
		if slices.ContainsFunc(n.files, func(e entry) bool { return e.content == 0 && e.stat != 0 }) {
			w.jobs = append(w.jobs, job{n, path})
		}
	}
	subs := make([]*dir, 0, len(l.subs))
	for _, is := range l.subs {
		var sub *dir
		if i, ok := d.find(is.name); ok && d.subs[i].wd != dropped {
			sub = d.subs[i]
		} else {
			sub = &dir{root: d.root, parent: d, name: is.name, class: is.class, dirty: true, below: true}
		}
		subs = append(subs, sub)
	}
	d.subs = subs
	for _, sub := range subs {
		below, err := w.refresh(sub, path+"/"+sub.name, join(rel, sub.name))
		if err != nil {
			return nil, err
		}
		if below != nil {
			n.subs = append(n.subs, below)
		}
	}
	if n != nil {
		n.subs = slices.Clip(n.subs)
	}
	return n, nil
}

// see takes note of what is in a directory: temporaries, and what polling compares.
func (w *walk) see(d *dir, path, rel string, l *listing) {
	for _, t := range l.temps {
		at := place{d.root.under, join(rel, t.name)}
		if w.temps != nil {
			w.temps[at] = t.stat
		} else if !t.changed.Before(w.fresh) {
			w.stir(func(now time.Time) { w.state.temp(now, at, false) })
		}
	}
	if d.class != counted {
		return
	}
	if w.polls == "" && !w.keep {
		// They may have been opened before the directory was watched. This must be asked
		// when it is, for then their closing is told.
		for _, name := range l.fresh {
			if at := (place{d.root.under, join(rel, name)}); isOpen(path + "/" + name) {
				w.stir(func(now time.Time) { w.state.write(now, at) })
			}
		}
	}
	w.newest = later(w.newest, later(l.changed, l.dir))
	if l.changed.After(w.latest) {
		w.latest, w.at = l.changed, place{d.root.under, join(rel, l.latest)}
	}
	if w.temps != nil {
		w.digest = w.digest*31 + w.w.seed.text([]byte(rel+"\x00"+l.names))
		for _, e := range l.files {
			w.digest = w.digest*31 + e.stat>>32
		}
	}
}

// rewatch has the kernel tell of a directory, which may be another one than before.
func (s *service) rewatch(d *dir, path string) error {
	if s.polls != "" {
		return nil
	}
	wd, err := s.in.watch(path, maskTree, user{service: s, dir: d})
	if err == nil && d.wd != wd {
		s.swapped = s.swapped || d.wd != none
		s.unwatch(d)
		d.wd = wd
	}
	return err
}

func (s *service) unwatch(d *dir) {
	if d.wd > none {
		s.in.unwatch(d.wd, user{service: s, dir: d})
		d.wd = none
	}
}

// drop ends watching a directory with all below.
func (s *service) drop(d *dir) {
	s.unwatch(d)
	d.wd = dropped
	s.room, d.size = s.room+d.size, 0
	for _, sub := range d.subs {
		s.drop(sub)
	}
	d.subs = nil
}

// gone says whether an error means that a file is not there, or is another by now.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ESTALE)
}
