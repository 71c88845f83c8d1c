package pipeline

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/track"
)

// Whoever observes gets every fact once, with what classify and track made
// of it.
func TestObserve(t *testing.T) {
	var kinds []string
	received, causes := 0, 0
	b := New(Config{Adapters: all.Adapters(), Observe: func(f track.Fact) {
		kinds = append(kinds, f.Event.Kind.String())
		if f.Received {
			received++
		}
		if f.Event.Cause == mta.CauseMailboxFull {
			causes++
		}
	}})
	b.SetInstances(instances)
	if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(0, noon) + mail(1, noon), Ref: noon}); err != nil {
		t.Fatal(err)
	}
	want := []string{"origin", "message", "queued", "delivery", "origin", "message", "queued", "delivery", "removed"}
	if d := cmp.Diff(want, kinds); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if received != 2 || causes != 1 {
		t.Errorf("%d received, %d with the cause; want 2 and 1", received, causes)
	}
}

// A listing hands every message on and says how it ended.
func TestListing(t *testing.T) {
	broken := errors.New("socket closed")
	for _, tt := range []struct {
		name string
		end  error
	}{{"whole", nil}, {"broken off", broken}} {
		t.Run(tt.name, func(t *testing.T) {
			a := adapter.Adapter{Name: "postfix", List: func(context.Context, adapter.Host, mta.Instance) iter.Seq2[mta.QueuedMessage, error] {
				return func(yield func(mta.QueuedMessage, error) bool) {
					if yield(mta.QueuedMessage{QueueID: "A0001"}, nil) && yield(mta.QueuedMessage{QueueID: "A0002"}, nil) && tt.end != nil {
						yield(mta.QueuedMessage{}, tt.end)
					}
				}
			}}
			b := New(Config{Adapters: all.Adapters()})
			b.SetInstances(instances)
			var got []string
			ended := false
			r := &runner{Live: Live{Belt: b, ListEvery: time.Minute, ListShare: 1, Listing: func(instance string, now time.Time) (func(mta.QueuedMessage), func(time.Time, error)) {
				got = append(got, instance)
				return func(m mta.QueuedMessage) { got = append(got, m.QueueID) }, func(until time.Time, err error) {
					if ended || !errors.Is(err, tt.end) || !until.After(noon) {
						t.Errorf("ended with %v (before: %v), want %v", err, ended, tt.end)
					}
					ended = true
				}
			}}}
			r.listOnce(ctx, instances[0], &a)
			if d := cmp.Diff([]string{"postfix", "A0001", "A0002"}, got); d != "" || !ended {
				t.Errorf("ended: %v (-want +got):\n%s", ended, d)
			}
		})
	}
}
