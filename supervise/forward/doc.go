// Package forward sends lines of services to syslog or to the journal.
//
// What is promised:
//
//   - Offer never waits, whatever the receiver does: lines wait in a queue of a
//     mebibyte at most for each receiver. What has no room is dropped, the newest
//     first, so that the begin of an incident is kept; it is counted, told, and
//     said to the receiver in its place ("[gsv: 12 lines are missing here]").
//   - A receiver that is not there, hangs or comes back is tried again, after
//     100 ms at first and twice that each time, up to 30 s. A message whose
//     sending has failed is sent again, so a receiver may see one twice.
//   - Who sends nothing costs nothing: a goroutine is there only while lines are
//     on their way, buffers go when they were large, and a connection is made
//     when it is first needed.
//
// What cannot be promised: syslog has no receipts. What a datagram network loses,
// or a kernel has taken when the receiver dies, is lost unseen; of a TCP
// connection that is kept below 128 KiB or so. Lines that wait when this process
// is killed are lost.
//
// Each message is one line. Its severity is informational, a warning if it came
// from standard error, or what sd-daemon(3) says with a prefix: "<3>text" is an
// error; of that the receiver gets the text alone. The facility is daemon.
//
// To syslog a message is of RFC 5424:
//
//	<30>1 2026-11-23T03:04:05.000123Z HOST web - - [gsv@32473 run="7" stream="stderr"] text
//
// 32473 is the number that RFC 5612 keeps for examples, for gsv has none of its
// own. There is no stream where both are one. The text is passed as the bytes it
// is (MSG-ANY), which may be no UTF-8. UDP carries one message a datagram, TCP
// counts octets (RFC 6587), a unix socket of the stream kind has a message a line.
//
// The system's own socket, /dev/log, gets what syslog(3) would write there,
// "<30>Nov 23 03:04:05 web: text": neither rsyslog nor journald read RFC 5424 from
// it unless they are told to.
package forward
