package main

import (
	"fmt"
	"io"
	"strings"

	"gsv/control"
)

// help shows how gsvctl, or one of its verbs, is used. Nothing at all on the command line is usage.
func (c *cli) help(cmd *command) int {
	switch {
	case cmd.verb != nil && cmd.verb.Args == control.OptionalVerb && !cmd.has("help"):
		if len(cmd.words) == 0 {
			helpAll(c.out)
		} else {
			helpVerb(c.out, control.Lookup(cmd.words[0]))
		}
	case cmd.verb != nil:
		helpVerb(c.out, cmd.verb)
	case cmd.has("help"):
		helpAll(c.out)
	default:
		helpAll(c.err)
		return control.Usage
	}
	return control.Done
}

func helpAll(w io.Writer) {
	fmt.Fprint(w, `usage: gsvctl [flags] VERB [NAME…]

NAME is a service, a glob ('web*') or a group (@jobs); --all is every service. A verb that changes something waits until it is done and
verified, and says what happened.

`)
	for _, v := range control.Verbs() {
		if !v.Later {
			fmt.Fprintf(w, "  %-24s %s\n", strings.Join(append([]string{v.Name}, v.Aliases...), ", "), v.Doc)
		}
	}
	fmt.Fprint(w, "\nflags:\n")
	helpFlags(w, control.FlagsOf(nil))
	fmt.Fprint(w, `
exit status: 0 done and verified, or already so · 1 failed · 2 usage · 3 not running or not ready · 4 no such service · 5 not finished in time
and going on · 6 gsv cannot be reached · 7 not permitted · 8 invalid configuration · 9 serves, but its last reload failed or its
code is of an older release · 130 detached

gsvctl VERB --help says more of one.
`)
}

func helpVerb(w io.Writer, v *control.Verb) {
	fmt.Fprintf(w, "usage: gsvctl %s%s\n\n  %s\n", v.Name, strings.TrimRight(" [flags] "+control.Operands(v), " "), v.Doc)
	if len(v.Aliases) > 0 {
		fmt.Fprintf(w, "  also: %s\n", strings.Join(v.Aliases, ", "))
	}
	if v.Later {
		fmt.Fprint(w, "  not supported yet\n")
		return
	}
	if v.Done != "" {
		fmt.Fprintf(w, "  done when: %s\n", v.Done)
	}
	fmt.Fprint(w, "\nflags:\n")
	helpFlags(w, control.FlagsOf(v))
}

func helpFlags(w io.Writer, flags []control.Flag) {
	for _, f := range flags {
		if !f.Later {
			fmt.Fprintf(w, "  %-24s %s\n", f.Usage(), f.Doc)
		}
	}
}
