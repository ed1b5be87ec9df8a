package supervise

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/spawn"
)

// describeFailure says why a program of a service, such as its main one, was
// never run: which step failed, on what, and where the error of the kernel alone
// would mislead, what is behind it.
func describeFailure(d *definition.Definition, program string, f *spawn.Failure) string {
	if d == nil {
		return f.Error()
	}
	switch f.Step {
	case spawn.StepChdir:
		return fmt.Sprintf("cannot enter working-directory %s: %s", d.WorkingDirectory, errnoText(f.Errno))
	case spawn.StepExec:
	case spawn.StepFork:
		return fmt.Sprintf("cannot fork: %s%s", errnoText(f.Errno), map[bool]string{true: " (a limit on processes: pids.max, nproc or pid_max)"}[f.Errno == unix.EAGAIN])
	default:
		return f.Error()
	}
	text := fmt.Sprintf("cannot execute %s: %s", program, errnoText(f.Errno))
	switch f.Errno {
	case unix.ENOENT:
		if !strings.Contains(program, "/") {
			return fmt.Sprintf("cannot execute %s: no such program in its PATH", program)
		}
		if interpreter := interpreterOf(d, program); interpreter != "" {
			return fmt.Sprintf("cannot execute %s: its interpreter %s does not exist", program, interpreter)
		}
	case unix.EACCES:
		if info, err := os.Stat(resolve(d, program)); err == nil && info.IsDir() {
			return text + " (it is a directory)"
		} else if err == nil && info.Mode()&0o111 == 0 {
			return text + " (it is not executable: chmod +x)"
		}
	case unix.ENOEXEC:
		return text + " (neither a program for this machine nor a script that begins with #!)"
	}
	return text
}

func resolve(d *definition.Definition, program string) string {
	if filepath.IsAbs(program) {
		return program
	}
	return filepath.Join(d.WorkingDirectory, program)
}

// interpreterOf is what a script that exists names after its #!, for then that
// is what execve(2) has not found; "" if that is not so.
func interpreterOf(d *definition.Definition, program string) string {
	fd, err := unix.Open(resolve(d, program), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	f := os.NewFile(uintptr(fd), program)
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	// The kernel reads 256 bytes at the most (BINPRM_BUF_SIZE, linux/binfmts.h).
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	rest, ok := strings.CutPrefix(line, "#!")
	if !ok {
		return "(the dynamic linker)"
	}
	words := strings.Fields(rest)
	if len(words) == 0 {
		return ""
	}
	// Whoever writes the script may not write to the terminals that show this.
	name := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, words[0])
	if strings.Contains(rest, "\r") {
		return name + "\\r (the file has DOS line ends)"
	}
	return name
}

func errnoText(e unix.Errno) string { return e.Error() }
