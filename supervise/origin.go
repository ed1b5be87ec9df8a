package supervise

import (
	"gsv/supervise/definition"
)

// An origin is the release that a run's code was loaded from, as it was found
// out then: a link tells later only what it leads to later. nil: nothing is known.
type origin struct {
	done    chan struct{} // closed when release is known
	release string
}

// recorded is the origin of that name.
func recorded(release string) *origin {
	if release == "" {
		return nil
	}
	o := &origin{done: make(chan struct{}), release: release}
	close(o.done)
	return o
}

// wait is the name of the release, "" if there is none. It may take as long as
// the files do that are looked at for it.
func (o *origin) wait() string {
	if o == nil {
		return ""
	}
	<-o.done
	return o.release
}

// known is what wait will say, "" if that takes time.
func (o *origin) known() string {
	if o == nil {
		return ""
	}
	select {
	case <-o.done:
		return o.release
	default:
		return ""
	}
}

// noteOrigin finds out from which release a run that begins loads its code. A
// look that hangs costs a thread, so there is one for a service at a time.
func (s *Supervisor) noteOrigin(svc *service, r *run) {
	if r.def.Preset == "none" {
		return
	}
	if last := svc.origin; last != nil {
		select {
		case <-last.done:
		default:
			return
		}
	}
	d, o := r.def, &origin{done: make(chan struct{})}
	svc.origin, r.origin = o, o
	go func() {
		o.release = releaseToday(d)
		close(o.done)
		s.report(func() {
			if o.release != "" && s.services[svc.name] == svc {
				s.mark(svc)
			}
		})
	}()
}

// releaseToday is the release of which a server would load its code now, as
// far as that follows from a path: "" where the working directory decides. It
// looks at files, and may take long.
func releaseToday(d *definition.Definition) string {
	if d.Preset == "none" {
		return ""
	}
	dir, entered := codeOf(d, d.Server())
	if entered {
		return ""
	}
	link, _ := lastLink(dir)
	if link == "" {
		return ""
	}
	return baseOf(link)
}

// codeOf is the directory that tells the release of a server's code; entered:
// by what it was when the server entered it, not by what its path leads to.
func codeOf(d *definition.Definition, server definition.Server) (dir string, entered bool) {
	switch {
	case server.Relative == definition.IsSo && server.Code != "":
		return server.Code, true
	case server.Relative == definition.NotSo || server.Code != "":
		return server.Code, false
	}
	return d.WorkingDirectory, true
}
