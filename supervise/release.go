package supervise

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gsv/supervise/definition"
	"gsv/supervise/procfs"
	"gsv/supervise/status"
)

// A place is the release that a service's code is of.
type place struct {
	release string // the name of its directory; "" = the code is not reached through a link
	stale   bool   // a reload would load the code of an old directory
	why     string // why it is stale, or may be
	warning string // what is said of a reload although it went well
}

// places are being looked at for whoever asks how services are. What a look
// needs may be on a file system that hangs: nobody waits for that long, and
// nobody looks again meanwhile, for each look would cost a thread.
type places struct {
	mu    sync.Mutex
	looks map[string]*placeLook // those under way, by service
}

// A running is what is needed to know of which release a main process is.
type running struct {
	def    *definition.Definition
	origin *origin
}

// A placeLook is one look, for all who ask meanwhile.
type placeLook struct {
	began time.Time
	done  chan struct{} // closed when place is known
	place place
}

const (
	placesTime  = time.Second // for all of them
	placesLooks = 4           // at the same time, for each who asks
)

// tell adds to what is said of services which releases they run, as far as that
// can be known in time. What runs is that of list's elements.
func (ps *places) tell(list []status.Service, running map[int]running) {
	type found struct {
		i int
		place
	}
	ctx, cancel := context.WithTimeout(context.Background(), placesTime)
	defer cancel()
	type what struct{ i, pid int }
	todo, done := make(chan what, len(running)), make(chan found, len(running))
	for i := range running {
		todo <- what{i, list[i].Pid}
	}
	close(todo)
	for range min(placesLooks, len(running)) {
		go func() {
			for w := range todo {
				d, from := running[w.i].def, running[w.i].origin
				look := ps.look(d.Name, func() place { return placeOf(d, d.Server(), w.pid, from) })
				select {
				case <-look.done:
					done <- found{w.i, look.place}
				case <-time.After(time.Until(look.began.Add(placesTime))): // it hangs
					done <- found{i: w.i}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	for range len(running) {
		select {
		case f := <-done:
			v := &list[f.i]
			v.Release, v.Stale, v.StaleReason = f.release, f.stale, f.why
		case <-ctx.Done():
			return
		}
	}
}

// look begins a look at a service's place, unless one is under way.
func (ps *places) look(name string, at func() place) *placeLook {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if look := ps.looks[name]; look != nil {
		return look
	}
	if ps.looks == nil {
		ps.looks = map[string]*placeLook{}
	}
	look := &placeLook{began: time.Now(), done: make(chan struct{})}
	ps.looks[name] = look
	go func() {
		look.place = at()
		ps.mu.Lock()
		delete(ps.looks, name)
		ps.mu.Unlock()
		close(look.done)
	}()
	return look
}

// placeOf finds out which release a main process has, and whether today's is
// another one. It looks at files, and may take long.
func placeOf(d *definition.Definition, server definition.Server, pid int, from *origin) (p place) {
	dir, entered := codeOf(d, server)
	if !entered {
		p.release = from.wait()
	}
	if !entered && (server.Relative == definition.NotSo || d.WorkingDirectory == "") {
		return p
	}
	cwd, err := procfs.Cwd(pid)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && d.WorkingDirectory != "" && d.StaleRelease != definition.IgnoreStale {
			p.why = "where it runs cannot be seen: " + err.Error()
		}
		return p
	}
	is, gone := strings.CutSuffix(cwd, " (deleted)")
	if link, tail := lastLink(dir); entered && link != "" {
		p.release = filepath.Base(strings.TrimSuffix(is, tail))
	}
	if d.WorkingDirectory == "" {
		return p
	}
	today, err := filepath.Abs(d.WorkingDirectory) // a relative one counts from gsv's own
	if err == nil {
		today, err = filepath.EvalSymlinks(today)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.why = "its working-directory " + d.WorkingDirectory + " does not exist"
	case err != nil:
		p.why = "its working-directory cannot be entered: " + err.Error()
	case gone:
		p.why = "its working directory " + is + " was removed; working-directory is " + today + " now"
	case today != is && server.Relative == definition.Unknown:
		p.why = "its working directory is still " + is + ", not " + today + ": what it loads from there is of that release"
	case today != is:
		p.why = "it runs in " + is + ", while working-directory is " + today + " now"
	default:
		return p
	}
	switch {
	case d.StaleRelease == definition.IgnoreStale:
		p.why = ""
	case server.Relative == definition.IsSo:
		p.stale = true
	case err != nil:
		p.why += "; whether its code is loaded from there is not known"
	default:
		p.warning = p.why + "; gsvctl restart " + d.Name + " enters the new one"
	}
	return p
}

// lastLink is the last component of a path that is a symbolic link, as a path,
// and what comes after it, with the slash before it.
func lastLink(path string) (link, tail string) {
	if !filepath.IsAbs(path) {
		return "", ""
	}
	path = filepath.Clean(path)
	for at := path; at != "/"; at = filepath.Dir(at) {
		if info, err := os.Lstat(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return at, path[len(at):]
		}
	}
	return "", ""
}

// baseOf is the name of the directory that a link leads to.
func baseOf(link string) string {
	to, err := filepath.EvalSymlinks(link)
	if err != nil {
		return ""
	}
	return filepath.Base(to)
}
