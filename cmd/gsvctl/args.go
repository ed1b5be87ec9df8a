package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gsv/control"
	"gsv/supervise/status"
)

// A command is a command line, understood.
type command struct {
	verb   *control.Verb     // nil: none was given
	words  []string          // what stands after the verb
	signal string            // of verbs that take one
	action string            // the same
	flags  map[string]string // by the rows' names; one that takes no value is ""
}

func (c *command) has(flag string) bool {
	_, ok := c.flags[flag]
	return ok
}

// number is the value of -n, or other if it is not given.
func (c *command) number(flag string, other, least, most int) (int, error) {
	text, ok := c.flags[flag]
	if !ok {
		return other, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, &usageError{text: "-n takes a number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most) + ", not " + strconv.Quote(text)}
	}
	return n, nil
}

// duration is the value of a flag, or 0 if it is not given.
func (c *command) duration(flag string) (time.Duration, error) {
	text, ok := c.flags[flag]
	if !ok {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		known := control.FlagsOf(c.verb)
		if i := slices.IndexFunc(known, func(f control.Flag) bool { return f.Name == flag }); i >= 0 {
			flag = known[i].Typed()
		}
		return 0, &usageError{text: "--" + flag + " takes a duration with its unit, not " + strconv.Quote(text), hint: "--" + flag + " 20s"}
	}
	return d, nil
}

// A usageError is a command line that cannot be understood.
type usageError struct{ text, hint string }

func (u *usageError) Error() string { return u.text }

// parse understands a command line. Flags may stand anywhere, also before the verb.
func parse(args []string) (*command, error) {
	at := verbAt(args)
	if at < 0 {
		cmd := &command{flags: map[string]string{}}
		_, err := cmd.parseFlags(args)
		return cmd, err
	}
	word := args[at]
	cmd := &command{verb: control.Lookup(word), flags: map[string]string{}}
	rest := append(slices.Clone(args[:at]), args[at+1:]...)
	if cmd.verb == nil {
		return nil, unknownVerb(word, rest)
	}
	if cmd.verb.Name == "kill" {
		rest = cmd.killHabit(rest)
	}
	words, err := cmd.parseFlags(rest)
	if err != nil {
		return nil, err
	}
	cmd.words = words
	if cmd.has("help") {
		return cmd, nil
	}
	if cmd.verb.Later {
		u := &usageError{text: word + ": not supported yet"}
		if word == "upgrade" && len(words) > 0 {
			u.hint = "it is about gsv itself; a new release of a service: gsvctl hup " + strings.Join(words, " ")
		}
		return nil, u
	}
	return cmd, cmd.check()
}

// verbAt finds the first word that is no flag, nor a flag's value.
func verbAt(args []string) int {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--":
			if i+1 < len(args) {
				return i + 1
			}
			return -1
		case !strings.HasPrefix(arg, "-") || arg == "-":
			return i
		case takesNext(arg):
			i++
		}
	}
	return -1
}

// takesNext says whether a flag of any verb has its value in the next word.
func takesNext(arg string) bool {
	for _, v := range append(control.Verbs(), control.Verb{}) {
		for _, f := range control.FlagsOf(&v) {
			if f.Value != "" && (arg == "--"+f.Typed() || f.Short != 0 && arg == "-"+string(f.Short)) {
				return true
			}
		}
	}
	return false
}

// parseFlags takes the flags of the verb out of args and returns the other words.
func (c *command) parseFlags(args []string) (words []string, err error) {
	known := control.FlagsOf(c.verb)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return append(words, args[i+1:]...), nil
		case strings.HasPrefix(arg, "--"):
			name, value, given := strings.Cut(arg[2:], "=")
			j := slices.IndexFunc(known, func(f control.Flag) bool { return f.Typed() == name && name != "" })
			if j < 0 {
				return nil, c.unknownFlag("--" + name)
			}
			if known[j].Value != "" && !given {
				if i++; i == len(args) {
					return nil, &usageError{text: arg + " needs a value"}
				}
				value = args[i]
			} else if known[j].Value == "" && given {
				return nil, &usageError{text: "--" + name + " takes no value"}
			}
			if err := c.set(&known[j], arg, value); err != nil {
				return nil, err
			}
		case strings.HasPrefix(arg, "-") && arg != "-":
			for letters := arg[1:]; letters != ""; {
				j := slices.IndexFunc(known, func(f control.Flag) bool { return f.Short == letters[0] })
				if j < 0 {
					return nil, c.unknownFlag("-" + letters[:1])
				}
				value := ""
				letters = letters[1:]
				if known[j].Value != "" {
					if value, letters = letters, ""; value == "" {
						if i++; i == len(args) {
							return nil, &usageError{text: arg + " needs a value"}
						}
						value = args[i]
					}
				}
				if err := c.set(&known[j], arg, value); err != nil {
					return nil, err
				}
			}
		default:
			words = append(words, arg)
		}
	}
	return words, nil
}

// set notes a flag.
func (c *command) set(f *control.Flag, typed, value string) error {
	if f.Later {
		return &usageError{text: typed + ": not supported yet"}
	}
	if f.Value != "" && value == "" {
		return &usageError{text: typed + " needs a value"}
	}
	c.flags[f.Name] = value
	return nil
}

func (c *command) unknownFlag(typed string) error {
	if c.verb == nil {
		return &usageError{text: "there is no flag " + typed, hint: "gsvctl --help"}
	}
	return &usageError{text: c.verb.Name + " takes no " + typed, hint: "gsvctl " + c.verb.Name + " --help"}
}

