package spawn

import (
	"strings"
	"syscall"
	"unsafe"
)

// An op is one system call of the child. The assembly knows this layout through go_asm.h.
type op struct {
	trap           uintptr
	a1, a2, a3, a4 uintptr
	step           uintptr
	mode           uintptr
}

// What the child does about an op's result.
const (
	modeIgnore  = iota // goes on
	modeMust           // a failure is reported, and ends it
	modeSignals        // goes on, and repeats the op with a1+1 up to signal 64
	modeSearch         // a failed execve: remembers ENOENT, ENOTDIR and, before these, EACCES, and goes on; any other is reported
	modeGiveUp         // makes no call: reports what was remembered
	modePid            // makes no call: writes the pid that is at a1 to a2, in decimal and with a NUL
)

const (
	listenPID = "LISTEN_PID="
	pidRoom   = "4294967295" // no uint32 has more digits
)

const (
	sysCloseRange  = 436 // the same on every architecture, as all calls since 2019
	closeAll       = ^uintptr(0) >> 32
	prSetDumpable  = 4
	sigSetMask     = 2
	sigSetSize     = 8 // bytes, of the kernel's sigset_t
	rlimitNoFile   = 7
	sigactionWords = 4 // of 8 bytes: struct kernel_sigaction is no longer on amd64 and arm64
)

// A program is what one child is to do. Its slices never grow once an address into them has been taken, and all are of types
// without pointers, so that the collector neither moves nor scans them: who keeps the program keeps all of it.
type program struct {
	ops    []op
	ptrs   []uintptr // argv and envp
	text   []byte    // every string, NUL-terminated
	groups []uint32
	limit  Rlimit
	zero   [sigactionWords]uint64 // SIG_DFL, and the empty signal set
	files  placement
}

// build makes p the program for spec. pid is the address at which the child finds its pid.
// The only failures are of the caller's making: no Argv, or a NUL byte in a string.
func (p *program) build(spec *Spec, files []int, pid uintptr) error {
	if len(spec.Argv) == 0 {
		return Failure{StepExec, syscall.EINVAL}
	}
	name, search := spec.File, ""
	if name == "" {
		name = spec.Argv[0]
		if name != "" && !strings.Contains(name, "/") {
			if search = spec.Path; search == "" {
				search = DefaultPath
			}
		}
	}
	size := len(name) + len(spec.Dir) + 2
	for _, list := range [...][]string{spec.Argv, spec.Env} {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return Failure{StepExec, syscall.EINVAL}
			}
			size += len(s) + 1
		}
	}
	if strings.IndexByte(name, 0) >= 0 || strings.IndexByte(search, 0) >= 0 {
		return Failure{StepExec, syscall.EINVAL}
	}
	if strings.IndexByte(spec.Dir, 0) >= 0 {
		return Failure{StepChdir, syscall.EINVAL}
	}
	tries := 1
	if search != "" {
		tries = strings.Count(search, ":") + 1
		size += len(search) + tries*(len(name)+2)
	}
	if spec.ListenPID {
		size += len(listenPID) + len(pidRoom) + 1
	}
	p.text = emptied(p.text, size)
	p.ptrs = emptied(p.ptrs, len(spec.Argv)+len(spec.Env)+3)
	p.ops = emptied(p.ops, 2*len(files)+tries+16)
	p.groups = p.groups[:0]

	argv, envp := p.vector(spec.Argv), p.environ(spec, pid)
	p.add(op{trap: syscall.SYS_RT_SIGACTION, a1: 1, a2: p.zeros(), a4: sigSetSize, mode: modeSignals})
	p.session(spec)
	p.place(files)
	p.add(op{trap: sysCloseRange, a1: uintptr(len(files)), a2: closeAll}) // where there is none, files are close-on-exec
	if spec.Foreground {
		p.add(op{trap: syscall.SYS_IOCTL, a1: 0, a2: syscall.TIOCSPGRP, a3: pid})
	}
	if spec.NoFile != nil {
		p.limit = *spec.NoFile
		p.must(StepLimits, op{trap: syscall.SYS_PRLIMIT64, a2: rlimitNoFile, a3: uintptr(unsafe.Pointer(&p.limit))})
	}
	if spec.Umask >= 0 {
		p.add(op{trap: syscall.SYS_UMASK, a1: uintptr(spec.Umask)})
	}
	p.credentials(spec.Creds)
	if spec.Dir != "" {
		p.must(StepChdir, op{trap: syscall.SYS_CHDIR, a1: p.string(spec.Dir)})
	}
	p.must(StepMask, op{trap: syscall.SYS_RT_SIGPROCMASK, a1: sigSetMask, a2: p.zeros(), a4: sigSetSize})
	exec := op{trap: syscall.SYS_EXECVE, a2: argv, a3: envp, step: uintptr(StepExec), mode: modeMust}
	if search == "" {
		exec.a1 = p.string(name)
		p.add(exec)
		return nil
	}
	exec.mode = modeSearch
	for dir := range strings.SplitSeq(search, ":") {
		if dir == "" {
			exec.a1 = p.string(name)
		} else {
			exec.a1 = p.string(dir, "/", name)
		}
		p.add(exec)
	}
	p.add(op{step: uintptr(StepExec), mode: modeGiveUp})
	return nil
}

