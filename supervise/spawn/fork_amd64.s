#include "textflag.h"
#include "go_asm.h"

#define SYS_rt_sigprocmask 14
#define SYS_clone 56
#define SYS_exit_group 231
#define SIG_SETMASK 2

// func fork(c *call) int
//
// The child leaves the stack alone: it is the parent's. The kernel keeps all registers but AX, CX and R11.
TEXT ·fork(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ c+0(FP), R13

	// No signal may find the child with the parent's handlers.
	MOVQ $SIG_SETMASK, DI
	LEAQ call_blocked(R13), SI
	LEAQ call_saved(R13), DX
	MOVQ $8, R10
	MOVQ $SYS_rt_sigprocmask, AX
	SYSCALL

	MOVQ call_flags(R13), DI
	XORQ SI, SI
	MOVQ call_pid(R13), DX
	MOVQ call_busy(R13), R10
	XORQ R8, R8
	MOVQ call_ops(R13), R12
	MOVQ call_report(R13), R15
	MOVQ $SYS_clone, AX
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, BX

	MOVQ $SIG_SETMASK, DI
	LEAQ call_saved(R13), SI
	XORQ DX, DX
	MOVQ $8, R10
	MOVQ $SYS_rt_sigprocmask, AX
	SYSCALL
	MOVQ BX, ret+8(FP)
	RET

child:
	XORQ BX, BX                // what the search remembers, as the kernel returns it
next:
	MOVQ op_a1(R12), R9
again:
	MOVQ op_mode(R12), R8
	CMPQ R8, $const_modeGiveUp
	JEQ  giveup
	CMPQ R8, $const_modePid
	JEQ  pid
	MOVQ op_trap(R12), AX
	MOVQ R9, DI
	MOVQ op_a2(R12), SI
	MOVQ op_a3(R12), DX
	MOVQ op_a4(R12), R10
	SYSCALL
	MOVQ op_mode(R12), R8
	CMPQ R8, $const_modeSignals
	JEQ  signals
	CMPQ AX, $-4095
	JCS  done                  // below it, unsigned: no error
	CMPQ R8, $const_modeIgnore
	JEQ  done
	CMPQ R8, $const_modeSearch
	JNE  fail
	CMPQ AX, $-13              // EACCES
	JEQ  remember
	CMPQ AX, $-2               // ENOENT
	JEQ  first
	CMPQ AX, $-20              // ENOTDIR
	JNE  fail
first:
	TESTQ BX, BX
	JNZ  done
remember:
	MOVQ AX, BX
done:
	ADDQ $op__size, R12
	JMP  next
signals:
	INCQ R9
	CMPQ R9, $64
	JLS  again
	JMP  done
pid:
	MOVL (R9), SI
	MOVQ op_a2(R12), DI
	MOVL $10, CX
	MOVL SI, AX
count:                             // DI goes past the last digit
	INCQ DI
	XORL DX, DX
	DIVL CX
	TESTL AX, AX
	JNZ  count
	MOVB $0, (DI)
	MOVL SI, AX
digit:
	DECQ DI
	XORL DX, DX
	DIVL CX
	ADDL $48, DX               // '0'
	MOVB DX, (DI)
	TESTL AX, AX
	JNZ  digit
	JMP  done
giveup:
	MOVQ BX, AX
fail:
	NEGQ AX
	MOVQ op_step(R12), R8
	SHLQ $32, R8
	ORQ  R8, AX
	MOVQ AX, (R15)
die:
	MOVQ $127, DI
	MOVQ $SYS_exit_group, AX
	SYSCALL
	JMP  die
