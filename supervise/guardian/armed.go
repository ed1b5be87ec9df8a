package guardian

import "gsv/supervise/spawn"

// An armed is the start of the run that follows one whose main process is there.
type armed struct {
	spec  []byte // encoded
	files []int  // as those of a request
	split uint8
}

// armRun takes a start that is to be done when the run before ends, instead of the one that was there.
func (g *guardian) armRun(q request) {
	r := run{q.key, q.n}
	g.disarm(r)
	c := g.runs[r.before()]
	if c == nil || c.ended || g.runs[r] != nil || q.lost || !g.affords(q.files) {
		closeAll(q.files)
		return
	}
	c.next = &armed{spec: q.body, files: q.files, split: q.split}
}

// affords reports whether files may be held for what perhaps never comes: half of all descriptors are for what does.
func (g *guardian) affords(files []int) bool {
	for _, fd := range files {
		if g.files != nil && fd >= 0 && uint64(fd) >= g.files.Max/2 {
			return false
		}
	}
	return true
}

// disarm drops the armed start of r, if there is one.
func (g *guardian) disarm(r run) {
	if c := g.runs[r.before()]; c != nil {
		c.disarm()
	}
}

func (c *child) disarm() {
	if c.next != nil {
		closeAll(c.next.files)
		c.next = nil
	}
}

// follow does the armed start, if there is one, of the run after c, which has ended, and returns that run for begun. Where
// anything of c is left, or everything is to end, the supervisor decides what comes next.
func (g *guardian) follow(c *child) *child {
	if c.left || g.ending || g.exiting || g.killing {
		c.disarm()
	}
	a := c.next
	if a == nil {
		return nil
	}
	c.next, c.followed = nil, true
	next := g.add(run{c.key, c.n + 1})
	spec, err := spawn.ParseSpec(a.spec)
	g.launch(next, &spec, err != nil, a.files, a.split)
	return next
}

// before is the run that r follows.
func (r run) before() run { return run{r.key, r.n - 1} }
