package control

import "slices"

// A Flag is one row of the flags that gsvctl takes.
type Flag struct {
	Name  string // as the verbs' rows name it
	Long  string // what is typed after "--"; "" = Name
	Short byte   // what is typed after "-", 0 = none
	Value string // what its value is called in help, "" = it takes none
	Doc   string
	Later bool // not supported yet
}

// Typed is the flag's long form without the dashes; "" if it has none.
func (f *Flag) Typed() string {
	switch {
	case f.Long == "-":
		return ""
	case f.Long != "":
		return f.Long
	}
	return f.Name
}

var flags = []Flag{
	{Name: "socket", Value: "PATH", Doc: "gsv's control socket (else GSV_SOCKET, else your own gsv's, else the system's)"},
	{Name: "help", Short: 'h', Doc: "say how it is used"},
	{Name: "json", Doc: "print JSON, one document a line"},
	{Name: "quiet", Short: 'q', Doc: "print nothing when all went well"},
	{Name: "hosts", Long: "-", Short: 'H', Value: "HOSTS", Doc: "do it on these hosts", Later: true},
	{Name: "all", Doc: "every service"},
	{Name: "no-wait", Doc: "return once it is accepted, with the operation's id"},
	{Name: "timeout", Value: "D", Doc: "wait no longer than this (\"20s\"); what was begun goes on"},
	{Name: "reset", Doc: "forget the failures counted so far, and what ttin and ttou have asked for"},
	{Name: "or-start", Doc: "start it if it was stopped on purpose"},
	{Name: "no-check", Doc: "without the check-command"},
	{Name: "n", Long: "-", Short: 'n', Value: "N", Doc: "how many"},
	{Name: "force", Doc: "do it although it would be refused"},
	{Name: "follow", Short: 'f', Doc: "go on with what is added"},
	{Name: "lines", Short: 'n', Value: "N", Doc: "the last N lines of each (default 10; all with --since, --grep or --op)"},
	{Name: "since", Value: "D", Doc: "only what was written in the last D (\"10m\"), or since a time (RFC 3339)"},
	{Name: "grep", Value: "RE", Doc: "only lines that match (RE2)"},
	{Name: "op-lines", Long: "op", Value: "ID", Doc: "only what its service wrote during that operation; with -f until it has ended"},
	{Name: "for", Value: "STATE", Doc: "wait until it is ready, running or stopped"},
	{Name: "pause-for", Long: "for", Value: "D", Doc: "pause no longer than this (\"10m\"); without it until it is resumed"},
	{Name: "op", Value: "ID", Doc: "wait for that operation, and exit as it does"},
	{Name: "dry-run", Doc: "say the plan, do nothing"},
	{Name: "restart", Doc: "restart what cannot take its change live"},
}

// everywhere are the flags that every verb takes.
var everywhere = []string{"socket", "help", "json", "quiet", "hosts"}

// FlagsOf is the flags that a verb takes; of no verb (nil): those that may stand before it.
func FlagsOf(v *Verb) []Flag {
	names := slices.Clone(everywhere)
	if v != nil {
		if v.Class == Service {
			names = append(names, "no-wait", "timeout")
		}
		if v.Args == Names || v.Args == SignalNames || v.Args == ActionNames || v.Args == OptionalNames {
			names = append(names, "all")
		}
		names = append(names, v.Flags...)
	}
	var found []Flag
	for _, f := range flags {
		if slices.Contains(names, f.Name) {
			found = append(found, f)
		}
	}
	return found
}

// HasFlag says whether a verb takes the flag of that name.
func HasFlag(v *Verb, name string) bool {
	return slices.ContainsFunc(FlagsOf(v), func(f Flag) bool { return f.Name == name })
}

// Usage is how the flag is typed: "--timeout D", "-n N, --lines N".
func (f *Flag) Usage() string {
	text := ""
	if f.Short != 0 {
		text = "-" + string(rune(f.Short))
	}
	if long := f.Typed(); long != "" {
		if text != "" {
			text += ", "
		}
		text += "--" + long
	}
	if f.Value != "" {
		text += " " + f.Value
	}
	return text
}

// Operands is how what follows a verb is typed: "NAME…".
func Operands(v *Verb) string {
	switch v.Args {
	case Names:
		return "NAME… | --all"
	case OptionalNames:
		return "[NAME…]"
	case SignalNames:
		return "SIGNAL NAME… | --all"
	case ActionNames:
		return "pause|resume NAME… | --all"
	case Files:
		if v.Name == "apply" {
			return "[NAME…]"
		}
		return "[FILE|NAME…]"
	case Shell:
		return "bash | zsh | fish"
	case OptionalVerb:
		return "[VERB]"
	case NoArgs, Other:
	}
	return ""
}
