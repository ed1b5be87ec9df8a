package watch

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A way is a directory on the way to a watched path, in which names matter.
type way struct {
	path  string
	wd    int32
	mask  uint32
	names map[string]bool
	globs []string
}

// leads says whether a name in it is on the way to a watched path.
func (w *way) leads(name string) bool {
	return w.names[name] || slices.ContainsFunc(w.globs, func(glob string) bool { return matchGlob(glob, name) })
}

// matchGlob matches one name as a shell does: a dot in front is not in "*".
func matchGlob(glob, name string) bool {
	return (glob[0] == '.' || name[0] != '.') && matchName(glob, name)
}

func isGlob(name string) bool { return strings.ContainsAny(name, "*?[") }

// A resolver follows watched paths through links and globs.
type resolver struct {
	rules rules // what a glob does not match
	roots []*root
	ways  map[string]*way
	links int
	steps int
	many  bool // there was more than it may follow
}

// How many names of globs and links are followed, and how many paths they may lead to.
const (
	stepsMax = 10_000
	rootsMax = 1000
)

// resolve says what paths lead to now.
func resolve(paths []string, rs rules) *resolver {
	r := &resolver{rules: rs, ways: map[string]*way{}}
	for _, p := range paths {
		r.links = 0
		r.follow("/", split(p), "", len(split(p)))
	}
	return r
}

func split(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" || s == "." })
}

// way has a directory watched, for a name in it if that is not "".
func (r *resolver) way(dir string, mask uint32, name string) *way {
	w := r.ways[dir]
	if w == nil {
		w = &way{path: dir, names: map[string]bool{}}
		r.ways[dir] = w
	}
	w.mask |= mask
	if name != "" {
		w.names[name] = true
	}
	return w
}

// follow goes on from a directory that is no link. under is what has been named by
// then, and named how many of rest still belong to it: the others come of a link.
func (r *resolver) follow(dir string, rest []string, under string, named int) {
	if len(rest) == 0 {
		var st unix.Stat_t
		if unix.Lstat(dir, &st) == nil {
			r.found(&root{under: under, real: dir, id: idOf(&st), isDir: true})
		}
		return
	}
	name, rest := rest[0], rest[1:]
	switch {
	case len(rest) >= named:
		r.step(dir, name, rest, under, named)
	case isGlob(name):
		r.glob(dir, name, rest, under)
	default:
		r.step(dir, name, rest, under+"/"+name, len(rest))
	}
}

// step goes on with one name.
func (r *resolver) step(dir, name string, rest []string, under string, named int) {
	if name == ".." {
		r.follow(filepath.Dir(dir), rest, under, named)
		return
	}
	if r.steps++; r.steps > stepsMax {
		r.many = true
		return
	}
	at := filepath.Join(dir, name)
	var st unix.Stat_t
	if err := unix.Lstat(at, &st); err != nil {
		r.way(dir, maskName, name)
		return
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if len(rest) > 0 {
			r.way(at, maskSelf, "")
		}
		r.follow(at, rest, under, named)
	case unix.S_IFLNK:
		r.way(dir, maskName, name)
		to, err := os.Readlink(at)
		if r.links++; err != nil || r.links > 40 {
			return
		}
		if filepath.IsAbs(to) {
			dir = "/"
		}
		r.follow(dir, append(split(to), rest...), under, named)
	default:
		if len(rest) > 0 {
			r.way(dir, maskName, name) // it may be made a directory
			return
		}
		r.way(dir, maskFile, name)
		r.found(&root{under: under, real: at, id: idOf(&st)})
	}
}

// glob follows each name in a directory that matches.
func (r *resolver) glob(dir, glob string, rest []string, under string) {
	w := r.way(dir, maskName, "")
	if !slices.Contains(w.globs, glob) {
		w.globs = append(w.globs, glob)
	}
	f, err := openDir(dir)
	if err != nil {
		return
	}
	names, err := readNames(f, namesMax)
	f.Close()
	r.many = r.many || err == errTooMany
	links := r.links
	for _, name := range names {
		if matchGlob(glob, name) && r.rules.class(name, false) == counted {
			r.links = links
			r.step(dir, name, rest, under+"/"+name, len(rest))
		}
	}
}

// found adds a root, once.
func (r *resolver) found(is *root) {
	is.under = path.Clean("/" + is.under)
	switch {
	case slices.ContainsFunc(r.roots, func(other *root) bool { return other.under == is.under }):
	case len(r.roots) == rootsMax:
		r.many = true
	default:
		r.roots = append(r.roots, is)
	}
}

func idOf(st *unix.Stat_t) fileID { return fileID{uint64(st.Dev), st.Ino} }
