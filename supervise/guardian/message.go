package guardian

import (
	"encoding/binary"
	"errors"
	"syscall"

	"gsv/supervise/spawn"
)

// A kind says what a message means. From the supervisor: hello start arm disarm signal ack release adopt running serving exit hold unhold keep.
// From the guardian: hello started ended empty signalled told held process listed.
type kind uint8

const (
	kindHello     kind = iota + 1 // both: start, n (deaths), pid
	kindStart                     // key n files split status(number of holes) body(holes, spec); files: the child's, the held ones, and the spec's if flagSpecFile
	kindArm                       // as start
	kindDisarm                    // key n
	kindSignal                    // key n token(0: no answer) status(signal), flagGroup, flagWake
	kindAck                       // key n; without a key: of a told
	kindRelease                   // key n
	kindAdopt                     // key n pid start
	kindRunning                   // answered by a held or process for each, then listed
	kindServing                   // -
	kindExit                      // status
	kindHold                      // key(name) files(1, or 0 if there is none)
	kindUnhold                    // key(name)
	kindKeep                      // key n files(held)
	kindStarted                   // key n pid start
	kindEnded                     // key n pid status failure at, flagLeft, flagUnknown, flagNext
	kindEmpty                     // key n
	kindSignalled                 // token failure.Errno
	kindTold                      // n status(signal)
	kindHeld                      // key(name) files(1)
	kindProcess                   // key n pid start files(held), flagEnded, flagAcked, flagLeft
	kindListed                    // -

	kindLast = kindListed
)

const (
	flagGroup    = 1 << iota // of a signal: to the whole group
	flagWake                 // of a signal: then CONT
	flagSpecFile             // of a start or arm: the spec is in a file, the last one
	flagLeft
	flagUnknown
	flagEnded
	flagAcked
	flagNext // the next run exists too
)

// starts reports whether a spec and files belong to such a message.
func (k kind) starts() bool { return k == kindStart || k == kindArm }

// carries reports whether files belong to such a message.
func (k kind) carries() bool { return k.starts() || k == kindHold || k == kindKeep }

// A message is one packet, in either direction: a header that is the same for all, the key, and the body. Integers are little-endian.
type message struct {
	kind    kind
	flags   uint8
	files   uint8 // how many come along
	split   uint8 // how many of them are the child's; its holes are not files
	pid     int32
	n       uint64
	num     uint64 // token of a signal; start time of a process
	at      int64  // CLOCK_BOOTTIME in nanoseconds
	status  uint32
	failure spawn.Failure
	key     string
	body    []byte // of a decoded message: part of what was decoded
}

const (
	headerSize = 44
	maxKey     = 1 << 10
	maxFiles   = 253                // SCM_MAX_FD of the kernel
	maxBody    = 64 << 10           // bytes
	maxInline  = maxBody - maxFiles // bytes; a longer spec goes in a file
	maxMessage = headerSize + maxKey + maxBody
	maxSpec    = 64 << 20 // bytes; no execve takes more than a few
)

var errMessage = errors.New("cannot decode message: malformed")

func (m *message) append(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, byte(m.kind), m.flags, m.files, m.split)
	b = le.AppendUint32(b, uint32(m.pid))
	b = le.AppendUint64(b, m.n)
	b = le.AppendUint64(b, m.num)
	b = le.AppendUint64(b, uint64(m.at))
	b = le.AppendUint32(b, m.status)
	b = le.AppendUint32(b, uint32(m.failure.Step)<<16|uint32(uint16(m.failure.Errno)))
	b = le.AppendUint32(b, uint32(len(m.key)))
	b = append(b, m.key...)
	return append(b, m.body...)
}

func decode(b []byte) (message, error) {
	if len(b) < headerSize {
		return message{}, errMessage
	}
	le := binary.LittleEndian
	failure, keyLen := le.Uint32(b[36:]), le.Uint32(b[40:])
	m := message{
		kind: kind(b[0]), flags: b[1], files: b[2], split: b[3],
		pid: int32(le.Uint32(b[4:])), n: le.Uint64(b[8:]), num: le.Uint64(b[16:]), at: int64(le.Uint64(b[24:])), status: le.Uint32(b[32:]),
		failure: spawn.Failure{Step: spawn.Step(failure >> 16), Errno: syscall.Errno(uint16(failure))},
	}
	if m.kind == 0 || m.kind > kindLast || failure>>24 != 0 || keyLen > maxKey || int(keyLen) > len(b)-headerSize || m.split > m.files {
		return message{}, errMessage
	}
	m.key, m.body = string(b[headerSize:headerSize+keyLen]), b[headerSize+keyLen:]
	if len(m.body) > maxBody || !m.kind.starts() && len(m.body) > 0 {
		return message{}, errMessage
	}
	return m, nil
}
