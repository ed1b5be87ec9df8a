package spawn

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// fail starts spec, which must fail, and returns how.
func fail(t *testing.T, l *Launcher, spec Spec, files []int) error {
	t.Helper()
	c, err := l.Start(&spec, files)
	if err != nil {
		return err
	}
	status := wait(t, c)
	f, failed := c.Reaped()
	if !failed {
		t.Errorf("%q did not fail, but ended with %#x", spec.Argv, status)
		return nil
	}
	if status.ExitStatus() != 127 {
		t.Errorf("%q ended with %#x, want exit 127", spec.Argv, status)
	}
	return f
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	text := write(t, dir, "text", "not a program\n", 0o755)
	plain := write(t, dir, "plain", "#!/bin/sh\n", 0o644)
	noInterpreter := write(t, dir, "interpreter", "#!/no/such/interpreter\n", 0o755)
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	huge := strings.Repeat("x", 200<<10) // MAX_ARG_STRLEN is 128 KiB
	std := []int{0, 1, 2}
	tests := []struct {
		name  string
		spec  Spec
		files []int
		want  Failure
	}{
		{"no such file", Spec{Argv: []string{"/no/such"}}, std, Failure{StepExec, unix.ENOENT}},
		{"not in PATH", Spec{Argv: []string{"no-such-program"}}, std, Failure{StepExec, unix.ENOENT}},
		{"empty name", Spec{Argv: []string{""}}, std, Failure{StepExec, unix.ENOENT}},
		{"no Argv", Spec{}, std, Failure{StepExec, unix.EINVAL}},
		{"NUL in argument", Spec{Argv: []string{"true", "a\x00b"}}, std, Failure{StepExec, unix.EINVAL}},
		{"NUL in environment", Spec{Argv: []string{"true"}, Env: []string{"A=\x00"}}, std, Failure{StepExec, unix.EINVAL}},
		{"NUL in PATH", Spec{Argv: []string{"true"}, Path: "/bin:\x00"}, std, Failure{StepExec, unix.EINVAL}},
		{"NUL in directory", Spec{Argv: []string{"true"}, Dir: "/\x00"}, std, Failure{StepChdir, unix.EINVAL}},
		{"not executable", Spec{Argv: []string{plain}}, std, Failure{StepExec, unix.EACCES}},
		{"a directory", Spec{Argv: []string{dir}}, std, Failure{StepExec, unix.EACCES}},
		{"not a program", Spec{Argv: []string{text}}, std, Failure{StepExec, unix.ENOEXEC}},
		{"no interpreter", Spec{Argv: []string{noInterpreter}}, std, Failure{StepExec, unix.ENOENT}},
		{"loop", Spec{Argv: []string{loop}}, std, Failure{StepExec, unix.ELOOP}},
		{"below a file", Spec{Argv: []string{plain + "/x"}}, std, Failure{StepExec, unix.ENOTDIR}},
		{"name too long", Spec{Argv: []string{"/" + strings.Repeat("n", 5000)}}, std, Failure{StepExec, unix.ENAMETOOLONG}},
		{"argument too long", Spec{Argv: []string{"true", huge}}, std, Failure{StepExec, unix.E2BIG}},
		{"no such directory", Spec{Argv: []string{"true"}, Dir: "/no/such"}, std, Failure{StepChdir, unix.ENOENT}},
		{"not a directory", Spec{Argv: []string{"true"}, Dir: plain}, std, Failure{StepChdir, unix.ENOTDIR}},
		{"no such file descriptor", Spec{Argv: []string{"true"}}, []int{0, 1, 2, 9999}, Failure{StepFiles, unix.EBADF}},
		{"soft limit above hard", Spec{Argv: []string{"true"}, NoFile: &Rlimit{Cur: 2, Max: 1}}, std, Failure{StepLimits, unix.EINVAL}},
	}
	if os.Getuid() == 0 {
		private := filepath.Join(dir, "private")
		if err := os.Mkdir(private, 0o700); err != nil {
			t.Fatal(err)
		}
		many := &Credentials{Groups: make([]uint32, 65537)} // NGROUPS_MAX + 1
		tests = append(tests, []struct {
			name  string
			spec  Spec
			files []int
			want  Failure
		}{
			{"too many groups", Spec{Argv: []string{"true"}, Creds: many}, std, Failure{StepGroups, unix.EINVAL}},
			{"directory of root's", Spec{Argv: []string{"true"}, Dir: private, Creds: &Credentials{UID: 54321, GID: 54321}}, std, Failure{StepChdir, unix.EACCES}},
		}...)
	}
	eachMode(t, func(t *testing.T, l *Launcher) {
		before := openFiles(t)
		for _, test := range tests {
			test.spec.Umask = -1
			if got := fail(t, l, test.spec, test.files); got != error(test.want) {
				t.Errorf("%s: %v, want %v", test.name, got, test.want)
			}
		}
		if after := openFiles(t); after != before {
			t.Errorf("%d files open, %d before", after, before)
		}
	})
}

