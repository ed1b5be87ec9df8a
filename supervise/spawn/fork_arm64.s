#include "textflag.h"
#include "go_asm.h"

#define SYS_exit_group 94
#define SYS_rt_sigprocmask 135
#define SYS_clone 220
#define SIG_SETMASK 2

// func fork(c *call) int
//
// The child leaves the stack alone: it is the parent's. The kernel keeps all registers but R0.
TEXT ·fork(SB), NOSPLIT|NOFRAME, $0-16
	MOVD c+0(FP), R19

	// No signal may find the child with the parent's handlers.
	MOVD $SIG_SETMASK, R0
	ADD  $call_blocked, R19, R1
	ADD  $call_saved, R19, R2
	MOVD $8, R3
	MOVD $SYS_rt_sigprocmask, R8
	SVC

	// The order of the arguments is not that of amd64: see clone(2).
	MOVD call_flags(R19), R0
	MOVD $0, R1
	MOVD call_pid(R19), R2
	MOVD $0, R3
	MOVD call_busy(R19), R4
	MOVD call_ops(R19), R20
	MOVD call_report(R19), R21
	MOVD $SYS_clone, R8
	SVC
	CBZ  R0, child
	MOVD R0, R22

	MOVD $SIG_SETMASK, R0
	ADD  $call_saved, R19, R1
	MOVD $0, R2
	MOVD $8, R3
	MOVD $SYS_rt_sigprocmask, R8
	SVC
	MOVD R22, ret+8(FP)
	RET

child:
	MOVD $0, R22               // what the search remembers, as the kernel returns it
next:
	MOVD op_a1(R20), R23
again:
	MOVD op_mode(R20), R24
	CMP  $const_modeGiveUp, R24
	BEQ  giveup
	CMP  $const_modePid, R24
	BEQ  pid
	MOVD op_trap(R20), R8
	MOVD R23, R0
	MOVD op_a2(R20), R1
	MOVD op_a3(R20), R2
	MOVD op_a4(R20), R3
	SVC
	CMP  $const_modeSignals, R24
	BEQ  signals
	CMN  $4095, R0
	BLO  done                  // below -4095, unsigned: no error
	CMP  $const_modeIgnore, R24
	BEQ  done
	CMP  $const_modeSearch, R24
	BNE  fail
	CMN  $13, R0               // EACCES
	BEQ  remember
	CMN  $2, R0                // ENOENT
	BEQ  first
	CMN  $20, R0               // ENOTDIR
	BNE  fail
first:
	CBNZ R22, done
remember:
	MOVD R0, R22
done:
	ADD  $op__size, R20
	B    next
signals:
	ADD  $1, R23
	CMP  $64, R23
	BLS  again
	B    done
pid:
	MOVWU (R23), R0
	MOVD op_a2(R20), R1
	MOVD $10, R2
	MOVD R0, R3
count:                             // R1 goes past the last digit
	ADD  $1, R1
	UDIVW R2, R3, R3
	CBNZW R3, count
	MOVB ZR, (R1)
digit:
	UDIVW R2, R0, R3
	MSUBW R2, R0, R3, R4       // R0 - 10*R3
	ADD  $48, R4               // '0'
	MOVB.W R4, -1(R1)
	MOVW R3, R0
	CBNZW R3, digit
	B    done
giveup:
	MOVD R22, R0
fail:
	NEG  R0, R0
	MOVD op_step(R20), R1
	ORR  R1<<32, R0
	MOVD R0, (R21)
	DMB  $0xb                  // seen before the kernel clears the slot's busy
die:
	MOVD $127, R0
	MOVD $SYS_exit_group, R8
	SVC
	B    die
