package supervise

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gsv/supervise/definition"
	"gsv/supervise/procfs"
)

// A place is the release that a service's code is of.
type place struct {
	release string // the name of its directory; "" = the code is not reached through a link
	stale   bool   // a reload would load the code of an old directory
	why     string // why it is stale, or may be
}

// placeOf finds out which release a main process has, and whether today's is
// another one. It looks at files, and may take long.
func placeOf(d *definition.Definition, server definition.Server, pid int) (p place) {
	code := d.WorkingDirectory
	if server.Relative == definition.NotSo || code == "" {
		code = server.Code
	}
	link, tail := lastLink(code)
	if server.Relative == definition.NotSo || d.WorkingDirectory == "" {
		if link != "" {
			p.release = baseOf(link)
		}
		return p
	}
	cwd, err := procfs.Cwd(pid)
	if err != nil {
		return p
	}
	is, gone := strings.CutSuffix(cwd, " (deleted)")
	if link != "" {
		p.release = filepath.Base(strings.TrimSuffix(is, tail))
	}
	today, err := filepath.EvalSymlinks(d.WorkingDirectory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.why = "its working-directory " + d.WorkingDirectory + " does not exist"
	case err != nil:
		p.why = "its working-directory cannot be entered: " + err.Error()
	case gone:
		p.why = "its working directory " + is + " was removed; working-directory is " + today + " now"
	case today != is:
		p.why = "it runs in " + is + ", while working-directory is " + today + " now"
	default:
		return p
	}
	switch {
	case d.StaleRelease == definition.IgnoreStale:
		p.why = ""
	case server.Relative == definition.IsSo:
		p.stale = true
	default:
		p.why += "; whether its code is loaded from there is not known"
	}
	return p
}

// lastLink is the last component of a path that is a symbolic link, as a path,
// and what comes after it, with the slash before it.
func lastLink(path string) (link, tail string) {
	if !filepath.IsAbs(path) {
		return "", ""
	}
	path = filepath.Clean(path)
	for at := path; at != "/"; at = filepath.Dir(at) {
		if info, err := os.Lstat(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return at, path[len(at):]
		}
	}
	return "", ""
}

// baseOf is the name of the directory that a link leads to.
func baseOf(link string) string {
	to, err := filepath.EvalSymlinks(link)
	if err != nil {
		return ""
	}
	return filepath.Base(to)
}
