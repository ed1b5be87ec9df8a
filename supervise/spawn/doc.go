// Package spawn starts a child process by a table of raw system calls.
//
// The child is made by clone(2) with CLONE_VM but without CLONE_VFORK, and runs some sixty instructions of assembly
// that carry out a table prepared by its parent: signal dispositions, session, files, limits, umask, credentials,
// directory, signal mask, execve. It runs no Go and uses no stack, so the parent goes on at once: a chdir or an execve that hangs
// (a dead NFS) hangs that child alone, and no lock of the Go runtime is held meanwhile, as it is in [syscall.ForkExec].
//
// A step that fails is stored, with its errno, in a word the parent reads once it has reaped the child; the child ends with
// status 127 then. CLONE_CHILD_CLEARTID makes the kernel zero another word when the child no longer uses our memory
// (mm_release in kernel/fork.c, at execve and at exit): its table is used again from then on.
//
// Until then the child shares the parent's memory. A process that starts children of other users, or runs on Linux before 5.16,
// where a core dump of one process killed all that shared its memory, should make itself undumpable (prctl(2), PR_SET_DUMPABLE).
package spawn
