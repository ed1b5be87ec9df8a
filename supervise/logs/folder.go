package logs

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A folder is a log directory that is looked through for rotated logs. What is
// not gsv's own there (another user's, a link, a file with a second name) is
// neither read nor counted nor removed.
type folder struct {
	path  string
	fd    int
	index int // its .index; -1: there is none
}

// openFolder opens a log directory. It is not made where it is missing.
func openFolder(path string) (*folder, error) {
	fd, err := openDirThere(path)
	if err != nil {
		return nil, err
	}
	in, _ := openIndexDir(fd, false) // who writes one says what is wrong with it
	return &folder{path, fd, in}, nil
}

func (d *folder) close() {
	unix.Close(d.fd)
	if d.index >= 0 {
		unix.Close(d.index)
	}
}

// A listing is what a folder holds of some stems.
type listing map[string]*shelf

// of is what it holds of c's.
func (l listing) of(c *kept) []*shelf {
	shelves := make([]*shelf, len(c.stems), len(c.stems)+1)
	for i, stem := range c.stems {
		shelves[i] = l[stem]
	}
	if s := l[c.left()]; s != nil && s.of == c {
		shelves = append(shelves, s)
	}
	return shelves
}

// list lists what there is of these services. Where isCurrent says so, the log
// with that stem is the current one of a service, though it is called as one
// that was rotated.
func (d *folder) list(all []*kept, isCurrent func(stem string) bool) (listing, error) {
	l := listing{}
	for _, c := range all {
		for _, stem := range c.stems {
			l[stem] = &shelf{of: c, stem: stem, current: d.piece(d.fd, stem+logSuffix).size + d.piece(d.index, stem).size}
		}
		if left := c.left(); left != "" && l[left] == nil && !isCurrent(left) {
			l[left] = &shelf{of: c, stem: left, left: true}
		}
	}
	// The indexes first: a log that is rotated meanwhile is renamed before its
	// index, so that no index is taken for one whose log is gone.
	indexes, err := names(d.index)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: filepath.Join(d.path, indexDir), Err: err}
	}
	there, err := names(d.fd)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: d.path, Err: err}
	}
	found := map[string]*past{}
	for _, name := range there {
		if hidden, ok := strings.CutPrefix(name, "."); ok {
			if s, r, ok := l.ask(hidden); ok && r.zipped {
				s.junk = append(s.junk, name)
			}
			continue
		}
		if stem, ok := strings.CutSuffix(name, logSuffix); ok && l[stem] != nil && l[stem].left {
			d.leave(l[stem])
		}
		s, r, ok := l.ask(name)
		if !ok || isCurrent(r.stem) {
			continue
		}
		p := found[r.stem]
		if p == nil {
			p = &past{of: s.of, stem: r.stem, at: r.at}
			found[r.stem] = p
		}
		of := &p.log
		if r.zipped {
			of = &p.zip
		}
		*of = d.piece(d.fd, name)
		p.taken = p.taken || !of.there
	}
	for _, name := range indexes {
		s, _, ok := l.ask(name + logSuffix)
		if !ok || isCurrent(name) {
			continue
		}
		if p := found[name]; p != nil {
			p.index = d.piece(d.index, name)
		} else {
			s.orphans = append(s.orphans, name)
		}
	}
	for _, p := range found {
		if p.log.there || p.zip.there {
			s, _, _ := l.ask(p.stem + logSuffix)
			s.past = append(s.past, p)
		}
	}
	for _, s := range l {
		sortPast(s.past)
	}
	return l, nil
}

// leave puts the current log of a shelf that nobody writes to among its past.
func (d *folder) leave(s *shelf) {
	log, index := d.piece(d.fd, s.stem+logSuffix), d.piece(d.index, s.stem)
	at := time.Unix(log.mtime.Unix())
	switch {
	case !log.there:
	case time.Since(at) < lull:
		s.current, s.again = log.size+index.size, at.Add(lull)
	default:
		s.past = append(s.past, &past{of: s.of, stem: s.stem, at: at, log: log, index: index, left: true})
	}
}

// ask tells whose rotated log has that name, if it is one of those listed.
func (l listing) ask(name string) (*shelf, rotated, bool) {
	s := strings.TrimSuffix(name, gzSuffix)
	n := len(s) - len("-"+stampLayout+logSuffix)
	if n < 0 {
		return nil, rotated{}, false
	}
	of := l[s[:n]]
	if of == nil {
		return nil, rotated{}, false
	}
	r, ok := parseRotated(of.stem, name)
	return of, r, ok
}

// piece is what there is of a file of gsv's own.
func (d *folder) piece(dir int, name string) piece {
	var st unix.Stat_t
	if dir < 0 || unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG ||
		int(st.Uid) != os.Geteuid() || st.Nlink != 1 {
		return piece{}
	}
	return piece{true, st.Size, st.Mtim}
}

// names are those of all that is in a directory, in no order.
func names(dir int) ([]string, error) {
	if dir < 0 {
		return nil, nil
	}
	fd, err := open(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), ".")
	defer f.Close()
	return f.Readdirnames(-1)
}

// remove removes a rotated log, its index last: one without a log is found
// again by list.
func (d *folder) remove(p *past) error {
	for _, f := range []struct {
		piece
		dir        int
		in, suffix string
	}{{p.zip, d.fd, "", logSuffix + gzSuffix}, {p.log, d.fd, "", logSuffix}, {p.index, d.index, indexDir, ""}} {
		if f.there {
			if err := d.unlink(f.dir, f.in, p.stem+f.suffix); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlink removes the name of a file in a directory of d; in is the directory's.
func (d *folder) unlink(dir int, in, name string) error {
	if err := unix.Unlinkat(dir, name, 0); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "remove", Path: filepath.Join(d.path, in, name), Err: err}
	}
	return nil
}

// tidy finishes what a death in the middle of work on s has left, but for the
// log busy, which is being compressed.
func (d *folder) tidy(s *shelf, busy place) (err error) {
	for _, name := range s.junk {
		if d.piece(d.fd, name).there && (d.path != busy.dir || name != hidden(busy.stem)) {
			err = cmp.Or(err, d.unlink(d.fd, "", name))
		}
	}
	for _, stem := range s.orphans {
		if d.piece(d.index, stem).there {
			err = cmp.Or(err, d.unlink(d.index, indexDir, stem))
		}
	}
	for _, p := range s.past {
		// A compressed one got its name when it was complete, with the time of
		// the other. One that somebody else is making just now has not.
		if p.log.there && p.zip.there && p.log.mtime == p.zip.mtime {
			e := d.unlink(d.fd, "", p.stem+logSuffix)
			if e == nil {
				p.log = piece{}
			}
			err = cmp.Or(err, e)
		}
	}
	return err
}
