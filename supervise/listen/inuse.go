package listen

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
)

// An InUse is the error that somebody has the address, EADDRINUSE. What it tells of the holder was so a moment ago.
type InUse struct {
	Addr       string // what was asked for, as Spec.String has it
	At         string // what the holder has, in the same form, where that is something else: "0.0.0.0:80" bars "127.0.0.1:80"
	Pids       []int  // of the processes that have it open, a master before its workers; none where that may not be seen
	Comm       string // the name of Pids[0]: at most 15 bytes, chosen by it, safe to print; "" where it has ended
	UID        int    // whose the socket is; -1 where that is not known
	Connection bool   // it is no socket that listens, but a connection from that port, which may be about to end
}

// Error is such as "address already in use by 812 (starman) and 3 more".
func (e *InUse) Error() string {
	var b strings.Builder
	b.WriteString(unix.EADDRINUSE.Error())
	what := "a process"
	if e.Connection {
		what = "a connection"
	}
	switch {
	case len(e.Pids) > 0:
		b.WriteString(" by ")
		if e.Connection {
			b.WriteString("a connection of ")
		}
		fmt.Fprint(&b, e.Pids[0])
		if e.Comm != "" {
			fmt.Fprintf(&b, " (%s)", e.Comm)
		}
		if n := len(e.Pids) - 1; n > 0 {
			fmt.Fprintf(&b, " and %d more", n)
		}
	case e.UID >= 0 && os.Geteuid() != 0:
		fmt.Fprintf(&b, " by %s of user %d; which one, only root and that user may see", what, e.UID)
	case e.UID >= 0:
		fmt.Fprintf(&b, " by %s of user %d; which one cannot be seen from here", what, e.UID)
	default:
		b.WriteString("; by whom cannot be seen")
	}
	if e.At != "" {
		fmt.Fprintf(&b, ", at %s", e.At)
	}
	return b.String()
}

// Unwrap makes it an EADDRINUSE.
func (e *InUse) Unwrap() error { return unix.EADDRINUSE }

// inetInUse finds who has a TCP or UDP address.
func inetInUse(spec Spec, at netip.AddrPort) *InUse {
	e := &InUse{Addr: spec.String(), UID: -1}
	holders := inetHolders(spec, at)
	if len(holders) == 0 {
		return e // a TCP socket that is bound and does not listen is in no table
	}
	first := holders[0]
	e.UID, e.Connection = first.uid, !first.listens
	if first.at != at {
		e.At = Spec{Network: spec.Network, Address: first.at.String()}.String()
	}
	var inodes []uint64
	for _, h := range holders {
		inodes = append(inodes, h.inode)
	}
	e.name(Holders(inodes))
	return e
}

// unixInUse finds who has one of those unix sockets, of user uid.
func unixInUse(spec Spec, uid int, inodes []uint64) *InUse {
	e := &InUse{Addr: spec.String(), UID: uid}
	e.name(Holders(inodes))
	return e
}

// name sets the processes, masters first.
func (e *InUse) name(pids []int) {
	parent := make(map[int]int)
	comm := make(map[int]string)
	for _, pid := range pids {
		if p, err := procfs.Read(pid); err == nil {
			parent[pid], comm[pid] = p.PPid, p.Comm
		}
	}
	rank := func(pid int) int {
		if slices.Contains(pids, parent[pid]) {
			return 1
		}
		return 0
	}
	slices.SortFunc(pids, func(a, b int) int {
		if ra, rb := rank(a), rank(b); ra != rb {
			return ra - rb
		}
		return a - b
	})
	if e.Pids = pids; len(pids) > 0 {
		e.Comm = comm[pids[0]]
	}
}
