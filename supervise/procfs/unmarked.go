package procfs

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Unmarked returns those of pids, alive, that lead sessions of their own, run the
// program at path, and show no GSV_SERVICE at all: daemons that have written their
// title over their environment, as nginx does. Of a process that may not be looked
// at nothing is known, and it is not among them. What holds for Marked of waiting
// holds here.
func Unmarked(pids []int, path string) []Proc {
	var program unix.Stat_t
	if stat(path, &program) != nil {
		return nil
	}
	var procs []Proc
	for _, pid := range pids {
		before, err := Read(pid)
		if err != nil || !before.Alive() || before.Session != pid || !runs(pid, &program) || !unnamed(pid) {
			continue
		}
		if after, err := Read(pid); err == nil && after.Start == before.Start && after.Alive() {
			procs = append(procs, after)
		}
	}
	return procs
}

// runs reports whether a process executes that file.
func runs(pid int, program *unix.Stat_t) bool {
	var st unix.Stat_t
	err := withRights(pid, func() error { return stat("/proc/"+strconv.Itoa(pid)+"/exe", &st) })
	return err == nil && st.Dev == program.Dev && st.Ino == program.Ino
}

// unnamed reports whether the environment of a process was read and names no service.
func unnamed(pid int) bool {
	fd, err := openFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	failed := false
	found := contains(func(b []byte) (int, error) {
		n, err := unix.Read(fd, b)
		failed = failed || err != nil && err != unix.EINTR
		return n, err
	}, []byte("\x00GSV_SERVICE="))
	return !found && !failed
}
