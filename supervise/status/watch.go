package status

import "time"

// A Watch is how the deployed files of a service are watched.
type Watch struct {
	State  string     `json:"state"`            // one of those below
	Action string     `json:"action"`           // the verb that is carried out
	Until  *time.Time `json:"until,omitempty"`  // of Paused: when it is resumed by itself; nil: when somebody does that
	By     string     `json:"by,omitempty"`     // of Paused: the user who asked
	Reason string     `json:"reason,omitempty"` // of WatchStopped and WatchOff: why

	Trouble string `json:"trouble,omitempty"` // what is wrong with watching, and what is done instead
	Stalled string `json:"stalled,omitempty"` // what is still under way after max-delay

	// Only where one service was asked for, and for who may read it.
	Paths        []string   `json:"paths,omitempty"` // absolute
	Stamp        string     `json:"stamp,omitempty"`
	Pending      string     `json:"pending,omitempty"` // the deploy that is under way
	PendingSince *time.Time `json:"pending_since,omitempty"`
}

// The states of a Watch.
const (
	Watching     = "watching"
	Polling      = "polling" // it is looked from time to time
	Paused       = "paused"  // changes are noted, and nothing is done
	WatchStopped = "stopped" // the service itself changes what is watched
	WatchOff     = "off"     // nothing is to be kept up to date: the service is down
)

// The actions of the verb watch.
const (
	Pause  = "pause"
	Resume = "resume"
)
