// Package supervise owns the services: it starts them, keeps them running,
// stops them, and knows at any time what each of them is.
//
// # The model
//
// A service is what a service file defines. What is wanted of it (up, down,
// once) and what it is (its phase) are apart. A run is one incarnation of its
// main process, numbered by its gen; it lasts from the moment it is asked for
// until nothing of it is left: its main process and every process of its group.
// What happens next is decided by package lifecycle; this package does it.
//
// # Who does what
//
// The guardian (package guardian) is another process: the parent of all runs,
// the only one that reaps, and the holder of what must outlive this one. Here,
// one goroutine, in [Supervisor.Run], owns every service: commands, the
// guardian's words, what other goroutines found out and one timer are taken one
// after another, and none of them waits for a disk, a service or a client.
//
// # What is guaranteed
//
//  1. A supervisor that is killed at any moment is started again and goes on:
//     no run is started twice or forgotten, no exit is lost, no signal that
//     somebody asked for is sent twice. State is on disk before a signal is
//     sent and before an end is acknowledged; see store.
//  2. Nothing is started while something of the run before is left.
//  3. A stop ends: the stop sequence ends with SIGKILL for the whole group. What
//     even that cannot end is said.
//  4. Deadlines are data in the state, on a clock that nobody can set.
//  5. Idle costs nothing: there is one timer, and no ticker.
//
// Read lifecycle/step.go next, then supervisor.go. The definition of a service
// is in package definition, and for users in docs/service-files.md.
package supervise
