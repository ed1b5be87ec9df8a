// Package notify hears what a service says of itself by sd_notify(3): a datagram
// of lines NAME=VALUE to the unix socket that NOTIFY_SOCKET names in its environment.
//
// A Socket is one run's, with an abstract name that nobody can guess, but that
// everybody in its network namespace can read in /proc/net/unix. So the kernel
// says of every message who has sent it (SO_PASSCRED, unix(7)), and Sender.Line
// tells which processes that one descends from; whose they are is for the caller
// to judge.
//
// # What strangers can do
//
// Send. A message that is too long or not of the format is as good as none.
// Socket.Peek takes no more than a thousand messages a second, whatever comes;
// net.unix.max_dgram_qlen of them (10, as a rule) wait in the kernel, and a
// sender for which there is no room is blocked.
//
// No descriptor that comes along is ever taken: the kernel drops it when there is
// no room for it among the control data (unix(7), SCM_RIGHTS). Of a file on a dead
// network, or on a FUSE that its owner keeps from answering, close(2) waits for
// ever. That is why a sender's pidfd is not asked for either (SO_PASSPIDFD, Linux
// 6.5): it comes after the others and needs room that these would take. To drop
// the descriptor of BARRIER=1 is all that its sender waits for.
//
// # Deaths
//
// Peek leaves a message in the socket, Drop takes it out. Between the two the
// caller makes what follows from it outlive its own death; whoever holds the
// socket after that reads the message again. While nobody reads, messages wait.
package notify
