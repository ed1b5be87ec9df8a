package notify

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
)

// A Sender is who has sent a message, as the kernel says: when it was sent. The
// zero value is nobody that can be known.
type Sender struct {
	Pid      int    // as seen from here; 0: it is in a PID namespace that cannot be seen from here
	UID, GID uint32 // its real ones, or others of its own that it chose to show (unix(7), SCM_CREDENTIALS)
}

// ErrEnded says that a sender is not there any more.
var ErrEnded = errors.New("the sender has ended")

// maxLine bounds how far up Line goes.
const maxLine = 64

// Line is the sender as it is now, then its parent, and so on up. One that has
// ended and was not waited for yet, a zombie, still has its line. The error is
// ErrEnded where the sender is gone, or its pid is another's by now; a line that
// ends too early is that of processes that end while it is looked at.
func (s Sender) Line() ([]procfs.Proc, error) {
	if s.Pid <= 0 {
		return nil, errors.New("it cannot be seen from here")
	}
	p, err := procfs.Read(s.Pid)
	if errors.Is(err, unix.ESRCH) || err == nil && s.UID != 0 && !s.Owns(s.Pid) { // root could have become another user
		return nil, ErrEnded
	}
	if err != nil {
		return nil, err
	}
	line := []procfs.Proc{p}
	for again := 0; len(line) < maxLine && p.PPid > 0; {
		parent, err := procfs.Read(p.PPid)
		if err == nil && parent.Start <= p.Start { // else it is younger than its child: another with that pid
			line, p = append(line, parent), parent
			continue
		}
		// It has ended meanwhile, and its child has another parent.
		now, err := procfs.Read(p.Pid)
		if again++; err != nil || now.Start != p.Start || now.PPid == p.PPid || again == maxLine {
			break
		}
		p = now
		line[len(line)-1] = p
	}
	return line, nil
}

// Owns reports whether a process is of the sender's user: by its real, effective,
// saved or file system user id.
func (s Sender) Owns(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	_, after, _ := bytes.Cut(b, []byte("\nUid:")) // proc_pid_status(5)
	own, _, _ := bytes.Cut(after, []byte("\n"))
	uid := strconv.FormatUint(uint64(s.UID), 10)
	for word := range bytes.FieldsSeq(own) {
		if string(word) == uid {
			return true
		}
	}
	return false
}
