package listen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// What sock_diag(7) is asked about unix sockets, and answers (linux/unix_diag.h).
const (
	showVFS   = 0x02
	showRqlen = 0x10
	showUID   = 0x40 // Linux 5.3

	attrVFS   = 1 // unix_diag_vfs: inode, device (sock_diag(7) has them the wrong way round)
	attrRqlen = 4 // unix_diag_rqlen: of a socket that listens, how many wait, and how many may
	attrShut  = 6 // how it was shut down, a bit each: 1 is to receive (RCV_SHUTDOWN, net/sock.h)
	attrUID   = 7 // whose it is
)

// tcpListen is the state of a socket that listens (net/tcp_states.h).
const tcpListen = 10

// errNoDiag is that the kernel does not tell about unix sockets.
var errNoDiag = errors.New("the kernel does not tell about unix sockets (CONFIG_UNIX_DIAG)")

// A diagnosis is what the kernel tells about a unix socket.
type diagnosis struct {
	inode        uint32
	listens      bool
	ino, dev     uint32 // of the path that it is bound to: the lower half, and the file system's as the kernel writes it
	hasPath      bool
	waiting, max uint32
	hasQueue     bool
	shut         bool // connections are refused
	uid          int  // -1 where it is not known
}

// diagnose asks about the socket with that inode, or about all sockets of unix streams and datagrams for 0, in this
// network namespace. The kernel answers while it is asked: this does not wait.
func diagnose(inode, show uint32, each func(diagnosis)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoDiag, err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, diagRequest(inode, show), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("%w: %w", errNoDiag, err)
	}
	buf := make([]byte, 32<<10) // the kernel's own bound for a message
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errNoDiag, err)
		}
		done, err := diagAnswers(buf[:n], each)
		if done || err != nil || inode != 0 {
			return err
		}
	}
}

var native = binary.NativeEndian

func diagRequest(inode, show uint32) []byte {
	flags := uint16(unix.NLM_F_REQUEST)
	if inode == 0 {
		flags |= unix.NLM_F_DUMP
	}
	b := make([]byte, 0, 40)
	b = native.AppendUint32(b, 40)
	b = native.AppendUint16(b, unix.SOCK_DIAG_BY_FAMILY)
	b = native.AppendUint16(b, flags)
	b = native.AppendUint64(b, 0)             // sequence number, port
	b = append(b, unix.AF_UNIX, 0, 0, 0)      // struct unix_diag_req
	b = native.AppendUint32(b, ^uint32(0))    // in any state
	b = native.AppendUint32(b, inode)         //
	b = native.AppendUint32(b, show)          //
	return native.AppendUint64(b, ^uint64(0)) // no cookie
}

// diagAnswers reads the messages of one packet; done is that no more follow.
func diagAnswers(b []byte, each func(diagnosis)) (done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size, typ := int(native.Uint32(b)), native.Uint16(b[4:])
		if size < unix.SizeofNlMsghdr || size > len(b) {
			break
		}
		body := b[unix.SizeofNlMsghdr:size]
		switch {
		case typ == unix.NLMSG_DONE:
			return true, nil
		case typ == unix.NLMSG_ERROR && len(body) >= 4:
			// ENOENT is also no such socket.
			return true, fmt.Errorf("%w: %w", errNoDiag, unix.Errno(-int32(native.Uint32(body))))
		case typ == unix.SOCK_DIAG_BY_FAMILY && len(body) >= 16:
			each(parseDiagnosis(body))
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}

// parseDiagnosis reads a struct unix_diag_msg and its attributes.
func parseDiagnosis(b []byte) (d diagnosis) {
	d.listens = b[2] == tcpListen
	d.inode, d.uid = native.Uint32(b[4:]), -1
	for b = b[16:]; len(b) >= 4; {
		size, typ := int(native.Uint16(b)), native.Uint16(b[2:])
		if size < 4 || size > len(b) {
			break
		}
		value := b[4:size]
		switch {
		case typ == attrVFS && len(value) >= 8:
			d.ino, d.dev, d.hasPath = native.Uint32(value), native.Uint32(value[4:]), true
		case typ == attrRqlen && len(value) >= 8:
			d.waiting, d.max, d.hasQueue = native.Uint32(value), native.Uint32(value[4:]), true
		case typ == attrShut && len(value) >= 1:
			d.shut = value[0]&1 != 0
		case typ == attrUID && len(value) >= 4:
			d.uid = int(native.Uint32(value))
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return d
}

// bound tells whether the socket fd is bound to the path that is open as file.
func bound(fd, file int, st *unix.Stat_t) (bool, error) {
	inode, err := inodeOf(fd)
	if err != nil {
		return false, err
	}
	is := false
	err = diagnose(uint32(inode), showVFS, func(d diagnosis) {
		is = d.inode == uint32(inode) && d.at(file, st)
	})
	return is, err
}

// boundTo returns the sockets that are bound to the path that is open as file.
func boundTo(file int, st *unix.Stat_t) (all []diagnosis, err error) {
	err = diagnose(0, showVFS|showUID, func(d diagnosis) {
		if d.at(file, st) {
			all = append(all, d)
		}
	})
	return all, err
}

// at tells whether a socket is bound to the path that is open as file.
func (d diagnosis) at(file int, st *unix.Stat_t) bool {
	if !d.hasPath || d.ino != uint32(st.Ino) {
		return false
	}
	major, minor := d.dev>>20, d.dev&(1<<20-1) // MKDEV, include/linux/kdev_t.h
	if major == unix.Major(st.Dev) && minor == unix.Minor(st.Dev) {
		return true
	}
	// stat(2) may tell of another device than the file system's own (btrfs, overlayfs); mountinfo tells of that one.
	return fmt.Sprintf("%d:%d", major, minor) == mountedDevice(file)
}

// mountedDevice is the "MAJOR:MINOR" of the file system that an open file is on; "" where that cannot be known.
func mountedDevice(file int) string {
	var stx unix.Statx_t
	if err := unix.Statx(file, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stx); err != nil || stx.Mask&unix.STATX_MNT_ID == 0 {
		return ""
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo") // ID PARENT MAJOR:MINOR … (proc_pid_mountinfo(5))
	if err != nil {
		return ""
	}
	id := fmt.Sprint(stx.Mnt_id)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == id {
			return f[2]
		}
	}
	return ""
}
