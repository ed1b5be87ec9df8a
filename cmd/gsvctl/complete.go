package main

import (
	"fmt"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// shells are those there is a completion for.
var shells = []string{"bash", "zsh", "fish"}

// patience is how long the shell waits for gsv when it completes names.
const patience = 150 * time.Millisecond

// completion prints a shell's script. Each asks `gsvctl __complete WORD…`, whose last word is the one to complete, for lines of a candidate,
// a tab and what it is.
func (c *cli) completion(cmd *command) int {
	switch cmd.words[0] {
	case "bash":
		fmt.Fprint(c.out, `# bash completion for gsvctl: source <(gsvctl completion bash)
_gsvctl() {
	local IFS=$'\n'
	COMPREPLY=($(gsvctl __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _gsvctl gsvctl
`)
	case "zsh":
		fmt.Fprint(c.out, `#compdef gsvctl
# zsh completion for gsvctl: source <(gsvctl completion zsh)
_gsvctl() {
	local -a found
	found=("${(@f)$(gsvctl __complete "${(@)words[2,$CURRENT]}" 2>/dev/null | sed -e 's/:/\\:/g' -e 's/	/:/')}")
	[[ -n "$found" ]] && _describe gsvctl found
}
compdef _gsvctl gsvctl
`)
	case "fish":
		fmt.Fprint(c.out, `# fish completion for gsvctl: gsvctl completion fish | source
complete -c gsvctl -f -a '(gsvctl __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`)
	}
	return control.Done
}

// complete prints what the last word may become. It fails silently: the shell has nothing to say it with.
func (c *cli) complete(words []string) int {
	last := ""
	if len(words) > 0 {
		last = words[len(words)-1]
		words = words[:len(words)-1]
	}
	offer := func(word, doc string) {
		if strings.HasPrefix(word, last) {
			fmt.Fprintf(c.out, "%s\t%s\n", word, doc)
		}
	}
	var verb *control.Verb
	after := 0
	if at := verbAt(words); at >= 0 {
		if verb = control.Lookup(words[at]); verb == nil {
			return control.Done
		}
		after = len(words) - at - 1
	}
	switch {
	case strings.HasPrefix(last, "-"):
		for _, f := range control.FlagsOf(verb) {
			if f.Typed() != "" && !f.Later {
				offer("--"+f.Typed(), f.Doc)
			}
		}
	case verb == nil:
		c.completeVerbs(offer)
	case len(words) > 0 && words[len(words)-1] == "--for" && verb.Args == control.ActionNames: // a duration
	case len(words) > 0 && words[len(words)-1] == "--for":
		for _, state := range []string{"ready", "running", "stopped"} {
			offer(state, "")
		}
	case verb.Args == control.Shell:
		for _, shell := range shells {
			offer(shell, "")
		}
	case verb.Args == control.OptionalVerb:
		c.completeVerbs(offer)
	case verb.Args == control.SignalNames && after == 0:
		for _, name := range []string{"HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "TTIN", "TTOU", "CONT", "STOP", "KILL", "ALRM"} {
			offer(name, "signal")
		}
	case verb.Args == control.ActionNames && after == 0:
		offer(status.Pause, "note what is deployed, and do nothing")
		offer(status.Resume, "what has changed meanwhile is one deploy")
	case verb.Args == control.Names || verb.Args == control.ActionNames || verb.Args == control.SignalNames || verb.Args == control.OptionalNames || verb.Name == "apply":
		c.completeNames(offer)
	}
	return control.Done
}

// completeVerbs offers the verbs there are.
func (c *cli) completeVerbs(offer func(word, doc string)) {
	for _, v := range control.Verbs() {
		for _, name := range append([]string{v.Name}, v.Aliases...) {
			if !v.Later {
				offer(name, v.Doc)
			}
		}
	}
}

// completeNames offers the services there are, and their groups.
func (c *cli) completeNames(offer func(word, doc string)) {
	client := control.Client{Deadline: c.now().Add(patience)}
	client.Path, client.Tried = control.Where{Env: c.env("GSV_SOCKET"), RuntimeDir: c.env("XDG_RUNTIME_DIR"), UID: c.uid}.Sockets()
	var all listing
	if err := client.Get("/v1/services", &all); err != nil {
		return
	}
	groups := map[string]bool{}
	for _, s := range all.Services {
		doc := string(s.State)
		if !s.Since.IsZero() {
			doc += " " + control.Age(c.now().Sub(s.Since))
		}
		offer(s.Name, strings.TrimSpace(doc+" "+s.Description))
		for _, group := range s.Groups {
			if !groups[group] {
				groups[group] = true
				offer("@"+group, "group")
			}
		}
	}
}
