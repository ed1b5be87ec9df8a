package control

import (
	"path"
	"slices"
	"strings"

	"gsv/supervise/status"
)

// Plain says whether a word can only be the name of one service: no glob, no @group.
func Plain(word string) bool {
	return !strings.HasPrefix(word, "@") && !strings.ContainsAny(word, `*?[\`)
}

// Expand makes names of words: services, globs and @groups (all: every service). It keeps the order of services and names none twice.
// unknown are the words that stand for nothing.
func Expand(words []string, all bool, services []status.Service) (names, unknown []string) {
	chosen := make([]bool, len(services))
	index := make(map[string]int, len(services))
	for i := range services {
		index[services[i].Name] = i
		chosen[i] = all
	}
	for _, word := range words {
		found := false
		if Plain(word) {
			var i int
			if i, found = index[word]; found {
				chosen[i] = true
			}
		} else {
			for i := range services {
				if stands(word, &services[i]) {
					chosen[i], found = true, true
				}
			}
		}
		if !found {
			unknown = append(unknown, word)
		}
	}
	for i := range services {
		if chosen[i] {
			names = append(names, services[i].Name)
		}
	}
	return names, unknown
}

// ClosestName is the service that word is most likely a slip for, "" if none is near or word is no service's name.
func ClosestName(word string, services []status.Service) string {
	best, least := "", 3
	if !Plain(word) {
		return ""
	}
	for i := range services {
		name := services[i].Name
		if d := distance(word, name); d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}

// stands says whether a glob or @group stands for a service.
func stands(word string, s *status.Service) bool {
	if group, ok := strings.CutPrefix(word, "@"); ok {
		return slices.Contains(s.Groups, group)
	}
	ok, err := path.Match(word, s.Name)
	return ok && err == nil
}
