package supervise

import (
	"fmt"
	"slices"

	"gsv/supervise/definition"
	"gsv/supervise/procfs"
	"gsv/supervise/spawn"
)

// A daemon is known by its environment, as all that leaves its group is
// (findEscaped). Nginx and others write their title over it: such a one is known by
// its program, as long as no other service goes into the background at that time.

// A hunt is what daemons without an environment are looked for by.
type hunt struct {
	def   *definition.Definition
	since uint64 // no older ones
	alone bool   // it can be nobody else's
}

// huntOf is the hunt for what a run has sent into the background; nil if that has
// been found already, or does not go there.
func (s *Supervisor) huntOf(svc *service, gen int) *hunt {
	r := svc.runs[gen]
	if r == nil || r.def == nil || r.def.Type != definition.Forking || r.n != uint64(gen) {
		return nil
	}
	return &hunt{def: r.def, since: r.start, alone: s.aloneInBackground(svc)}
}

// aloneInBackground reports whether no other service is going into the background.
func (s *Supervisor) aloneInBackground(svc *service) bool {
	for _, other := range s.services {
		for gen, r := range other.runs {
			if other != svc && r.def != nil && r.def.Type == definition.Forking && r.n == uint64(gen) && r.launched && !r.over {
				return false
			}
		}
	}
	return true
}

// among are those of pids, our orphans, that the hunt finds. It looks at files, and may take long.
func (h *hunt) among(pids []int, path string) []procfs.Proc {
	if !h.alone || h.since == 0 {
		return nil
	}
	return slices.DeleteFunc(procfs.Unmarked(pids, h.def.Program(path)), func(p procfs.Proc) bool {
		return p.Start < h.since || !mayBe(h.def, p.Pid)
	})
}

// pathOf is the PATH by which a service's program is found.
func (s *Supervisor) pathOf(d *definition.Definition, gen int) string {
	if env, err := d.Environ(s.opts.Environ, gen); err == nil && valueOf(env, "PATH") != "" {
		return valueOf(env, "PATH")
	}
	return spawn.DefaultPath
}

// leftDaemon is the only process that a service has left in the background; why
// not, if there is none, or another one beside it.
func (h *hunt) leftDaemon(children []int, path string, is func(procfs.Proc) bool) (p procfs.Proc, why string) {
	not := func(p procfs.Proc) bool { return !is(p) }
	left := slices.DeleteFunc(procfs.Marked(children, h.def.Name), not)
	if len(left) == 0 {
		left = slices.DeleteFunc(h.among(children, path), not)
	}
	if len(left) != 1 {
		return p, fmt.Sprintf("it went into the background and left %s; pid-file says which is its main process", plural(len(left), "process", "processes"))
	}
	return left[0], ""
}