func (p *program) session(spec *Spec) {
	if spec.Session == NewGroup {
		p.must(StepSession, op{trap: syscall.SYS_SETPGID})
		return
	}
	p.must(StepSession, op{trap: syscall.SYS_SETSID})
}

// credentials are set for one thread, as these calls do: the child has only one.
// A change of user makes the memory, still shared, as dumpable as fs.suid_dumpable says (commit_creds in kernel/cred.c): so it is set anew.
func (p *program) credentials(c *Credentials) {
	if c == nil {
		return
	}
	p.groups = append(p.groups, c.Groups...)
	var list uintptr
	if len(p.groups) > 0 {
		list = uintptr(unsafe.Pointer(&p.groups[0]))
	}
	uid, gid := uintptr(c.UID), uintptr(c.GID)
	p.must(StepGroups, op{trap: syscall.SYS_SETGROUPS, a1: uintptr(len(p.groups)), a2: list})
	p.must(StepGID, op{trap: syscall.SYS_SETRESGID, a1: gid, a2: gid, a3: gid})
	p.must(StepUID, op{trap: syscall.SYS_SETRESUID, a1: uid, a2: uid, a3: uid})
	p.add(op{trap: syscall.SYS_PRCTL, a1: prSetDumpable})
}

func (p *program) add(o op) { p.ops = append(p.ops, o) }

func (p *program) must(step Step, o op) {
	o.step, o.mode = uintptr(step), modeMust
	p.add(o)
}

func (p *program) zeros() uintptr { return uintptr(unsafe.Pointer(&p.zero)) }

// string copies its parts into the text as one string and returns the address.
func (p *program) string(parts ...string) uintptr {
	start := len(p.text)
	for _, s := range parts {
		p.text = append(p.text, s...)
	}
	p.text = append(p.text, 0)
	return uintptr(unsafe.Pointer(&p.text[start]))
}

// vector copies list as an array of pointers to strings that ends with a nil.
func (p *program) vector(list []string) uintptr {
	start := len(p.ptrs)
	for _, s := range list {
		p.ptrs = append(p.ptrs, p.string(s))
	}
	p.ptrs = append(p.ptrs, 0)
	return uintptr(unsafe.Pointer(&p.ptrs[start]))
}

// environ copies the environment. The text of its LISTEN_PID is completed by the child, which finds its pid at pid.
func (p *program) environ(spec *Spec, pid uintptr) uintptr {
	if !spec.ListenPID {
		return p.vector(spec.Env)
	}
	start := len(p.ptrs)
	for _, s := range spec.Env {
		if !strings.HasPrefix(s, listenPID) {
			p.ptrs = append(p.ptrs, p.string(s))
		}
	}
	entry := p.string(listenPID, pidRoom)
	p.add(op{a1: pid, a2: entry + uintptr(len(listenPID)), mode: modePid})
	p.ptrs = append(p.ptrs, entry, 0)
	return uintptr(unsafe.Pointer(&p.ptrs[start]))
}

// emptied returns a slice without elements and with room for n.
func emptied[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, 0, n)
	}
	return s[:0]
}