// A root that may not change its user, or its group, fails where it should: at that step.
func TestFailuresOfCredentials(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	const setGID, setUID = 6, 7
	tests := []struct {
		name string
		lack uint
		want Failure
	}{
		{"without CAP_SETGID", setGID, Failure{StepGroups, unix.EPERM}},
		{"without CAP_SETUID", setUID, Failure{StepUID, unix.EPERM}},
	}
	eachMode(t, func(t *testing.T, l *Launcher) {
		for _, test := range tests {
			onLockedThread(t, func() {
				head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
				var sets [2]unix.CapUserData
				if err := unix.Capget(&head, &sets[0]); err != nil {
					t.Error(err)
					return
				}
				sets[0].Effective &^= 1 << test.lack
				if err := unix.Capset(&head, &sets[0]); err != nil {
					t.Error(err)
					return
				}
				spec := Spec{Argv: []string{"true"}, Umask: -1, Creds: &Credentials{UID: 54321, GID: 54321}}
				if got := fail(t, l, spec, []int{0, 1, 2}); got != error(test.want) {
					t.Errorf("%s: %v, want %v", test.name, got, test.want)
				}
			})
		}
	})
}

func TestForkFailure(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become a user without processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got := output(t, newLauncher(t), Spec{Argv: []string{"nproc"}, File: self, Env: quick, Umask: -1})
	if want := (Failure{StepFork, unix.EAGAIN}).Error(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPathSearch(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a/plain", "#!/bin/sh\necho a\n", 0o644)
	write(t, dir, "b/plain", "#!/bin/sh\necho b\n", 0o755)
	write(t, dir, "b/text", "no program\n", 0o755)
	write(t, dir, "c/text", "#!/bin/sh\necho c\n", 0o755)
	write(t, dir, "file", "", 0o644)
	write(t, dir, "here", "#!/bin/sh\necho here $0\n", 0o755)
	tests := []struct {
		name, path, command, out string
		want                     error
	}{
		{"goes on after EACCES", "a:b", "plain", "b\n", nil},
		{"goes on after ENOENT and ENOTDIR", "none:file:b", "plain", "b\n", nil},
		{"says EACCES rather than ENOENT", "none:a:none:file", "plain", "", Failure{StepExec, unix.EACCES}},
		{"says the first of others", "file:none", "plain", "", Failure{StepExec, unix.ENOTDIR}},
		{"stops at another error", "b:c", "text", "", Failure{StepExec, unix.ENOEXEC}},
		{"an empty entry is the directory", "none:", "here", "here here\n", nil},
		{"a slash is not searched", "b", "./plain", "", Failure{StepExec, unix.ENOENT}},
	}
	eachMode(t, func(t *testing.T, l *Launcher) {
		for _, test := range tests {
			spec := Spec{Argv: []string{test.command}, Path: test.path, Dir: dir, Umask: -1}
			if test.want != nil {
				if got := fail(t, l, spec, []int{0, 1, 2}); got != test.want {
					t.Errorf("%s: %v, want %v", test.name, got, test.want)
				}
				continue
			}
			if got := output(t, l, spec); got != test.out {
				t.Errorf("%s: %q, want %q", test.name, got, test.out)
			}
		}
	})
}

func TestFailureIsItsErrno(t *testing.T) {
	f := Failure{StepExec, syscall.ENOENT}
	if !errors.Is(f, os.ErrNotExist) || f.Error() != "cannot execute: no such file or directory" {
		t.Errorf("%v is not what it should be", f)
	}
	for s := StepFork; s <= steps; s++ {
		if strings.HasPrefix(s.String(), "step ") {
			t.Errorf("%v has no name", s)
		}
	}
}
