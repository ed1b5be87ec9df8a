// Package listen makes the sockets that gsv binds, holds, and hands on to servers.
//
// A Socket outlives the processes that serve on it: as long as somebody holds it, connections that are made while none runs
// wait in its backlog. It is blocking, as systemd passes its own (systemd.socket(5), NonBlocking=): O_NONBLOCK is the open
// file description's, which all its processes share, and servers that need it set it. Go's poller never sees it, so a
// connection to a server does not wake gsv.
//
// Functions here do not wait for other processes, but look through /proc where an address is in use, and at file systems
// where a path is. Different Sockets may be used concurrently.
package listen
