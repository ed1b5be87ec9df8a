// Package logs takes what services write to the place where operators read it.
//
// Every run of a service writes into a FIFO of its own (Make). One Pump reads
// all of them and moves the bytes to a Sink: a File, LOG-DIR/NAME.log, or
// Lines, gsv's own standard output with the service's name before each line.
//
// What is promised:
//
//   - A full FIFO blocks the service, and no byte is lost, while gsv is slow
//     or dead: a FIFO keeps what is in it as long as somebody holds it open,
//     and the guardian does (the file called keep).
//   - splice(2) moves bytes from FIFO to File in one system call, so a SIGKILL
//     of the supervisor falls before or after it: nothing is lost, doubled or
//     torn. With Lines, whose bytes are changed on their way, such a death can
//     double the lines of one round, but loses none.
//   - A log file that cannot be written (full disk, no permission) blocks no
//     service: output is dropped, counted, reported, and marked in the file.
//   - A slow standard output blocks the services that write there, nothing else.
//   - A service that is silent has no file, no buffer and no goroutine, and
//     costs no wake-up.
//   - gsv writes only to files that are its own. See CheckDir for what is
//     refused.
//
// A FIFO belongs to the service's user, so that the service can open
// /dev/stderr, in a directory that user cannot enter. All it can do to its own
// FIFO (read it, fill it, keep it open) spoils its own log only.
package logs
