package definition

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"gsv/supervise/watch"
)

// watched takes paths and globs.
func (v value) watched(p *[]string) {
	elems, ok := v.array("an array of paths")
	if !ok {
		return
	}
	if len(elems) == 0 {
		v.fail("leave it out, or name a path", "nothing is watched")
		return
	}
	var paths []string
	for _, e := range elems {
		s, ok := e.pathname("a path")
		if !ok {
			continue
		}
		if _, err := path.Match(s, ""); err != nil {
			e.fail(`"[" begins a set of characters and ends with "]"; write "\\[" for the character`, "%s is no glob", quoteAny(s))
			continue
		}
		if path.Clean(s) == "/" {
			e.warn("name what is deployed", "everything on this machine would be watched")
		}
		paths = append(paths, s)
	}
	*p = paths
}

// ignored takes patterns as in .gitignore.
func (v value) ignored(p *[]string) {
	elems, ok := v.array("an array of patterns")
	if !ok {
		return
	}
	patterns := []string{}
	for _, e := range elems {
		s, ok := e.str("a pattern")
		if !ok {
			continue
		}
		err := watch.CheckPattern(s)
		switch {
		case strings.Trim(s, " \t/!") == "":
			e.fail("", "%s matches nothing", quoteAny(s))
		case strings.ContainsAny(s, "\n\r"):
			e.fail("write an element for each", "a pattern is one line")
		case s[0] == '#':
			e.fail("leave it out; or write "+tomlString(`\`+s), "a line that begins with # is a comment in .gitignore")
		case err != nil:
			e.fail(`"[" begins a set of characters and ends with "]"; write "\\[" for the character`, "%s is no pattern: %v", quoteAny(s), err)
		default:
			patterns = append(patterns, s)
		}
	}
	*p = patterns
}

// action takes a verb that needs nothing but a service.
func (v value) action(p *Action, actions map[string]Action) {
	s, ok := v.str(`a verb, such as "reload"`)
	if !ok {
		return
	}
	if actions == nil {
		*p = Action{Verb: strings.Replace(s, "reload", "hup", 1)}
		return
	}
	if a, ok := actions[s]; ok {
		*p = a
		return
	}
	hint := `"reload" is what most need`
	word := strings.TrimPrefix(strings.ToLower(s), "sig")
	if _, ok := actions[word]; ok {
		hint = "did you mean " + strconv.Quote(word) + "?"
	} else if near := closest(word, slices.Sorted(maps.Keys(actions))); near != "" {
		hint = "did you mean " + strconv.Quote(near) + "?"
	}
	v.fail(hint, "%s is no verb that can be carried out here: it changes no service, needs more than a service, or is none", quoteAny(s))
}

// watch notes where the keys of [watch] contradict each other and the rest.
func (d *draft) watch() {
	w := &d.Watch
	what := "watch.paths"
	if !d.has(what) {
		what = "watch.stamp"
	}
	if !w.On() {
		if d.failed("watch.paths") || d.failed("watch.stamp") {
			return
		}
		for _, k := range watchKeys {
			if d.has(k.Name) {
				d.set[k.Name].fail(`name what is deployed: watch.paths = ["/srv/`+d.Name+`"]`, "has no effect, for nothing is watched")
			}
		}
		return
	}
	if d.has("watch.max-delay") && w.MaxDelay > 0 && w.MaxDelay <= w.Debounce && !d.failed("watch.debounce") {
		d.set["watch.max-delay"].fail("a deploy cannot settle earlier than that", "not longer than watch.debounce, which is %s", short(w.Debounce))
	}
	if d.has("watch.action") {
		what = "watch.action"
	}
	switch {
	case !d.has(what) || d.failed("watch.action"):
	case w.Action.Verb == "hup" && d.Reload == NoReload && !d.failed("reload"):
		d.set[what].fail(`write watch.action = "restart" or "replace"`, `a deploy would be refused by reload = "none"`)
	case (w.Action.Verb == "start" || w.Action.Verb == "once") && d.Type != Oneshot && !d.failed("type"):
		d.set[what].warn(`write "reload" or "restart"`, "%s does nothing to a service that runs", quoteAny(w.Action.Verb))
	}
	d.watchedTooMuch()
}

// watchedTooMuch warns of a path that is the directory of service files: a change there is for apply.
func (d *draft) watchedTooMuch() {
	if !d.has("watch.paths") || d.Path == "" {
		return
	}
	for i, p := range d.Watch.Paths {
		if !path.IsAbs(p) {
			p = path.Join(d.WorkingDirectory, p)
		}
		elems := d.set["watch.paths"].el
		if path.Clean(p) != path.Dir(d.Path) || i >= len(elems) {
			continue
		}
		v := d.set["watch.paths"]
		v.at = elems[i].val
		v.warn("service files are taken by gsvctl apply", "%s is where the service files are", quoteAny(p))
	}
}
