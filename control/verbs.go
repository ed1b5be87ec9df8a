package control

import "slices"

// A Class says what a verb is about.
type Class uint8

// The classes of verbs.
const (
	Service Class = iota // changes services: POST /v1/services/NAME/VERB, becomes an operation
	Read                 // tells about services, changes nothing
	Whole                // about gsv as a whole: only root and gsv's own user, but for version
	Local                // done by the client alone
)

// A Role is what a user must have been given in a service's [allow] table, where the verb itself is not named there.
type Role uint8

// The roles, each with what the ones before it may do.
const (
	Anyone   Role = iota // given along with any other entry, as the status of a service that one may hup
	Reader               // "read"
	Operator             // "operate": all verbs but those that need All
	All                  // "all", also whatever --force is needed for
)

// Args says which words follow a verb.
type Args uint8

// What may follow a verb.
const (
	Names         Args = iota // one or more services, globs, @groups, or --all
	OptionalNames             // none means every service
	NoArgs                    //
	SignalNames               // a signal, then as Names
	Files                     // any number of paths
	Shell                     // one of bash, zsh, fish
	OptionalVerb              // a verb, or nothing
	ActionNames               // pause or resume, then as Names
	Other                     // taken by a verb that is not supported yet
)

// A Verb is one row: everything about a verb that more than one place needs.
type Verb struct {
	Name    string   // as in paths, permissions and operations
	Aliases []string // the same verb to those who type it or name it in [allow]
	Class   Class
	Role    Role
	Args    Args
	Signal  string   // the raw signal that it sends to the main process, without "SIG"
	Letter  byte     // daemontools' svc(8) letter where it means the same, else 0
	Flags   []string // what it takes besides the flags of its class, by their names in Flags
	Past    string   // what a verdict says when it is done: "restarted"
	Already string   // the same when it was so before: "already running"
	Noun    string   // what failed: "restart"
	Done    string   // what it waits for
	Doc     string   // what it does, one clause
	Later   bool     // not supported yet
}

// verbs is the table, in the order in which help and docs show it.
var verbs = []Verb{
	{Name: "status", Class: Read, Role: Anyone, Args: OptionalNames, Doc: "one line a service; with one NAME all there is to know of it"},
	{Name: "start", Aliases: []string{"up"}, Role: Operator, Letter: 'u', Flags: []string{"no-check"}, Past: "started", Already: "already running", Noun: "start",
		Doc: "start it and keep it running", Done: "it is ready; of a oneshot: it has ended well"},
	{Name: "stop", Aliases: []string{"down"}, Role: Operator, Letter: 'd', Past: "stopped", Already: "already stopped", Noun: "stop",
		Doc: "stop it by its stop sequence; it stays down", Done: "nothing of the service is left"},
	{Name: "restart", Role: Operator, Flags: []string{"reset", "no-check"}, Past: "restarted", Noun: "restart",
		Doc: "stop it and start it again", Done: "a new main process is ready"},
	{Name: "once", Role: Operator, Letter: 'o', Past: "started once", Already: "already running, and not started again when it ends", Noun: "start",
		Doc: "start it, but not again when it ends", Done: "it is ready; of a oneshot: it has ended"},
	{Name: "hup", Aliases: []string{"reload"}, Role: Operator, Letter: 'h', Flags: []string{"or-start", "no-check"}, Past: "reloaded", Noun: "reload",
		Doc:  "graceful reload by the service's own method",
		Done: "every worker that was there before (by replace and usr2 the main process too) is gone and the new ones have settled; without workers: the main process caught the signal, lives and is ready"},
	{Name: "replace", Role: Operator, Flags: []string{"or-start", "no-check"}, Past: "reloaded", Noun: "replacement",
		Doc:  "a new generation beside the one that serves, on the same held sockets; once it is ready the old one goes; if it fails, it is ended and the old one serves on",
		Done: "the new generation is ready and nothing of the old one is left"},
	{Name: "ttin", Role: Operator, Flags: []string{"n", "no-check"}, Past: "ttin done", Noun: "ttin",
		Doc: "N more workers (default 1); remembered over reloads, restarts and crashes; those that do not settle are taken back", Done: "the count of workers is as asked, and all have settled"},
	{Name: "ttou", Role: Operator, Flags: []string{"n"}, Past: "ttou done", Noun: "ttou",
		Doc: "N fewer workers (default 1), never below one; remembered likewise", Done: "the count of workers is as asked"},
	{Name: "scale", Role: Operator, Args: Other, Later: true, Doc: "that many instances", Done: "they are ready, the others gone"},
	{Name: "quit", Role: Operator, Past: "stopped", Already: "already stopped", Noun: "graceful stop",
		Doc: "stop it by its server's own graceful signal, then by its stop sequence; it stays down", Done: "nothing of the service is left"},
	raw("term", "TERM", 't'), raw("int", "INT", 'i'),
	{Name: "kill", Role: All, Signal: "KILL", Letter: 'k', Past: "KILL sent", Noun: "kill", Flags: []string{"force"},
		Doc: "KILL to the main process, nothing else; the restart policy applies", Done: "it was sent"},
	raw("usr1", "USR1", '1'), raw("usr2", "USR2", '2'), raw("winch", "WINCH", 'y'), raw("alrm", "ALRM", 'a'),
	raw("pause", "STOP", 'p'), raw("cont", "CONT", 'c'),
	{Name: "signal", Role: All, Args: SignalNames, Flags: []string{"force"}, Past: "sent", Noun: "signal",
		Doc: "any signal, by name or number, to the main process", Done: "it was sent"},
	{Name: "logs", Class: Read, Role: Reader, Args: OptionalNames, Flags: []string{"follow", "lines", "since", "grep", "op-lines"},
		Doc: "what services wrote; of several merged, each line with its service's name"},
	{Name: "ps", Class: Read, Role: Reader, Doc: "the main process and its workers: pid, age, RSS, PSS, generation, state, working directory, title"},
	{Name: "pid", Class: Read, Role: Reader, Doc: "the main process's pid, alone on its line"},
	{Name: "wait", Class: Read, Role: Anyone, Args: OptionalNames, Flags: []string{"for", "op", "timeout"},
		Doc: "wait for a service, or for an operation", Done: "the service is ready, running or stopped; the operation has ended"},
	{Name: "events", Class: Read, Role: Reader, Args: OptionalNames, Flags: []string{"follow"}, Doc: "what happened, oldest first, also to an earlier gsv; of all, or of those named"},
	{Name: "history", Class: Read, Role: Reader, Args: OptionalNames, Doc: "who asked for what, when, and how it ended, oldest first"},
	{Name: "why", Class: Read, Role: Reader, Doc: "one paragraph: its state, the cause, what happens next and what to do; what it wrote"},
	{Name: "apply", Class: Whole, Role: All, Args: Files, Flags: []string{"dry-run", "restart", "force", "timeout"},
		Doc: "read the service files and gsv.toml again, say the plan, do it", Done: "everything that changed is as its file says"},
	{Name: "check", Class: Local, Args: Files, Doc: "say what is wrong with service files, all or those named (runs `gsv check`)"},
	{Name: "cancel", Class: Whole, Role: All, Args: Other, Later: true, Doc: "end an operation"},
	{Name: "watch", Role: Operator, Args: ActionNames, Flags: []string{"pause-for"}, Past: "watch", Already: "its watch was not paused", Noun: "watch",
		Doc:  "pause the watching of deployed files, for a deploy in several steps, or resume it: what has changed meanwhile is one deploy",
		Done: "changes are only noted from now on, or lead to the service's action again"},
	{Name: "health", Class: Whole, Role: Anyone, Args: Other, Later: true, Doc: "is gsv alive, is everything ready"},
	{Name: "drain", Role: Operator, Args: Other, Later: true, Doc: "take it out of service without stopping it"},
	{Name: "ssh-gate", Class: Local, Args: Other, Later: true, Doc: "a forced command for deploy keys"},
	{Name: "shutdown", Class: Whole, Role: All, Args: NoArgs, Flags: []string{"no-wait", "timeout"},
		Doc: "stop every service and end gsv", Done: "gsv has ended"},
	{Name: "upgrade", Class: Whole, Role: All, Args: Other, Later: true, Doc: "go on as the gsv that is on disk now"},
	{Name: "version", Class: Whole, Role: Anyone, Args: NoArgs, Doc: "the versions of gsvctl and of the gsv that answers"},
	{Name: "help", Class: Local, Args: OptionalVerb, Doc: "say how gsvctl, or a verb, is used"},
	{Name: "completion", Class: Local, Args: Shell, Doc: "print the completion script of a shell"},
}

