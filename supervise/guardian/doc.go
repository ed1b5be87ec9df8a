// Package guardian is the process that must not die, and the supervisor's client to it.
//
// The guardian is the parent of every service and of the supervisor, and the only process that reaps. It knows nothing of services:
// it starts what it is told to start, signals it, holds files for it, and tells how it ended. It never waits for any of them, nor for the supervisor,
// which may be killed at any moment:
//
//  1. The guardian reaps it, carries out what is still in its socket, and starts it again: at once, then at most once a second.
//     From the third death on before one said that it serves, the next is told to set its state aside.
//  2. The new one says hello, asks what is running, and goes on. No start is done twice: a run is known by its service's key and its
//     number n, and a start that is repeated is answered again. No end is lost: it is kept, and told to every new supervisor, until it is acknowledged.
//  3. A supervisor that leaves a message unacknowledged, or does not ask what is running, for 30 seconds is killed.
//
// What is to follow at once when a run ends can be handed over ahead, armed: the guardian starts it itself, and then tells of the end and the start
// together, as long as nothing is left of the run and nobody has begun to end everything. That saves two wake-ups of processes, and works
// without a supervisor too, once: who arms the next is a supervisor. What one has armed is dropped when the next asks what is running.
//
// A file that must outlive every run and every supervisor, as a listening socket must, is held under a name, from Client.Hold to Client.Unhold; a
// supervisor finds those of the one before in Client.Held. What is held for one run is Start's keep.
//
// The two talk over a SOCK_SEQPACKET socketpair, one message a packet, files by SCM_RIGHTS: see message.
package guardian