// killHabit makes `signal HUP web` of `kill -HUP web`, `kill -9 web` and `kill -s HUP web`.
func (c *command) killHabit(args []string) []string {
	for i, arg := range args {
		switch {
		case arg == "--":
			return args
		case arg == "-s" && i+1 < len(args):
			c.verb = control.Lookup("signal")
			return append([]string{args[i+1]}, slices.Delete(slices.Clone(args), i, i+2)...)
		case len(arg) > 1 && arg[0] == '-' && arg[1] != '-':
			if signal, ok := control.Signal(arg[1:]); ok {
				c.verb = control.Lookup("signal")
				return append([]string{signal}, slices.Delete(slices.Clone(args), i, i+1)...)
			}
		}
	}
	return args
}

// check holds the words after the verb to what its row says.
func (c *command) check() error {
	name := c.verb.Name
	switch c.verb.Args {
	case control.NoArgs:
		if len(c.words) > 0 {
			u := &usageError{text: name + " takes no name: it is about gsv as a whole"}
			if name == "shutdown" {
				u.hint = "to stop a service: gsvctl stop " + c.words[0]
			}
			return u
		}
	case control.Shell:
		if len(c.words) != 1 || !slices.Contains(shells, c.words[0]) {
			return &usageError{text: "completion takes one of " + strings.Join(shells, ", ")}
		}
	case control.OptionalVerb:
		if len(c.words) > 1 {
			return &usageError{text: name + " takes one verb"}
		}
		if len(c.words) == 1 && control.Lookup(c.words[0]) == nil {
			return unknownVerb(c.words[0], nil)
		}
	case control.ActionNames:
		if err := c.takeAction(); err != nil {
			return err
		}
		return c.checkNames()
	case control.SignalNames:
		if len(c.words) == 0 {
			return &usageError{text: name + " needs a signal and a service", hint: "gsvctl signal USR1 web"}
		}
		signal, ok := control.Signal(c.words[0])
		if !ok {
			u := &usageError{text: "there is no signal " + strconv.Quote(c.words[0]), hint: "gsvctl signal USR1 web"}
			if len(c.words) == 2 {
				if last, ok := control.Signal(c.words[1]); ok {
					u.hint = "gsvctl signal " + last + " " + c.words[0]
				}
			}
			return u
		}
		c.signal, c.words = signal, c.words[1:]
		fallthrough
	case control.Names:
		if len(c.words) == 0 && !c.has("all") {
			return &usageError{text: name + " needs a service, or --all"}
		}
		fallthrough
	case control.OptionalNames:
		return c.checkNames()
	case control.Files, control.Other:
	}
	return nil
}

// takeAction takes pause or resume off the words.
func (c *command) takeAction() error {
	name, hint := c.verb.Name, "gsvctl "+c.verb.Name+" pause "
	if len(c.words) == 0 {
		return &usageError{text: name + " needs pause or resume, and a service", hint: hint + "web --for 10m"}
	}
	word := c.words[0]
	if word != status.Pause && word != status.Resume {
		u := &usageError{text: name + " takes pause or resume, not " + strconv.Quote(word), hint: hint + strings.Join(c.words, " ")}
		if len(c.words) == 2 && (c.words[1] == status.Pause || c.words[1] == status.Resume) {
			u.hint = "gsvctl " + name + " " + c.words[1] + " " + word
		}
		return u
	}
	if c.action, c.words = word, c.words[1:]; len(c.words) == 0 && !c.has("all") {
		return &usageError{text: name + " " + word + " needs a service, or --all"}
	}
	if word == status.Resume && c.has("pause-for") {
		return &usageError{text: name + " resume takes no --for", hint: hint + strings.Join(c.words, " ") + " --for " + c.flags["pause-for"]}
	}
	_, err := c.duration("pause-for")
	return err
}

// checkNames looks for what people take for the names of services.
func (c *command) checkNames() error {
	if c.has("all") && len(c.words) > 0 {
		return &usageError{text: "either names or --all"}
	}
	for _, word := range c.words {
		switch {
		case word == "":
			return &usageError{text: "the name of a service is empty"}
		case word == "all":
			return &usageError{text: `"all" is not the name of a service`, hint: strings.TrimRight("gsvctl "+c.verb.Name+" "+c.action, " ") + " --all"}
		case strings.Trim(word, "0123456789") == "" && control.HasFlag(c.verb, "n"):
			return &usageError{text: strconv.Quote(word) + " is not the name of a service", hint: "how many: -n " + word}
		}
	}
	return nil
}

// unknownVerb guesses what was meant.
func unknownVerb(word string, rest []string) error {
	u := &usageError{text: "there is no verb " + strconv.Quote(word)}
	for _, h := range control.Habits() {
		if h.Word == word {
			u.hint = strings.TrimSpace("gsvctl " + h.Use + " " + strings.Join(rest, " "))
			if control.Lookup(h.Use).Args == control.NoArgs {
				u.hint = "gsvctl " + h.Use
			}
			return u
		}
	}
	if len(rest) > 0 && control.Lookup(rest[0]) != nil {
		u.hint = strings.Join(append([]string{"gsvctl", rest[0], word}, rest[1:]...), " ")
		return u
	}
	if near := control.Closest(word); near != "" {
		u.hint = "did you mean " + near + "?"
	} else {
		u.hint = "gsvctl --help lists them"
	}
	return u
}
