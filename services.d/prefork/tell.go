package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// TellArg is the first argument of a prefork that is no server.
const tellArg = "tell"

// Tell sends lines to NOTIFY_SOCKET in one message, as systemd-notify(1) does, and
// returns when the message has been taken. After "--no-wait" it does not wait for
// that; "-N" as a line ends it, and what follows is the next message.
func tell(lines []string) int {
	wait := len(lines) == 0 || lines[0] != "--no-wait"
	if !wait {
		lines = lines[1:]
	}
	if err := sendLines(lines, wait); err != nil {
		fmt.Fprintln(os.Stderr, "prefork: cannot tell:", err)
		return 1
	}
	return 0
}

func sendLines(lines []string, wait bool) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return errors.New("NOTIFY_SOCKET is not set")
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	to := &syscall.SockaddrUnix{Name: name} // one that begins with @ is abstract
	for message := range strings.SplitSeq(strings.Join(lines, "\n"), "\n-N\n") {
		if err := syscall.Sendto(fd, []byte(message), 0, to); err != nil {
			return err
		}
	}
	if !wait {
		return nil
	}
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return err
	}
	if err := syscall.Sendmsg(fd, []byte("BARRIER=1"), syscall.UnixRights(ends[1]), to, 0); err != nil {
		return err
	}
	syscall.Close(ends[1])
	for {
		if _, err := syscall.Read(ends[0], make([]byte, 1)); err != syscall.EINTR {
			return err
		}
	}
}
