package guardian

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A packet is a message on its way, with its files.
type packet struct {
	message
	spec        []byte // of a start or arm
	files, keep []File // of a hold: keep, one; of a keep: keep
	last        bool   // the sender ends after it
}

// seal completes the message of a start, arm, keep or hold and returns the files to send with it.
func (p *packet) seal() ([]int, error) {
	if p.kind == kindHold {
		return p.sealHold(), nil
	}
	if len(p.key) > maxKey || len(p.files)+len(p.keep) >= maxFiles {
		return nil, syscall.EINVAL
	}
	var fds []int
	var holes []byte // the child's fds that are none
	for which, list := range [...][]File{p.files, p.keep} {
		for i, f := range list {
			if which == 0 && f.File == nil {
				holes = append(holes, byte(i))
				continue
			}
			fd, err := number(f.File)
			if err != nil {
				return nil, err
			}
			fds = append(fds, fd)
		}
	}
	p.split, p.status = uint8(len(p.files)-len(holes)), uint32(len(holes))
	if p.body = p.spec; len(p.spec) > maxInline {
		fd, err := specFile(p.spec)
		if err != nil {
			return nil, err
		}
		fds = append(fds, fd)
		p.body, p.flags = nil, flagSpecFile
	}
	if len(holes) > 0 {
		p.body = append(holes, p.body...)
	}
	p.message.files = uint8(len(fds))
	return fds, nil
}

// sealHold is seal of a hold, which goes without a file if that is closed: then nothing is held.
func (p *packet) sealHold() []int {
	fd, err := number(p.keep[0].File)
	if err != nil {
		p.message.files = 0
		return nil
	}
	p.message.files = 1
	return []int{fd}
}

// own makes the files of a hold or keep the packet's own, as it is not sent at once. One for which there is no descriptor is sent if
// it is still open then.
func (p *packet) own() {
	if p.kind != kindHold && p.kind != kindKeep {
		return
	}
	for i, f := range p.keep {
		fd, err := number(f.File)
		if err != nil || !f.Shared {
			continue
		}
		if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			p.keep[i] = File{File: unpolled(fd, p.key)}
		}
	}
}

// number returns f's descriptor without what f.Fd does: that makes the open file description, which others share, blocking.
func number(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, syscall.EBADF
	}
	if raw.Control(func(n uintptr) { fd = int(n) }) != nil {
		return -1, syscall.EBADF
	}
	return fd, nil
}

// specFile returns a memory file that holds b.
func specFile(b []byte) (int, error) {
	fd, err := unix.MemfdCreate("gsv spec", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	for off := 0; off < len(b); {
		n, err := unix.Pwrite(fd, b[off:], int64(off))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
		off += n
	}
	return fd, nil
}

// close closes the files that are not shared.
func (p *packet) close() {
	for _, list := range [...][]File{p.files, p.keep} {
		for _, f := range list {
			if !f.Shared {
				_ = f.Close() // may be listed twice
			}
		}
	}
}
