package spawn

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A slot is memory that parent and child share, even where the child has a copy of all other memory.
type slot struct {
	busy   int32  // zeroed by the kernel when the child has left our memory
	pid    int32  // written by the kernel before the child runs
	report uint64 // step << 32 | errno, written by the child
}

const (
	slotsPerPage  = 4096 / int(unsafe.Sizeof(slot{}))
	sparePrograms = 32       // kept to be used again
	largeText     = 64 << 10 // bytes; a program with more is left to the collector
)

// A call is the argument of fork: see fork_GOARCH.s.
type call struct {
	flags          uintptr
	busy, pid      uintptr
	ops, report    uintptr
	blocked, saved uint64 // signal masks: all, and what was before
}

// Only the assembly uses it.
const _ = unsafe.Offsetof(call{}.saved)

// fork clones the process. It returns the child's pid, or a negative errno. The child carries out c.ops and never returns.
//
//go:noescape
func fork(c *call) int

// A Launcher starts children. It is for one goroutine. Its memory for children is used again, never given back.
type Launcher struct {
	call    call
	plain   bool       // clone refused CLONE_VM: children get a copy of our memory
	free    []*slot    // of all pages
	spare   []*program // to be used again
	sharing []*Child   // that may still read their program
}

// New returns a Launcher. It fails if there is no memory to share with children.
func New() (*Launcher, error) {
	l := &Launcher{}
	l.call.blocked = math.MaxUint64
	return l, l.grow()
}

// grow adds a page of slots. They live as long as the process.
func (l *Launcher) grow() error {
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
	if err != nil {
		return fmt.Errorf("cannot map memory to share with children: %w", err)
	}
	slots := unsafe.Slice((*slot)(unsafe.Pointer(&page[0])), slotsPerPage)
	for i := range slots {
		l.free = append(l.free, &slots[i])
	}
	return nil
}

// A Child is a process that was started and has not been waited for.
type Child struct {
	// Pid is its process id, session and process group.
	Pid int

	launcher *Launcher
	slot     *slot    // nil once settled
	program  *program // nil if it has a copy
	failure  Failure
}

// Start starts a child. files[i] becomes its fd i, a negative one is closed; every other fd is closed. The caller may close files at once.
// An error is a Failure before there was a child: no process or memory for it, or a spec that has no Argv or a NUL byte in a string.
// Whatever fails later ends the child with status 127 and is told by Child.Reaped.
func (l *Launcher) Start(spec *Spec, files []int) (*Child, error) {
	l.sweep()
	if len(l.free) == 0 && l.grow() != nil {
		return nil, Failure{StepFork, syscall.ENOMEM}
	}
	s := l.free[len(l.free)-1]
	p := l.program()
	if err := p.build(spec, files, uintptr(unsafe.Pointer(&s.pid))); err != nil {
		l.recycle(p)
		return nil, err
	}
	s.busy, s.pid, s.report = 1, 0, 0
	l.call.busy = uintptr(unsafe.Pointer(&s.busy))
	l.call.pid = uintptr(unsafe.Pointer(&s.pid))
	l.call.report = uintptr(unsafe.Pointer(&s.report))
	l.call.ops = uintptr(unsafe.Pointer(&p.ops[0]))
	pid := l.fork()
	if pid < 0 {
		l.recycle(p)
		return nil, Failure{StepFork, syscall.Errno(-pid)}
	}
	l.free = l.free[:len(l.free)-1]
	c := &Child{Pid: pid, launcher: l, slot: s}
	if l.plain {
		runtime.KeepAlive(p)
		l.recycle(p)
		return c, nil
	}
	c.program = p
	l.sharing = append(l.sharing, c)
	return c, nil
}

// fork clones, without sharing memory where that is refused, as qemu's user mode does.
func (l *Launcher) fork() int {
	const shared = syscall.CLONE_VM | syscall.CLONE_CHILD_CLEARTID
	l.call.flags = syscall.CLONE_PARENT_SETTID | uintptr(syscall.SIGCHLD)
	if !l.plain {
		l.call.flags |= shared
	}
	pid := fork(&l.call)
	if pid == -int(syscall.EINVAL) && !l.plain {
		l.plain = true
		l.call.flags &^= shared
		pid = fork(&l.call)
	}
	return pid
}

// Sharing returns how many children may still use the launcher's memory: those that have neither executed their program nor ended.
func (l *Launcher) Sharing() int {
	l.sweep()
	return len(l.sharing)
}

// sweep takes back the programs that the kernel says are no longer used.
func (l *Launcher) sweep() {
	kept := l.sharing[:0]
	for _, c := range l.sharing {
		if c.slot != nil && atomic.LoadInt32(&c.slot.busy) != 0 {
			kept = append(kept, c)
			continue
		}
		c.settle()
	}
	clear(l.sharing[len(kept):])
	l.sharing = kept
}

// Reaped must be called once the child has been waited for. It returns the step that failed, if its program was never executed for that.
func (c *Child) Reaped() (f Failure, failed bool) {
	c.settle()
	return c.failure, c.failure.Step != 0
}

// settle takes the report and gives slot and program back. The child must have left our memory.
func (c *Child) settle() {
	if c.slot == nil {
		return
	}
	if report := atomic.LoadUint64(&c.slot.report); report != 0 {
		c.failure = Failure{Step(report >> 32), syscall.Errno(uint32(report))}
	}
	l := c.launcher
	l.free = append(l.free, c.slot)
	if c.program != nil {
		l.recycle(c.program)
	}
	c.slot, c.program = nil, nil
}

func (l *Launcher) program() *program {
	n := len(l.spare)
	if n == 0 {
		return new(program)
	}
	p := l.spare[n-1]
	l.spare = l.spare[:n-1]
	return p
}

func (l *Launcher) recycle(p *program) {
	if cap(p.text) <= largeText && len(l.spare) < sparePrograms {
		l.spare = append(l.spare, p)
	}
}
