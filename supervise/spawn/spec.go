package spawn

import (
	"encoding/binary"
	"errors"
)

// DefaultPath is searched when Spec.Path is empty.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// A Spec is all that a child is to be, but for its files. Every signal of a child is unblocked and has its default disposition.
type Spec struct {
	// Argv is the command and its arguments; at least one. If Argv[0] has a slash it is a path, relative to Dir;
	// otherwise it is looked up in Path.
	Argv []string
	// File is the path executed in place of Argv[0], which then only is what the program sees. Empty: by Argv[0].
	File string
	// Path is searched as execvp(3) does, by the child with its own rights and directory: the search goes on after ENOENT, ENOTDIR
	// and EACCES, and says EACCES if that was among them. Empty: DefaultPath.
	Path string
	// Env is the environment, as "NAME=value".
	Env []string
	// Dir is the working directory, entered with the child's own rights. Empty: unchanged.
	Dir string
	// Umask is the file mode creation mask. -1: unchanged; the zero value is the mask 0.
	Umask int
	// Creds is who the child is. nil: unchanged.
	Creds *Credentials
	// Session tells whether the child leads a session (the zero value) or a process group of its parent's session.
	Session Session
	// Foreground makes the child's group the foreground group of the terminal on its fd 0, if there is one: see NewGroup.
	Foreground bool
	// NoFile is its RLIMIT_NOFILE. nil: unchanged.
	NoFile *Rlimit
	// ListenPID puts LISTEN_PID into the environment, instead of any in Env: the child's own pid in decimal, without which
	// sd_listen_fds(3) takes no file. The pid is the one that the parent knows it by.
	ListenPID bool
}

// Credentials are the real, effective and saved ids of a child. Groups are all its supplementary groups: nil is none.
type Credentials struct {
	UID, GID uint32
	Groups   []uint32
}

// An Rlimit is a soft and a hard resource limit.
type Rlimit struct{ Cur, Max uint64 }

// A Session says what the child leads. Either way its pid is its process group.
type Session uint8

const (
	NewSession Session = iota // a session of its own, without a terminal
	NewGroup                  // a process group in the parent's session: it keeps the terminal
)

const specVersion = 1

const (
	flagCreds = 1 << iota
	flagForeground
	flagNoFile
	flagListenPID
	flagsAll = 1<<iota - 1
)

var errSpec = errors.New("cannot parse spec: malformed")

// AppendTo appends the spec in the form that ParseSpec reads.
func (s *Spec) AppendTo(b []byte) []byte {
	var flags byte
	if s.Creds != nil {
		flags |= flagCreds
	}
	if s.Foreground {
		flags |= flagForeground
	}
	if s.NoFile != nil {
		flags |= flagNoFile
	}
	if s.ListenPID {
		flags |= flagListenPID
	}
	b = append(b, specVersion, flags, byte(s.Session))
	b = binary.AppendVarint(b, int64(s.Umask))
	b = appendStrings(b, s.Argv)
	b = appendStrings(b, s.Env)
	b = appendString(b, s.File)
	b = appendString(b, s.Path)
	b = appendString(b, s.Dir)
	if c := s.Creds; c != nil {
		b = binary.LittleEndian.AppendUint32(b, c.UID)
		b = binary.LittleEndian.AppendUint32(b, c.GID)
		b = binary.AppendUvarint(b, uint64(len(c.Groups)))
		for _, g := range c.Groups {
			b = binary.LittleEndian.AppendUint32(b, g)
		}
	}
	if r := s.NoFile; r != nil {
		b = binary.LittleEndian.AppendUint64(b, r.Cur)
		b = binary.LittleEndian.AppendUint64(b, r.Max)
	}
	return b
}

// ParseSpec reads what AppendTo wrote. The spec shares no memory with b.
func ParseSpec(b []byte) (Spec, error) {
	p := parser{rest: string(b)}
	version, flags, session := p.byte(), p.byte(), p.byte()
	if version != specVersion || flags&^flagsAll != 0 || session > byte(NewGroup) {
		return Spec{}, errSpec
	}
	s := Spec{Session: Session(session), Foreground: flags&flagForeground != 0, ListenPID: flags&flagListenPID != 0}
	s.Umask = p.umask()
	s.Argv = p.strings()
	s.Env = p.strings()
	s.File = p.string()
	s.Path = p.string()
	s.Dir = p.string()
	if flags&flagCreds != 0 {
		s.Creds = &Credentials{UID: uint32(p.fixed(4)), GID: uint32(p.fixed(4))}
		if n := p.count(4); n > 0 {
			s.Creds.Groups = make([]uint32, n)
		}
		for i := range s.Creds.Groups {
			s.Creds.Groups[i] = uint32(p.fixed(4))
		}
	}
	if flags&flagNoFile != 0 {
		s.NoFile = &Rlimit{Cur: p.fixed(8), Max: p.fixed(8)}
	}
	if p.bad || p.rest != "" {
		return Spec{}, errSpec
	}
	return s, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendString(b, s)
	}
	return b
}

// A parser takes values from the front of rest. After the first bad one it gives zero values only.
type parser struct {
	rest string
	bad  bool
}

func (p *parser) take(n uint64) string {
	if p.bad || n > uint64(len(p.rest)) {
		p.bad = true
		return ""
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

func (p *parser) byte() byte { return byte(p.fixed(1)) }

func (p *parser) fixed(size uint64) uint64 {
	var v uint64
	for i, c := range []byte(p.take(size)) {
		v |= uint64(c) << (8 * i)
	}
	return v
}

func (p *parser) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := p.byte()
		if shift == 63 && c > 1 || shift > 0 && c == 0 { // too large, or longer than it need be
			p.bad = true
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	p.bad = true
	return 0
}

// umask takes a signed number as binary.AppendVarint writes it.
func (p *parser) umask() int {
	u := p.uvarint()
	v := int64(u>>1) ^ -int64(u&1)
	if v < -1 || v > 0o777 {
		p.bad = true
		return 0
	}
	return int(v)
}

// count takes the length of a list whose elements take at least size bytes each.
func (p *parser) count(size uint64) int {
	n := p.uvarint()
	if p.bad || n > uint64(len(p.rest))/size {
		p.bad = true
		return 0
	}
	return int(n)
}

func (p *parser) string() string { return p.take(p.uvarint()) }

func (p *parser) strings() []string {
	n := p.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = p.string()
	}
	return list
}
