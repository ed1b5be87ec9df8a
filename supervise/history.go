package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"time"

	"gsv/supervise/status"
)

// diskPatience is how long anybody waits for events on a disk that may hang.
const diskPatience = time.Second

// openJournal takes up the events of before. Those of `gsv -- COMMAND` end with
// its run-dir: it leaves nothing behind.
func (s *Supervisor) openJournal() {
	dir := s.opts.LogDir
	if s.opts.Direct != "" {
		dir = filepath.Join(s.opts.RunDir, "state")
	}
	s.journal.file = newEventFile(dir, s.opts.RunDir, s.say)
	found := make(chan []status.Event, 1)
	go func() {
		var events []status.Event
		if err := s.journal.file.read(func(text []byte) bool {
			var line eventLine
			if json.Unmarshal(text, &line) == nil && line.RunDir == s.opts.RunDir {
				events = append(events, line.Event)
			}
			return len(events) < remembered
		}); err != nil {
			s.say("events of before are not remembered: " + err.Error())
		}
		slices.Reverse(events)
		found <- events
	}()
	select {
	case events := <-found:
		s.journal.fill(events)
	case <-time.After(diskPatience):
		s.say("events of before are not remembered: " + dir + " does not answer")
	}
}

// closeJournal has everything written, if the disk takes it.
func (s *Supervisor) closeJournal() {
	if s.journal.file == nil {
		return
	}
	select {
	case <-s.journal.file.close():
	case <-time.After(diskPatience):
	}
}

// operationEvent is the event of an operation's end.
func operationEvent(op *operation) status.Event {
	text := op.Verb
	if op.As != "" {
		text += ", as " + op.As + ","
	}
	if op.Result == status.OK {
		text += " ok"
	} else {
		text += " failed: " + op.Error
	}
	ended := op.Operation
	ended.Log = lastOf(ended.Log, opLogBytes)
	by := op.By.User
	if op.Reason != "" {
		by += ": " + op.Reason
	}
	return status.Event{Service: op.Service, Kind: "operation", Operation: op.ID, Text: text + " (by " + by + ")", Op: &ended}
}

// wholeEvent is the event of the end of an operation on gsv as a whole.
func wholeEvent(verb, id string, by status.Caller, began time.Time, fault string) status.Event {
	op := &operation{Operation: status.Operation{ID: id, Verb: verb, By: by, Result: status.OK,
		Started: began.Round(time.Millisecond), Ended: time.Now().Round(time.Millisecond)}}
	if fault != "" {
		op.Result, op.Error = status.Failed, fault
	}
	return operationEvent(op)
}

// lastOf is as many of the last lines as have that many bytes; of a longer last one, its end.
func lastOf(lines []string, size int) []string {
	for i := len(lines) - 1; i >= 0; i-- {
		if n := len(lines[i]) + 1; n <= size {
			size -= n
			continue
		}
		if i == len(lines)-1 {
			return []string{lines[i][len(lines[i])-size:]}
		}
		return lines[i+1:]
	}
	return lines
}

// tellRestored tells of operations that ended when an earlier supervisor was
// killed, before that was on disk.
func (s *Supervisor) tellRestored() {
	told := map[string]bool{}
	var oldest time.Time // what ended before this one is told of in events that are not remembered
	j := &s.journal
	for i := range j.ring {
		if i == 0 && len(j.ring) == remembered {
			oldest = j.at(0).At
		}
		if op := j.at(i).Op; op != nil {
			told[op.ID] = true
		}
	}
	var events []status.Event
	for _, id := range s.ops.ended {
		op := s.ops.byID[id]
		if op == nil || told[op.ID] || op.Ended.Before(oldest) {
			continue
		}
		ev := operationEvent(op)
		ev.At = op.Ended
		events = append(events, ev)
	}
	slices.SortStableFunc(events, func(a, b status.Event) int { return a.At.Compare(b.At) })
	for _, ev := range events {
		s.event(ev)
	}
}

// History is the operations that have ended, oldest first, a thousand at most:
// of that service, or of all where it is "". It is read from disk, where most of
// them are; what a disk that does not answer has of them is left out.
func (s *Supervisor) History(ctx context.Context, service string) ([]status.Operation, error) {
	var list []status.Operation
	var file *eventFile
	if err := s.call(ctx, func() {
		file = s.journal.file
		for _, id := range s.ops.ended {
			if op := s.ops.byID[id]; op != nil && (service == "" || op.Service == service) {
				list = append(list, op.Operation)
			}
		}
	}); err != nil {
		return nil, err
	}
	if file != nil {
		list = merge(list, file.operations(ctx, service))
	}
	slices.SortStableFunc(list, func(a, b status.Operation) int { return a.Ended.Compare(b.Ended) })
	return list[max(0, len(list)-remembered):], nil
}

// merge adds operations that are on disk, and the log lines that only are there.
func merge(list, disk []status.Operation) []status.Operation {
	at := make(map[string]int, len(list))
	for i := range list {
		at[list[i].ID] = i
	}
	for _, op := range disk {
		i, known := at[op.ID]
		switch {
		case !known:
			at[op.ID] = len(list)
			list = append(list, op)
		case list[i].Log == nil:
			list[i].Log = op.Log
		}
	}
	return list
}

// operations is the last operations that are on disk, the newest first.
func (e *eventFile) operations(ctx context.Context, service string) []status.Operation {
	found := make(chan []status.Operation, 1)
	go func() {
		var list []status.Operation
		err := e.read(func(text []byte) bool {
			if !bytes.Contains(text, []byte(`"op":{`)) { // most are of other things
				return true
			}
			var line eventLine
			if json.Unmarshal(text, &line) == nil && line.Op != nil && line.RunDir == e.runDir && (service == "" || line.Op.Service == service) {
				list = append(list, *line.Op)
			}
			return len(list) < remembered
		})
		if err != nil && len(list) == 0 {
			list = nil
		}
		found <- list
	}()
	ctx, cancel := context.WithTimeout(ctx, diskPatience)
	defer cancel()
	select {
	case list := <-found:
		return list
	case <-ctx.Done():
		return nil
	}
}
