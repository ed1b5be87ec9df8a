package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/guardian"
)

// asideFlag is what the guardian appends to the supervisor's command line.
const asideFlag = "--set-aside-state"

// guard is gsv as it is started: it takes the run-dir and the control socket
// and becomes the guardian.
func guard(args []string) (int, error) {
	s, err := parse(args)
	if err == errHelp {
		return 0, nil
	}
	if err != nil {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage, err
	}
	if err := s.configThere(); err != nil {
		return exitInvalid, err
	}
	lock, err := takeRunDir(s.runDir, s.private)
	if err != nil {
		return exitFailed, err
	}
	listener, err := listen(s.socket)
	if err != nil {
		return exitFailed, err
	}
	return exitFailed, guardian.Become(args, [2]*os.File{listener, lock})
}

// setName makes ps and top show this name, for what is executed is /proc/self/exe
// (proc_pid_comm(5)).
func setName(name string) { os.WriteFile("/proc/self/comm", []byte(name), 0) }

// lockPatience is how long a gsv that is just ending may still hold the run-dir, or
// its socket: the kernel closes the files of one that was killed one after another.
const lockPatience = 5 * time.Second

// takeRunDir makes the run-dir if need be and locks it. The lock belongs to the
// open file, which the supervisor has too: it is free when both are gone.
func takeRunDir(dir string, private bool) (*os.File, error) {
	if private { // below the run-dir of all
		if err := ownDir(filepath.Dir(dir)); err != nil {
			return nil, err
		}
	}
	if err := ownDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "lock")
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the run-dir: %w", err)
	}
	if err := lockWithin(lock, lockPatience); err != nil {
		holder, _ := os.ReadFile(path)
		return nil, fmt.Errorf("another gsv, pid %s, has the run-dir %s; --run-dir names another one", strings.TrimSpace(string(holder)), dir)
	}
	if err := lock.Truncate(0); err != nil {
		return nil, fmt.Errorf("cannot write to the run-dir: %w", err)
	}
	if _, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return nil, fmt.Errorf("cannot write to the run-dir: %w", err)
	}
	return lock, nil
}

// ownDir makes a directory if need be, and refuses one that others could change.
func ownDir(dir string) error {
	mode := fs.FileMode(0o755)
	if strings.HasPrefix(dir, "/tmp/") {
		mode = 0o700
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("cannot make the run-dir: %w; --run-dir names another one", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("cannot use the run-dir: %w", err)
	}
	st, _ := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("cannot use the run-dir: %s is not a directory", dir)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("cannot use the run-dir: %s belongs to user %d, not to %d; --run-dir names another one", dir, st.Uid, os.Geteuid())
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("cannot use the run-dir: others may write to %s (mode %#o): chmod 0755 %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// lockWithin waits for the lock only if the process that has it is not there
// any more: its supervisor is about to notice.
func lockWithin(lock *os.File, patience time.Duration) error {
	fd := int(lock.Fd())
	err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return nil
	}
	text := make([]byte, 16)
	n, _ := lock.ReadAt(text, 0)
	if pid, perr := strconv.Atoi(strings.TrimSpace(string(text[:n]))); perr == nil && !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return err
	}
	got := make(chan error, 1)
	go func() { got <- unix.Flock(fd, unix.LOCK_EX) }()
	select {
	case err = <-got:
		return err
	case <-time.After(patience):
		return err
	}
}

// listen makes the control socket. Who may do what is decided by who connects,
// so everybody may.
func listen(path string) (*os.File, error) {
	const longest = len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(path) > longest {
		return nil, fmt.Errorf("cannot make the control socket: its path has %d bytes, the kernel takes %d: %s", len(path), longest, path)
	}
	dir := filepath.Dir(path)
	if !isDir(dir) {
		return nil, fmt.Errorf("cannot make the control socket: there is no directory %s", dir)
	}
	if err := clear(path, lockPatience); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot make the control socket: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, fmt.Errorf("cannot open the control socket to others: %w", err)
	}
	file, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("cannot make the control socket: %w", err)
	}
	l.Close()
	return file, nil
}

// clear removes a socket that nobody answers any more, or will after patience.
func clear(path string, patience time.Duration) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("cannot make the control socket: %s is there and is no socket", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1)) // nobody says anything who was not asked
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("cannot make the control socket: another program answers on %s; --socket names another one", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) && err != io.EOF {
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("cannot make the control socket: %w", err)
	}
	return nil
}
