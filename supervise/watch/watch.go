// Package watch tells when deployed files have settled.
package watch

import "time"

// A Spec is what is watched for one service, from the [watch] table of its file.
type Spec struct {
	Paths    []string      // absolute: files, directories with all below, globs, links; those that do not exist yet are waited for
	Ignore   []string      // patterns as in .gitignore, relative to the watched path, beside the defaults; a later "!" takes one back
	Stamp    string        // absolute; only a change of this file counts, whatever else changes; "" = none
	Debounce time.Duration // how long nothing may change before a deploy counts as settled
	MaxDelay time.Duration // after which Stalled says what still changes; 0 = never
	Poll     time.Duration // look that often instead of being told by the kernel; 0 = be told
	Except   []string      // absolute: directories that never count, such as that of the service's own log
}

// A Change is a deploy that has settled and has changed what the files contain.
type Change struct {
	Files int    // how many were added, removed or have other contents
	Under string // the watched path that they are under; of several the first
	First string // the first of them by name, relative to Under; "" if Under itself is a file or link
}

// Options of a Watcher. The functions are called one at a time, from a goroutine
// of the Watcher's; they may call its methods, and must not block for long.
type Options struct {
	// Settled is told once for each deploy, when nothing has changed for Debounce,
	// no temporary file is under way, and contents differ from those that were
	// loaded last. Nothing else happens for that service until something changes again.
	Settled func(name string, c Change)
	// Stalled says, once for each deploy, what is still under way after MaxDelay.
	Stalled func(name string, what string)
	// Trouble says what is wrong with watching a service, and what is done instead
	// ("watch limit reached: polls every 10 s; raise fs.inotify.max_user_watches"); "" = it is over.
	Trouble func(name string, text string)
}
