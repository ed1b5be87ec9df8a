package watch

import (
	"hash/fnv"
	"io"
)

// fingerprint says which files are loaded, by their names and by what the paths lead
// to; never 0. It is the same in another process.
func (s *service) fingerprint() uint64 {
	h := fnv.New64a()
	var add func(n *node, rel string)
	add = func(n *node, rel string) {
		if n.names != "" { // else it is nothing, like no directory at all
			io.WriteString(h, rel+"\x00"+n.names+"\x00")
		}
		for _, sub := range n.subs {
			add(sub, join(rel, sub.name))
		}
	}
	for _, under := range sortedKeys(s.kept) {
		k := s.kept[under]
		io.WriteString(h, under+"\x00"+k.real+"\x00")
		if k.files != nil {
			add(k.files, "")
		}
	}
	return h.Sum64() | 1
}

// another has what is there differ from what was loaded, of which no more is known
// than that: as a path that leads elsewhere, or one that is gone.
func (s *service) another() {
	all := sortedKeys(s.kept)
	if len(all) > 0 {
		s.kept[all[0]].real = "?"
	} else if len(s.spec.Paths) > 0 {
		s.kept[s.spec.Paths[0]] = &kept{"?", &node{names: "\x00", files: make([]entry, 1)}}
	}
}
