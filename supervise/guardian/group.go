package guardian

import (
	"slices"

	"golang.org/x/sys/unix"
)

// part sees to it that c, an adopted process in group pgrp, shares its group with no other run: a group in which there are two main processes is
// neither's, for the end of one must not be the other's. Nobody signals it any more but killAll.
func (g *guardian) part(c *child, pgrp int) {
	if !c.leads {
		for _, o := range g.runs {
			if o.pid == pgrp && o.leading() {
				g.take(o)
				return
			}
		}
		return
	}
	for _, o := range g.pids {
		if o == c || o.leads {
			continue
		}
		if in, err := unix.Getpgid(o.pid); err == nil && in == pgrp {
			g.take(c)
			return
		}
	}
}

// leading reports whether c leads a group, which an adopted process may have made since: a daemon does when who has started it has ended.
func (c *child) leading() bool {
	if c.leads || c.ended || c.parted || c.process != nil {
		return c.leads
	}
	pgrp, err := unix.Getpgid(c.pid)
	c.leads = err == nil && pgrp == c.pid && (c.watch == nil || c.watch.signal(0) == nil) // else it may be another's pid by now
	return c.leads
}

// take takes its group away from c, whose main process may have ended: then there is nothing left of it.
func (g *guardian) take(c *child) {
	group := &child{pid: c.pid, leads: true, ended: true, group: c.group} // as if it had ended: a group and nothing else
	if !c.ended {
		if fd, err := unix.PidfdOpen(c.pid, 0); err == nil {
			group.group = fd
		}
	}
	c.leads, c.parted, c.group = false, true, -1
	g.nobodys = append(g.nobodys, group)
	if c.left {
		g.empty(c)
	}
}

// checkLeft finds out which groups are empty by now.
func (g *guardian) checkLeft() {
	for c := range g.left {
		if !c.groupLeft() {
			g.empty(c)
		}
	}
	g.drop(func(c *child) bool { return !c.groupLeft() })
}

// reused learns from a new process that nothing is left of a group with the same number: the kernel gives no number twice.
func (g *guardian) reused(pid int) {
	for c := range g.left {
		if c.pid == pid {
			g.empty(c)
		}
	}
	g.drop(func(c *child) bool { return c.pid == pid })
}

// drop forgets those groups of nobody's that are gone.
func (g *guardian) drop(gone func(*child) bool) {
	g.nobodys = slices.DeleteFunc(g.nobodys, func(c *child) bool {
		if !gone(c) {
			return false
		}
		c.dropGroup()
		return true
	})
}
