package qshape

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Filter picks messages of a queue listing. An empty field takes all.
type Filter struct {
	Queue       string
	ID          string // the queue id
	Sender      string // in any case of letters; "<>" for the null sender
	Destination string // of at least one recipient, see Destination
}

// Takes reports whether the message is one of those picked.
func (f Filter) Takes(m mta.QueuedMessage) bool {
	if f.Queue != "" && m.Queue != f.Queue || f.ID != "" && m.QueueID != f.ID {
		return false
	}
	if f.Sender != "" && !strings.EqualFold(strings.Trim(f.Sender, "<>"), m.Sender) {
		return false
	}
	if f.Destination == "" {
		return true
	}
	for _, r := range m.Recipients {
		if strings.EqualFold(Destination(r.Address), f.Destination) {
			return true
		}
	}
	return false
}
