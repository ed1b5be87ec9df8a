package control

import (
	"time"

	"gsv/supervise/status"
)

// watchNote is what there is to say of a watch in the line of its service: that it does not do what it is there for. "" if it does.
func watchNote(w *status.Watch, now time.Time) string {
	switch {
	case w == nil:
		return ""
	case w.State == status.WatchStopped:
		return "watch stopped"
	case w.State == status.Paused && w.Until != nil:
		return "watch paused for " + Age(w.Until.Sub(now)) + " more"
	case w.State == status.Paused:
		return "watch paused"
	case w.Trouble != "":
		return "watch: " + w.Trouble
	case w.Stalled != "":
		return "deploy not settled: " + w.Stalled
	}
	return ""
}

// WatchText is all there is to say of a watch, in a row or a sentence: "paused for 4m0s more, by deploy".
func WatchText(w *status.Watch, now time.Time) string {
	text := w.State
	switch {
	case w.Reason != "":
		text += ": " + w.Reason
	case w.State == status.Paused && w.Until != nil:
		text += " for " + Age(w.Until.Sub(now)) + " more"
	case w.State == status.Paused:
		text += " until it is resumed"
	}
	if w.By != "" {
		text += ", by " + w.By
	}
	if w.Trouble != "" {
		text += "; " + w.Trouble
	}
	switch {
	case w.Stalled != "":
		text += "; not settled: " + w.Stalled
	case w.Pending != "" && w.PendingSince != nil:
		text += "; under way for " + Age(now.Sub(*w.PendingSince)) + ": " + w.Pending
	case w.Pending != "":
		text += "; under way: " + w.Pending
	}
	return text
}
