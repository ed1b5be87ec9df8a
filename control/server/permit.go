package server

import (
	"os/user"
	"slices"
	"strconv"
	"strings"

	"gsv/control"
	"gsv/supervise/status"
)

// An ask is what somebody wants to do with a service.
type ask struct {
	verb    *control.Verb
	force   bool // refused things too: takes role "all"
	orStart bool // hup or replace that may become a start: takes both
}

// permitted decides who may do what; nothing else does. It knows the verb's row, the service's [allow] table (nil for what is about gsv as a
// whole), whether the caller is root or gsv's own user, and by is whether an entry of the table names the caller.
//
// A verb is permitted to those whom the table names for the verb (or an alias of it), for a role at least as great as the verb's, or, where
// the verb asks for no role, for anything at all: who may hup a service may see how it is.
func permitted(a ask, allow map[string][]string, owner bool, by func(entries []string) bool) bool {
	if owner {
		return true
	}
	if a.verb.Class != control.Service && a.verb.Class != control.Read {
		return a.verb.Role == control.Anyone
	}
	if a.orStart && !permitted(ask{verb: control.Lookup("start")}, allow, false, by) {
		return false
	}
	for key, entries := range allow {
		role, isRole := roles[key]
		row := control.Lookup(key)
		switch {
		case !isRole && row == nil:
			continue
		case a.force && role < control.All: // a verb by name does not bring --force along
			continue
		case isRole && role < a.verb.Role:
			continue
		case !isRole && row != a.verb && a.verb.Role != control.Anyone:
			continue
		}
		if by(entries) {
			return true
		}
	}
	return false
}

// roles are the keys of [allow] that are no verbs.
var roles = map[string]control.Role{"read": control.Reader, "operate": control.Operator, "all": control.All}

// may is permitted for a caller of this server.
func (s *Server) may(a ask, service string, c status.Caller) bool {
	if s.owner(c.UID) {
		return true
	}
	var allow map[string][]string
	if service != "" {
		allow, _ = s.gsv.Allow(service)
	}
	return permitted(a, allow, false, func(entries []string) bool { return names(entries, c) })
}

// owner says whether a user is root or the one gsv runs as.
func (s *Server) owner(uid uint32) bool { return uid == 0 || uid == s.uid }

// names says whether one of the users and "@groups" is the caller. Names are looked up each time, so that what a name stands for now counts;
// one that stands for nobody names nobody. A group counts whether it is the caller's own or a supplementary one.
func names(entries []string, c status.Caller) bool {
	for _, entry := range entries {
		if group, ok := strings.CutPrefix(entry, "@"); ok {
			id, ok := number(group)
			if !ok {
				g, err := user.LookupGroup(group)
				if err != nil {
					continue
				}
				if id, ok = number(g.Gid); !ok {
					continue
				}
			}
			if id == c.GID || slices.Contains(c.Groups, id) {
				return true
			}
			continue
		}
		id, ok := number(entry)
		if !ok {
			u, err := user.Lookup(entry)
			if err != nil {
				continue
			}
			if id, ok = number(u.Uid); !ok {
				continue
			}
		}
		if id == c.UID {
			return true
		}
	}
	return false
}

func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}