// raw is the row of a verb that only sends a signal.
func raw(name, signal string, letter byte) Verb {
	return Verb{Name: name, Role: Operator, Signal: signal, Letter: letter, Flags: []string{"force"}, Past: signal + " sent", Noun: name,
		Doc: signal + " to the main process, nothing else; the restart policy applies", Done: "it was sent"}
}

// Verbs is every row, in the order to show them. The caller must not change what the rows point to.
func Verbs() []Verb { return slices.Clone(verbs) }

// Lookup finds a verb by its name or one of its aliases; nil if there is none. The row must not be changed.
func Lookup(word string) *Verb {
	for i := range verbs {
		if verbs[i].Name == word || slices.Contains(verbs[i].Aliases, word) {
			return &verbs[i]
		}
	}
	return nil
}

// Closest is the verb or alias that word is most likely a slip for, "" if none is near.
func Closest(word string) string {
	best, least := "", 3
	for i := range verbs {
		for _, name := range append([]string{verbs[i].Name}, verbs[i].Aliases...) {
			if d := distance(word, name); d < least && d < len(name) {
				best, least = name, d
			}
		}
	}
	return best
}

// distance is the number of letters to add, drop, change or swap with the next one to make b of a.
func distance(a, b string) int {
	if len(a) > 32 {
		return len(a)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// Actions is the verbs that a service can have carried out without an operator: those that need nothing but its name.
func Actions() []Verb {
	return slices.DeleteFunc(Verbs(), func(v Verb) bool { return v.Class != Service || v.Args != Names || v.Later })
}

// AllowKeys is every word that may stand before "=" in an [allow] table: verbs that are about services, their aliases, and roles.
func AllowKeys() []string {
	keys := []string{"read", "operate", "all"}
	for i := range verbs {
		if v := &verbs[i]; v.Class == Service || v.Class == Read {
			keys = append(append(keys, v.Name), v.Aliases...)
		}
	}
	return keys
}

// A Habit is what people used to other tools type, and what they mean.
type Habit struct{ Word, Use string }

// habits are words that are no verbs here. gsvctl answers each with its hint and exits as for usage.
var habits = []Habit{
	{"update", "apply"}, {"reread", "apply"}, {"daemon-reload", "apply"},
	{"tail", "logs"}, {"list", "status"}, {"graceful", "hup"}, {"exit", "shutdown"},
	{"deploy", "hup"}, {"rolling-restart", "hup"}, {"phased-restart", "hup"}, {"swap", "replace"}, {"graceful-upgrade", "replace"},
}

// Habits is every such word.
func Habits() []Habit { return slices.Clone(habits) }
