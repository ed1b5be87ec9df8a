package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PreloadEnv hands the application that a master loaded to its workers.
const preloadEnv = "PREFORK_PRELOADED"

// MasterEnv tells a worker its master's pid: the parent it finds may be another one by
// then, to which die-master shall not happen.
const masterEnv = "PREFORK_MASTER"

// AppError is an application that died while it was loaded.
type appError struct {
	status int
	text   string
}

func (e *appError) Error() string { return e.text }

// LoadApp reads the application, taking o.boot for it, and returns the release
// it names: its first line. Without --app that is "none". Of a directory it is
// the digest of all that is there after o.boot, and the first line is that of
// the file app, if there is one. A first line can ask for trouble:
//
//	die [STATUS [TEXT]]      loading fails with this exit status, 255 unless given
//	die-after DURATION TEXT  the process that loaded it exits with 255 this long after; TEXT is the release
//	die-master               the master is killed as by kill -9, and loading goes on
//	boot DURATION TEXT       loading takes this long, whatever --boot says; TEXT is the release
//	hang                     loading never ends
func loadApp(o options, master int) (string, error) {
	first, dir := "none", false
	if o.app != "" {
		file := o.app
		if st, err := os.Stat(o.app); err == nil && st.IsDir() {
			dir, file = true, filepath.Join(o.app, "app")
		}
		b, err := os.ReadFile(file)
		if err != nil && !(dir && errors.Is(err, os.ErrNotExist)) {
			return "", &appError{255, err.Error()}
		}
		first, _, _ = strings.Cut(string(b), "\n")
		first = strings.TrimSpace(first)
	}
	boot, left := o.boot, time.Duration(0)
	word, rest, _ := strings.Cut(first, " ")
	switch word {
	case "boot", "die-after":
		text, release, _ := strings.Cut(rest, " ")
		d, err := time.ParseDuration(text)
		if err != nil {
			return "", &appError{255, err.Error()}
		}
		if first = release; word == "boot" {
			boot = d
		} else {
			left = d
		}
	case "hang":
		time.Sleep(math.MaxInt64)
	}
	time.Sleep(boot)
	switch word {
	case "die":
		number, text, _ := strings.Cut(rest, " ")
		status := 255
		if n, err := strconv.Atoi(number); err == nil {
			status = n
		} else {
			text = rest
		}
		if text == "" {
			text = "the application died"
		}
		return "", &appError{status, text}
	case "die-after":
		time.AfterFunc(left, func() {
			say("the application died, %v after it was loaded", left)
			os.Exit(255)
		})
	case "die-master":
		if err := syscall.Kill(master, syscall.SIGKILL); err != nil {
			return "", &appError{255, err.Error()}
		}
	}
	if dir {
		sum, err := digest(o.app)
		if err != nil {
			return "", &appError{255, err.Error()}
		}
		return sum, nil
	}
	return first, nil
}

// LoadOrSay loads the application, or says in Starman's words why not and
// returns the status to exit with, which is then not 0.
func loadOrSay(o options, master int) (release string, status int) {
	release, err := loadApp(o, master)
	if err == nil {
		return release, 0
	}
	say("Error while loading %s: %v", o.app, err)
	if app, ok := errors.AsType[*appError](err); ok && app.status != 0 {
		return "", app.status
	}
	return "", 255
}

// CheckPidFile says why a pid file forbids to start, as Net::Server does, or "".
// A file that names a process which is gone does not: it is overwritten.
func checkPidFile(path string) (refusal string) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 {
		return path + ": Couldn't find pid in existent pid_file"
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		return fmt.Sprintf("Pid_file already exists for running process (%d)... aborting", pid)
	}
	say("Pid_file %q already exists.  Overwriting!", path)
	return ""
}
