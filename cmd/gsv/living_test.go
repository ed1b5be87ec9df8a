package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// livingRole is the first argument of this test's binary where it is a service that lives on while gsv dies.
const livingRole = "write-numbered-lines-on"

// livingPart is how many bytes it writes for each byte that it reads.
const livingPart = 64 << 10

// A living is one of its outputs.
type living struct {
	file  *os.File
	next  int // the number of the next line
	bytes int // of all before
	left  []byte
}

// Write writes so many of the next bytes, seldom whole lines.
func (l *living) write(size int) error {
	for len(l.left) < size {
		before := len(l.left)
		l.left = appendNumbered(l.left, l.next)
		l.next, l.bytes = l.next+1, l.bytes+len(l.left)-before
	}
	_, err := l.file.Write(l.left[:size])
	l.left = append(l.left[:0], l.left[size:]...)
	return err
}

// Read returns when all that was written has been read: what is in the pipe when its last holder ends is gone.
func (l *living) read() error {
	for {
		n, err := unix.IoctlGetInt(int(l.file.Fd()), unix.TIOCINQ) // FIONREAD
		if n == 0 || err != nil {
			return err
		}
		_, _ = unix.Poll(nil, 1) // nothing tells that a pipe is empty
	}
}

// livingTwice is what it says when there is another process of it.
const livingTwice = 1

// WriteOn is that service. It writes a part to one of its outputs, in turn, for each byte from the FIFO DIR/gate, and then a zero byte
// to DIR/at. At TERM it ends the line that it has begun and, when all has been read, leaves in DIR/ends where the next run goes on. Each run leaves its number
// in DIR/generations.
func writeOn(dir string, outputs []string) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	at, err := os.OpenFile(filepath.Join(dir, "at"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "alone"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	gen := os.Getenv("GSV_GENERATION")
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_, _ = at.Write([]byte{livingTwice})
		return err
	}
	gens, err := os.OpenFile(filepath.Join(dir, "generations"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer gens.Close()
	if _, err := gens.WriteString(gen + "\n"); err != nil {
		return err
	}
	all := []*living{{file: os.Stdout}, {file: os.Stderr}}[:len(outputs)]
	ends := filepath.Join(dir, "ends")
	was, err := os.ReadFile(ends)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i, line := range bytes.Split(bytes.TrimSpace(was), []byte("\n")) {
		if len(line) == 0 {
			break
		}
		if _, err := fmt.Sscan(string(line), &all[i].next, &all[i].bytes); err != nil {
			return err
		}
	}
	gate, err := os.OpenFile(filepath.Join(dir, "gate"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	// Whoever reads a byte has begun that part, and goes on with it before it ends.
	go func() {
		<-told
		_ = gate.SetReadDeadline(time.Unix(1, 0))
	}()
	sizes := [...]int{16 << 10, 4095, 31, 64 << 10, 20_011}
	for turn := 0; ; {
		if _, err := gate.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			return err
		}
		for written := 0; written < livingPart; turn++ {
			size := min(sizes[turn%len(sizes)], livingPart-written)
			if err := all[turn/len(sizes)%len(all)].write(size); err != nil {
				return err
			}
			written += size
		}
		if _, err := at.Write([]byte{0}); err != nil {
			return err
		}
	}
	var is bytes.Buffer
	for _, l := range all {
		if err := l.write(len(l.left)); err != nil {
			return err
		}
		if err := l.read(); err != nil {
			return err
		}
		fmt.Fprintln(&is, l.next, l.bytes)
	}
	if err := os.WriteFile(ends+".new", is.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(ends+".new", ends)
}
