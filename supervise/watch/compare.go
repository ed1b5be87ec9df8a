package watch

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A job is a directory that has files of which no contents are known.
type job struct {
	node *node
	path string
}

// A difference is what comparing has found.
type difference struct {
	*service
	since time.Time // see list; set, contents are not read
	left  *int64    // how many bytes may still be read
	files int
	first string
	jobs  []job
}

func (d *difference) add(rel string) {
	if d.files++; d.files == 1 || rel < d.first {
		d.first = rel
	}
}

// settle compares what there is with what was loaded, and tells of it if nothing
// happens meanwhile.
func (s *service) settle() {
	if s.polls != "" {
		s.look() // it may go on, unseen
	}
	now := kernelNow()
	kept, change, jobs := s.compare(time.Time{})
	stamp := s.stampIs()
	if s.spec.Stamp != "" {
		change = Change{Files: 1, Under: s.spec.Stamp}
	}
	s.w.pump()
	s.drain()
	s.tell(func() bool {
		if len(s.inbox) > 0 || !s.state.compared() {
			return false
		}
		s.commit(kept, jobs, stamp, now)
		return change.Files > 0
	}, func() {
		change.Under, change.First = shown(change.Under), shown(change.First)
		s.w.options.Settled(s.name, change)
	})
}

// absorb takes what is there as loaded, but for what has changed since Loaded was called.
func (s *service) absorb() {
	s.mu.Lock()
	since := s.calls[0]
	s.calls = s.calls[1:]
	s.state.loaded()
	s.mu.Unlock()
	if s.astray {
		s.rearrange()
		s.stir(func(time.Time) { s.state.loaded() })
	}
	if s.polls != "" {
		s.look()
		s.stir(func(time.Time) { s.state.loaded() })
		since = time.Time{} // the clock may be another's
	}
	kept, _, jobs := s.compare(since)
	s.commit(kept, jobs, s.stampIs(), since)
	files := s.fingerprint()
	s.tell(func() bool { return true }, func() { s.w.options.Loaded(s.name, files) })
}

// commit has something count as loaded.
func (s *service) commit(kept map[string]*kept, jobs []job, stamp stampID, at time.Time) {
	s.kept, s.stamp = kept, stamp
	s.jobs = append(s.jobs, jobs...)
	for _, r := range s.roots {
		r.clean()
	}
	if !at.IsZero() {
		s.settled = at
	}
}

// compare says what there is, and what of it differs from what was loaded.
func (s *service) compare(since time.Time) (map[string]*kept, Change, []job) {
	var change Change
	left := int64(hashBudget)
	all := &difference{service: s, since: since}
	is := map[string]*kept{}
	one := func(under string, r *root) {
		was := s.kept[under]
		if was == nil {
			was = &kept{}
		}
		d := &difference{service: s, since: since, left: &left}
		var k *kept
		switch {
		case r == nil:
			d.removed(was.files, "")
		case r.isDir:
			k = &kept{r.real, d.dir(r.tree, was.files, r.real, "")}
		case r.dirty || was.real != r.real:
			w := &walk{service: s, since: since}
			k = &kept{r.real, w.file(r)}
			if k.files == nil {
				d.removed(was.files, "")
				break
			}
			k.files.files = d.merge(k.files, was.files, r.real, "")
		default:
			k = was
		}
		if k != nil {
			is[under] = k
			if d.files == 0 && was.real != "" && was.real != k.real {
				d.add("") // the same by another release: a server may have the old one open
			}
		}
		if d.files > 0 && change.Files == 0 {
			change.Under, change.First = under, d.first
		}
		change.Files += d.files
		all.jobs = append(all.jobs, d.jobs...)
	}
	seen := map[string]bool{}
	for _, r := range s.roots {
		seen[r.under] = true
		one(r.under, r)
	}
	for _, under := range sortedKeys(s.kept) {
		if !seen[under] {
			one(under, nil)
		}
	}
	s.say() // what could not be read
	return is, change, all.jobs
}

