// Package watch tells when deployed files have settled.
//
// settle.go says when that is; it is pure, and testdata has its stories. resolve.go
// follows paths through links and globs, tree.go keeps what is watched below them,
// events.go takes what the kernel tells, compare.go says what has changed. Read
// service.go first: one goroutine for each service does all of that.
//
// What counts:
//   - Contents. Files and links below a directory count, by name and by what is in
//     them; times, modes, owners, empty directories, sockets and pipes do not.
//     A link below a watched directory counts by its text and is not followed; links
//     on the way to a watched path are, each of them. A path that leads elsewhere
//     than before has changed though the files are the same.
//   - Of files over 8 MiB, and those beyond the first 256 MiB of a service, the contents
//     are not known: another time of the last write is a change of these.
//   - As many directories as have room (namesMax); the kernel's own file systems, such as
//     /proc, not at all.
//   - What is there when Set, Settled or Loaded is called is loaded, whether the load
//     comes to something or not.
//
// What is ignored, unless a pattern with "!" takes it back: .git .hg .svn .bzr CVS;
// *~ .*.sw? 4913 #*# .#* .goutputstream-* *___jb_tmp___ *___jb_old___; .DS_Store ._*
// .nfs* .fuse_hidden*; __pycache__ *.pyc.
//
// What holds a deploy up while it is there: rsync's .NAME.XXXXXX, .~tmp~ and
// .rsync-partial; *.lock in .git and the like, and .hg/wlock; *.dpkg-new *.dpkg-tmp,
// rpm's NAME;XXXXXXXX, *.filepart, .unison.*.unison.tmp, .syncthing.*.tmp. Not one that
// has neither come nor changed since files were loaded last; nor one that was closed,
// or not written for ten minutes, when after Debounce of silence something else
// changes: a killed tool has left that. And a file that was written and not closed, for
// a minute after the last write.
//
// What the kernel does not tell: what others change on a network file system, which
// is polled; what is changed in the layers below an overlay; writes by mmap before
// the file is closed; that something was mounted over a watched directory, or that a
// bind mount is gone, which Resume finds.
package watch

import "time"

// A Spec is what is watched for one service, from the [watch] table of its file.
type Spec struct {
	Paths    []string      // absolute and clean: files, directories with all below, globs, links; those that do not exist yet are waited for
	Ignore   []string      // patterns as in .gitignore, relative to the watched path, beside the defaults; a later "!" takes one back
	Stamp    string        // absolute; only a touch of this file counts, and Paths are not looked at; "" = none
	Debounce time.Duration // how long nothing may change before a deploy counts as settled
	MaxDelay time.Duration // after which Stalled says what still changes; 0 = never
	Poll     time.Duration // look that often instead of being told by the kernel; 0 = be told
	Except   []string      // absolute: directories that never count, such as that of the service's own log
}

// A Change is a deploy that has settled and has changed what the files contain. Its
// names are as they may be shown, in a line on a terminal.
type Change struct {
	Files int    // how many were added, removed or have other contents
	Under string // the watched path that they are under; of several the first
	First string // the first of them by name, relative to Under; "" if Under itself is a file, leads elsewhere or is the stamp
}

// Options of a Watcher. The functions are called one at a time, from a goroutine
// of the Watcher's; they may call its methods, and must not block for long.
type Options struct {
	// Settled is told once for each deploy, when nothing has changed for Debounce,
	// no temporary file is under way, and contents differ from those that were
	// loaded last. Nothing else happens for that service until something changes again.
	Settled func(name string, c Change)
	// Loaded tells, by a fingerprint that is never 0, which files and releases were
	// loaded: when Set has begun and after each Loaded. SetSince takes it.
	Loaded func(name string, files uint64)
	// Stalled says, once for each deploy, what is still under way after MaxDelay.
	Stalled func(name string, what string)
	// Trouble says what is wrong with watching a service, and what is done instead
	// ("the limit of watches is reached: polls every 10s; raise fs.inotify.max_user_watches"); "" = it is over.
	Trouble func(name string, text string)
}
