package definition

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A distrust says why root must not act on a file, and what to do about it.
type distrust struct{ why, todo string }

// linkMax is how many symbolic links the kernel follows in one path (path_resolution(7)).
const linkMax = 40

// trusted walks the path as the kernel does, and returns nil if nobody but root could change
// what it leads to: each directory on the way, each link, and the end itself must be root's
// and not writable for others. A directory with the sticky bit, such as /tmp, may be on the
// way, for there only root renames or removes what is root's. What is found is as true
// afterwards, for only root could have changed it.
func trusted(path string) *distrust {
	abs, err := filepath.Abs(path)
	if err != nil {
		return &distrust{err.Error(), "name it by an absolute path"}
	}
	at, rest := "/", strings.Split(abs[1:], "/")
	sticky := false
	for links := 0; ; {
		info, err := os.Lstat(at)
		if err != nil {
			return &distrust{unwrapPath(err).Error(), "see " + at}
		}
		if info.Mode()&os.ModeSymlink != 0 {
			if d := owned(at, info); d != nil && sticky {
				return d
			}
			if links++; links > linkMax {
				return &distrust{"too many symbolic links", "see " + at}
			}
			to, err := os.Readlink(at)
			if err != nil {
				return &distrust{unwrapPath(err).Error(), "see " + at}
			}
			rest = append(strings.Split(to, "/"), rest...)
			if at = filepath.Dir(at); filepath.IsAbs(to) {
				at = "/"
			}
			continue
		}
		for len(rest) > 0 && (rest[0] == "" || rest[0] == ".") {
			rest = rest[1:]
		}
		last := len(rest) == 0
		if d := owned(at, info); d != nil {
			return d
		}
		sticky = info.Mode()&os.ModeSticky != 0
		if info.Mode().Perm()&0o022 != 0 && (last || !sticky) {
			return &distrust{at + " is writable for others than root", "chmod go-w " + at}
		}
		if last {
			return nil
		}
		at = filepath.Join(at, rest[0]) // of "..", its parent: at has no links
		rest = rest[1:]
	}
}

// owned says if the file is root's.
func owned(path string, info os.FileInfo) *distrust {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 || st.Uid == overflowUID && !mapped(overflowUID) {
		return nil
	}
	todo := "chown root " + path
	if info.IsDir() {
		todo += ", or keep service files where only root can change them, such as /etc/gsv/services.d"
	}
	return &distrust{fmt.Sprintf("%s belongs to uid %d, who could change it", path, st.Uid), todo}
}

// overflowUID is whom files of users outside the user namespace seem to belong to
// (user_namespaces(7)).
const overflowUID = 65534

// mapped says if uid is a user of this user namespace. Where the overflow uid is not, a file
// that seems to belong to it is of somebody outside, such as the host's root.
func mapped(uid uint32) bool {
	m, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(m)) {
		var inside, outside, count uint64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 && inside <= uint64(uid) && uint64(uid) < inside+count {
			return true
		}
	}
	return false
}
