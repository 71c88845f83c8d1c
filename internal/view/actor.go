package view

import (
	"context"
	"errors"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// ErrNone says that what is to be changed does not exist; the HTTP API gives
// it status 404.
var ErrNone = errors.New("there is none such")

// Actor is what people may do: say that they know of a finding, or that they
// do not want to hear of some for a time. Nothing of it touches the mail server.
type Actor interface {
	// Acknowledge notes that somebody knows of an open finding, and gives it.
	// Where it was known already and no note is given, the note stays.
	Acknowledge(ctx context.Context, a Acknowledge) (Acknowledged, error)
	// Unacknowledge takes it back.
	Unacknowledge(ctx context.Context, id string) error
	// Silence begins a silence, and gives it with its ID.
	Silence(ctx context.Context, s mta.Silence) (mta.Silence, error)
	// Unsilence ends it.
	Unsilence(ctx context.Context, id string) error
	// Silences lists what is silenced.
	Silences(ctx context.Context) (Silences, error)
}

// Acknowledge says who knows of which finding.
type Acknowledge struct {
	ID   string `json:"-"`
	By   string `json:"by"`
	Note string `json:"note"`
}

// Acknowledged is a finding that somebody knows of now.
type Acknowledged struct {
	mta.Finding
	// Before is what was said of it before, also where it has become worse since.
	Before *mta.Acknowledgement `json:"acknowledged_before,omitempty"`
}

// Silences is what is silenced, that which ends first first.
type Silences struct {
	Time     time.Time     `json:"time"`
	Silences []mta.Silence `json:"silences"`
}