// dir compares a directory with what was loaded of it, and returns what it contains.
func (d *difference) dir(is *dir, was *node, path, rel string) *node {
	if was != nil && !is.dirty && !is.below {
		return was
	}
	n := &node{name: is.name}
	if was != nil && !is.dirty {
		n.names, n.files = was.names, was.files
	} else {
		l, err := d.list(is, path, rel, d.since)
		if errors.As(err, new(networkError)) {
			d.poll(err)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return was // nobody knows
		}
		n.names, n.files = l.names, l.files
		if !d.since.IsZero() && was != nil && !l.dir.Before(d.since) {
			d.keepGone(n, was)
		}
		n.files = d.merge(n, was, path, rel)
	}
	i := 0
	for _, sub := range is.subs {
		if sub.class != counted {
			continue
		}
		if was != nil {
			for ; i < len(was.subs) && was.subs[i].name < sub.name; i++ {
				d.removed(was.subs[i], join(rel, was.subs[i].name))
			}
			if i < len(was.subs) && was.subs[i].name == sub.name {
				i++
			}
		}
		n.subs = append(n.subs, d.dir(sub, was.sub(sub.name), path+"/"+sub.name, join(rel, sub.name)))
	}
	if was != nil {
		for _, gone := range was.subs[i:] {
			d.removed(gone, join(rel, gone.name))
		}
	}
	n.subs = compactNodes(n.subs)
	return n
}

func compactNodes(nodes []*node) []*node {
	kept := nodes[:0]
	for _, n := range nodes {
		if n != nil {
			kept = append(kept, n)
		}
	}
	return kept
}

// keepGone has what is no longer in a directory that has changed since then stay in
// what is loaded: it may have gone since.
func (d *difference) keepGone(n, was *node) {
	var names strings.Builder
	var files []entry
	both(n, was, func(name string, is, old *entry) {
		names.WriteString(name)
		names.WriteByte(0)
		if is == nil {
			is = old
		}
		files = append(files, *is)
	})
	n.names, n.files = names.String(), files
}

// merge compares the files of a directory, and returns them with what is known of
// their contents.
func (d *difference) merge(n, was *node, path, rel string) []entry {
	files, unknown := make([]entry, 0, len(n.files)), false
	both(n, was, func(name string, is, old *entry) {
		switch {
		case is == nil:
			d.add(join(rel, name))
			return
		case old == nil:
			d.add(join(rel, name))
		default:
			if d.differs(is, old, join(path, name)) {
				d.add(join(rel, name))
			}
		}
		files = append(files, *is)
		unknown = unknown || is.content == 0 && is.stat != 0
	})
	if unknown {
		d.jobs = append(d.jobs, job{n, path})
	}
	return files
}

// differs says whether a file has other contents, which it reads if those that were
// loaded are known. One that is too large by now does.
func (d *difference) differs(is, old *entry, path string) bool {
	switch {
	case is.stat == old.stat && is.stat != 0:
		is.content = old.content
		return false
	case is.content != 0: // a link
		return is.content != old.content
	case is.stat == 0 || old.stat == 0:
		return true
	case !d.since.IsZero():
		return true // which nobody asks for
	case old.content == 0:
		return !is.sameFile(*old)
	}
	content, size, err := d.w.hash(path, *is, min(hashFile, *d.left))
	*d.left -= size
	if err != nil && !errors.Is(err, errChanged) {
		return !is.sameFile(*old) // it cannot be read
	}
	is.content = content
	return content != old.content
}

// removed counts all files of a directory.
func (d *difference) removed(was *node, rel string) {
	if was == nil {
		return
	}
	both(was, nil, func(name string, _, _ *entry) { d.add(join(rel, name)) })
	for _, sub := range was.subs {
		d.removed(sub, join(rel, sub.name))
	}
}

// both goes through the files of two directories by name; nil is one that it has not.
func both(a, b *node, do func(name string, a, b *entry)) {
	type side struct {
		names string
		files []entry
	}
	of := func(n *node) side {
		if n == nil {
			return side{}
		}
		return side{n.names, n.files}
	}
	next := func(s *side) *entry {
		e := &s.files[0]
		_, s.names, _ = strings.Cut(s.names, "\x00")
		s.files = s.files[1:]
		return e
	}
	for x, y := of(a), of(b); len(x.files) > 0 || len(y.files) > 0; {
		nameX, _, _ := strings.Cut(x.names, "\x00")
		nameY, _, _ := strings.Cut(y.names, "\x00")
		switch {
		case len(y.files) == 0 || len(x.files) > 0 && nameX < nameY:
			do(nameX, next(&x), nil)
		case len(x.files) == 0 || nameY < nameX:
			do(nameY, nil, next(&y))
		default:
			do(nameX, next(&x), next(&y))
		}
	}
}

// file returns what a watched file is, as a node of one without a name.
func (w *walk) file(r *root) *node {
	var st unix.Stat_t
	if unix.Lstat(r.real, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	e, changed := entry{stat: w.w.seed.stat(&st)}, time.Unix(st.Ctim.Unix())
	if w.newest = later(w.newest, changed); !w.since.IsZero() && !changed.Before(w.since) {
		e = entry{}
	}
	n := &node{names: "\x00", files: []entry{e}}
	if w.keep {
		w.jobs = append(w.jobs, job{n, r.real})
	}
	return n
}
