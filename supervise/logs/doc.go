// Package logs takes what services write to the place where operators read it.
//
// Every run of a service writes into a pipe of its own (Make). One Pump reads
// all of them and moves the bytes to a Sink: a File, LOG-DIR/NAME.log, or a
// Printer of the Lines that is gsv's own standard output, which writes lines with
// the service's name before them, as JSON, or as they are.
//
// What is promised:
//
//   - A full pipe blocks the service, and no byte is lost, while gsv is slow
//     or dead: a pipe keeps what is in it as long as somebody holds it open,
//     and the service does, as its own reader. Whoever holds a duplicate of
//     the reader hands it to the next Pump; where nobody does, Regain gets a
//     new one from the service.
//   - splice(2) moves bytes from pipe to File in one system call, so a SIGKILL
//     of the supervisor falls before or after it: nothing is lost, doubled or
//     torn. With times before lines, which are put there on the way, a file of
//     the run's keeps what has left the pipe and may not be in the log: see
//     spill. With a Printer such a death can double the lines of one round, but
//     loses none.
//   - A File is rotated after the end of a line, by renaming it. What happens to
//     it then, compression and removal, is a keeper's, at a low priority.
//   - A log file that cannot be written (full disk, no permission) blocks no
//     service: output is dropped, counted, reported, and marked in the file. Or
//     the service waits, if its Policy says Block.
//   - A slow standard output blocks the services that write there, nothing else,
//     and is reported. The last 64 KiB of each are kept in memory.
//   - A service that is silent has no file, no buffer and no goroutine, and
//     costs no wake-up.
//   - On a terminal no service's output can do anything but be read. To files and
//     pipes bytes go as they are.
//   - gsv writes only to files that are its own. See CheckDir for what is
//     refused.
//
// Reading (Read, File.Raw, File.Of) takes all files of a log for one: those that
// were rotated, compressed or not, then the one that is written. Which run wrote
// what, and when, is in an index beside each.
//
// A pipe belongs to the service's user, so that the service can open
// /dev/stderr. It has no name that other users could find it by. All the
// service can do to its own pipe (read it, fill it, keep it open) spoils its
// own log only.
package logs
