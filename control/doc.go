// Package control is what a client of gsv knows: the verbs, the exit statuses, where the socket is and how to talk over it.
//
// The table in verbs.go is the one list of verbs: gsvctl's command line, help and completion, the HTTP paths, the permissions and
// docs/verbs.md all come from its rows. The package links neither the supervisor nor net/http nor net: a whole `gsvctl signal HUP web` takes
// little more than starting an empty program.
package control
