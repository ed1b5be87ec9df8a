package spawn

import "syscall"

// A placement is scratch space of place.
type placement struct {
	from  []int
	taken map[int]bool
}

// place makes files[i] the child's fd i, and closes i where files[i] is negative. A file that lies where another is to go before it has been
// copied itself is moved out of the way first, to a number that is no file's: whatever else has that number is not for the child.
func (p *program) place(files []int) {
	from := append(p.files.from[:0], files...)
	p.files.from = from
	if p.files.taken == nil {
		p.files.taken = make(map[int]bool)
	}
	taken := p.files.taken
	clear(taken)
	for _, f := range files {
		taken[f] = true
	}
	spare := len(files)
	for i, f := range files {
		if f < 0 || f >= i {
			continue
		}
		for taken[spare] {
			spare++
		}
		p.must(StepFiles, op{trap: syscall.SYS_DUP3, a1: uintptr(f), a2: uintptr(spare), a3: syscall.O_CLOEXEC})
		from[i] = spare
		spare++
	}
	for i, f := range from {
		switch {
		case f < 0:
			p.add(op{trap: syscall.SYS_CLOSE, a1: uintptr(i)})
		case f == i:
			p.must(StepFiles, op{trap: syscall.SYS_FCNTL, a1: uintptr(i), a2: syscall.F_SETFD, a3: 0})
		default:
			p.must(StepFiles, op{trap: syscall.SYS_DUP3, a1: uintptr(f), a2: uintptr(i), a3: 0})
		}
	}
}
