package supervise

import (
	"path/filepath"
	"slices"
	"strings"

	"gsv/supervise/definition"
	"gsv/supervise/watch"
)

// watchSpec is what is watched for a service. Its working directory counts as it
// is written: a link there may be what a deploy points elsewhere.
func (s *Supervisor) watchSpec(svc *service) watch.Spec {
	d := svc.def
	absolute := func(path string) string {
		if !filepath.IsAbs(path) {
			path = filepath.Join(d.WorkingDirectory, path)
		}
		if abs, err := filepath.Abs(path); err == nil {
			return abs
		}
		return path
	}
	spec := watch.Spec{Ignore: slices.Clone(d.Watch.Ignore), Debounce: d.Watch.Debounce, MaxDelay: d.Watch.MaxDelay, Poll: d.Watch.Poll}
	for _, path := range d.Watch.Paths {
		spec.Paths = append(spec.Paths, absolute(path))
	}
	if d.Watch.Stamp != "" {
		spec.Stamp = absolute(d.Watch.Stamp)
	}
	for _, dir := range []string{s.opts.LogDir, s.opts.RunDir} {
		if !holdsAny(dir, spec.Paths) {
			spec.Except = append(spec.Except, dir)
		}
	}
	if holdsAny(s.opts.RunDir, spec.Paths) {
		spec.Except = append(spec.Except, filepath.Join(s.opts.RunDir, "state"), filepath.Join(s.opts.RunDir, "log"))
	}
	if d.Log.Output == definition.File {
		s.exceptLog(&spec, s.logPath(d.Name, &d.Log))
	}
	return spec
}

// exceptLog leaves the log of a service out of what is watched: the directory
// that it is in, or, where more than that is in there, its files.
func (s *Supervisor) exceptLog(spec *watch.Spec, path string) {
	dir := filepath.Dir(path)
	switch {
	case slices.ContainsFunc(spec.Except, func(except string) bool { return below(path, except) }):
	case !holdsAny(dir, spec.Paths) && dir != s.opts.LogDir && slices.Contains([]string{"log", "logs"}, filepath.Base(dir)):
		spec.Except = append(spec.Except, dir)
	default:
		name := strings.TrimSuffix(filepath.Base(path), ".log")
		spec.Ignore = append(spec.Ignore, name+".log", name+".err.log", name+"-*.log*", name+".err-*.log*", ".index/")
	}
}

// holdsAny reports whether one of paths is dir, or below it.
func holdsAny(dir string, paths []string) bool {
	return slices.ContainsFunc(paths, func(path string) bool { return below(path, dir) })
}

// below reports whether path is dir, or below it.
func below(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(dir, "/"))
}
