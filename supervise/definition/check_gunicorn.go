package definition

import (
	"path/filepath"
	"slices"
	"strings"
)

// checkGunicorn makes gunicorn check itself. It loads the application before it has looked at
// pythonpath then (Application.run, gunicorn/app/base.py of 20.1), so python is told of that:
// the last of its directories goes first.
func checkGunicorn(d *Definition, i invocation, _ string) ([]string, error) {
	argv := slices.Concat(i.interp, []string{i.program, "--check-config"}, i.args)
	dirs, sure := d.gunicornPaths(i)
	switch {
	case !sure:
		return nil, nil
	case len(dirs) == 0:
		return slices.Concat(i.prefix, argv), nil
	}
	slices.Reverse(dirs)
	const script = `PYTHONPATH=$1${PYTHONPATH:+:$PYTHONPATH} && export PYTHONPATH && shift && exec "$@"`
	return slices.Concat(i.prefix, []string{"sh", "-c", script, "sh", strings.Join(dirs, ":")}, argv), nil
}

// gunicornPaths are the directories of pythonpath; sure is false if they cannot be told.
func (d *Definition) gunicornPaths(i invocation) (dirs []string, sure bool) {
	o, more, file := d.gunicornSettings(i)
	paths, found := "", true
	for _, given := range []options{o, more} {
		if paths == "" {
			paths = given.last("pythonpath")
		}
	}
	if paths == "" {
		if paths, found, sure = d.directive(file, gunicornPath); !found {
			return nil, true
		} else if !sure {
			return nil, false
		}
	}
	_, moves, _ := d.directive(file, gunicornDirectory)
	moves = moves || o.has("chdir") || more.has("chdir")
	dirs = strings.Split(paths, ",")
	for _, dir := range dirs {
		if strings.Contains(dir, ":") || moves && !filepath.IsAbs(dir) {
			return nil, false
		}
	}
	return dirs, true
}
