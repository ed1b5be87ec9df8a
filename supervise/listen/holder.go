package listen

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A holder is a socket of this host.
type holder struct {
	at      netip.AddrPort
	listens bool // or, of a UDP one, is not connected
	uid     int
	inode   uint64 // 0 for a connection that no process has any more
	rank    int    // 0 has the very address
}

// inetHolders returns the sockets that may bar an address: those that most likely do, and all of the same kind.
func inetHolders(spec Spec, at netip.AddrPort) []holder {
	var all []holder
	for _, table := range []string{spec.Network, spec.Network + "6"} {
		six := strings.HasSuffix(table, "6")
		eachHolder("/proc/self/net/"+table, func(h holder) {
			if h.at.Port() != at.Port() || !bars(h.at.Addr(), at.Addr(), spec.V6Only) {
				return
			}
			if h.at.Addr() != at.Addr().WithZone("") {
				h.rank = 1
			}
			if six != at.Addr().Is6() {
				h.rank = 2 // it does if it is one for both, or we ask for both
			}
			if !h.listens {
				h.rank += 3
			}
			all = append(all, h)
		})
	}
	if len(all) == 0 {
		return nil
	}
	best := slices.MinFunc(all, func(a, b holder) int { return a.rank - b.rank })
	return slices.DeleteFunc(all, func(h holder) bool { return h.rank != best.rank || h.uid != best.uid })
}

// bars tells whether a socket at one address may bar another from its port.
func bars(has, wants netip.Addr, v6only bool) bool {
	has, wants = has.Unmap(), wants.Unmap().WithZone("")
	if has.Is4() && wants.Is6() {
		return wants.IsUnspecified() && !v6only
	}
	if has.Is6() && wants.Is4() {
		return has.IsUnspecified() // unless it has IPV6_V6ONLY, which the table does not tell
	}
	return has == wants || has.IsUnspecified() || wants.IsUnspecified()
}

// eachHolder reads a table of proc_net(5): "sl: local remote st tx:rx tr:when retrnsmt uid timeout inode …".
func eachHolder(path string, each func(holder)) {
	file, err := os.Open(path)
	if err != nil {
		return // a kernel without IPv6
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 10 {
			continue
		}
		at, err := parseHex(f[1])
		uid, err2 := strconv.Atoi(f[7])
		inode, err3 := strconv.ParseUint(f[9], 10, 64)
		if err != nil || err2 != nil || err3 != nil {
			continue // the names of the columns
		}
		listens := f[3] == "0A" || f[3] == "07" // TCP_LISTEN; TCP_CLOSE, as a UDP socket is that has no peer
		each(holder{at: at, listens: listens, uid: uid, inode: inode})
	}
}

// parseHex reads "0100007F:1388": words of 32 bits in the host's order, as the address has them in memory.
func parseHex(s string) (netip.AddrPort, error) {
	words, portHex, _ := strings.Cut(s, ":")
	port, err := strconv.ParseUint(portHex, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var b []byte
	for ; len(words) >= 8; words = words[8:] {
		word, err := strconv.ParseUint(words[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, err
		}
		b = native.AppendUint32(b, uint32(word))
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", s)
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// namedUnix returns the inodes of the unix sockets that were bound by that name: "Num: RefCount Protocol Flags Type St
// Inode Path" (proc_net(5)).
func namedUnix(path string) (inodes []uint64) {
	file, err := os.Open("/proc/self/net/unix")
	if err != nil {
		return nil
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		before, ok := strings.CutSuffix(lines.Text(), " "+path)
		if f := strings.Fields(before); ok && len(f) == 7 {
			if inode, err := strconv.ParseUint(f[6], 10, 64); err == nil {
				inodes = append(inodes, inode)
			}
		}
	}
	return inodes
}

// Holders returns the pids of the processes that have a socket of one of those inodes (Socket.Inode) open, in no order, as far as
// we may see: another user's takes the right to trace it (proc_pid_fd(5)). It looks through the descriptors of all processes.
func Holders(inodes []uint64) (pids []int) {
	inodes = slices.DeleteFunc(inodes, func(n uint64) bool { return n == 0 })
	if len(inodes) == 0 {
		return nil
	}
	names, err := readNames("/proc")
	if err != nil {
		return nil
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if fds, _ := socketsOf(pid, inodes); len(fds) > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// socketsOf returns those descriptors of a process that are one of those sockets.
func socketsOf(pid int, inodes []uint64) (fds []int, err error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 64)
	for _, name := range names {
		n, err := unix.Readlink(dir+name, buf)
		if err != nil || n == len(buf) {
			continue // closed meanwhile; no socket
		}
		word, ok := strings.CutPrefix(string(buf[:n]), "socket:[")
		if !ok {
			continue
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(word, "]"), 10, 64)
		fd, err2 := strconv.Atoi(name)
		if err == nil && err2 == nil && slices.Contains(inodes, inode) {
			fds = append(fds, fd)
		}
	}
	return fds, nil
}

func readNames(dir string) ([]string, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Readdirnames(-1)
}
