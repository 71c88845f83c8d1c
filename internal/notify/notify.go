// Package notify tells people and other programs of findings. A channel is a
// way out that does not pass through the mail server that is watched.
package notify

import (
	"context"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Message is what a channel sends: one step in the life of one finding.
type Message struct {
	Event   string // "opened", "changed", "resolved", or "test"
	Host    string
	URL     string // of the dashboard; "" when there is none
	Finding mta.Finding
}

// Channel is one way out. Send is asked again when retry is true.
type Channel struct {
	Name string
	Send func(ctx context.Context, m Message) (retry bool, err error)
}
