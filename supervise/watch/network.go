package watch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

var networks = map[int64]string{
	unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "cifs", unix.SMB2_SUPER_MAGIC: "smb2",
	unix.V9FS_MAGIC: "9p", unix.FUSE_SUPER_MAGIC: "fuse", unix.CEPH_SUPER_MAGIC: "ceph", unix.AFS_SUPER_MAGIC: "afs",
	unix.AFS_FS_MAGIC: "afs", unix.CODA_SUPER_MAGIC: "coda", unix.OCFS2_SUPER_MAGIC: "ocfs2", unix.NCP_SUPER_MAGIC: "ncp",
	0x0bd00bd0: "lustre", 0x786f4256: "vboxsf", 0x7c7c6673: "prlfs", 0xbacbacbc: "vmhgfs", 0x47504653: "gpfs",
}

// pseudos are the kernel's own, where reading a file may do something, or have no end.
var pseudos = map[int64]string{
	unix.PROC_SUPER_MAGIC: "proc", unix.SYSFS_MAGIC: "sysfs", unix.CGROUP_SUPER_MAGIC: "cgroup", unix.CGROUP2_SUPER_MAGIC: "cgroup2",
	unix.DEBUGFS_MAGIC: "debugfs", unix.TRACEFS_MAGIC: "tracefs", unix.SECURITYFS_MAGIC: "securityfs", unix.BPF_FS_MAGIC: "bpf",
	unix.DEVPTS_SUPER_MAGIC: "devpts", unix.EFIVARFS_MAGIC: "efivarfs", unix.PSTOREFS_MAGIC: "pstore", unix.BINFMTFS_MAGIC: "binfmt_misc",
	unix.SELINUX_MAGIC: "selinuxfs", unix.SMACK_MAGIC: "smackfs", 0x62656570: "configfs", 0x65735543: "fusectl", 0x19800202: "mqueue",
}

// A networkError is a watched path on a file system of which the kernel does not tell all.
type networkError struct{ under, fs string }

func (e networkError) Error() string {
	return fmt.Sprintf("%s is on %s, where the kernel does not tell what others change", shown(e.under), e.fs)
}

// networkOf names the file system of a path if others may change it too, of which
// the kernel does not tell.
func networkOf(path string) string {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return ""
	}
	return networks[int64(st.Type)&0xffffffff]
}

// pseudoOf names the file system of a directory if it is the kernel's own.
func pseudoOf(fd int) string {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return ""
	}
	return pseudos[int64(st.Type)&0xffffffff]
}

// problemOf says why it cannot watch.
func problemOf(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return "the limit of watches is reached"
	case errors.Is(err, unix.EMFILE):
		return "the limit of inotify instances or open files is reached"
	case errors.As(err, new(networkError)):
		return err.Error()
	}
	return fmt.Sprintf("cannot watch: %s", err)
}

// adviceOf says what to do about it.
func adviceOf(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return "; raise fs.inotify.max_user_watches"
	case errors.Is(err, unix.EMFILE):
		return "; raise fs.inotify.max_user_instances"
	}
	return ""
}
