package history

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// slowQueries runs n queries, each of which stops where it has the store in
// use and goes on when the test ends.
func slowQueries(t *testing.T, s *Store, n int) {
	t.Helper()
	inside, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, n)
	for range n {
		go func() {
			_, err := s.run(context.Background(), func(q storage.Queryable) (promql.Query, error) {
				inside <- struct{}{}
				<-release
				return s.engine.NewInstantQuery(context.Background(), q, nil, "mta_queue_messages", noon())
			}, "")
			done <- err
		}()
	}
	for range n {
		<-inside
	}
	t.Cleanup(func() { // before the store is closed
		close(release)
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// A query that runs keeps no tick waiting, not even over the time when the
// oldest samples go from memory into a block.
func TestAppendDuringQuery(t *testing.T) {
	s := open(t, t.TempDir(), Config{})
	active := queue("active")
	add(t, s, noon(), mta.Sample{Series: active, Value: 1})
	slowQueries(t, s, 1)
	done := make(chan error, 1)
	go func() {
		for i := range 24 {
			if err := s.Append(mta.Tick{Time: noon().Add(time.Duration(i+1) * 9 * time.Minute), Samples: []mta.Sample{{Series: active, Value: 1}}}); err != nil {
				done <- err
				return
			}
		}
		done <- s.Trouble()
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second): // it would wait until the query ends: for ever
		t.Error("Append waits for a query that runs")
	}
}

// More queries than maxQueries wait, and leave when their askers do.
func TestQueriesWait(t *testing.T) {
	s := open(t, t.TempDir(), Config{})
	slowQueries(t, s, maxQueries)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Query(ctx, "mta_queue_messages", noon()); !errors.Is(err, context.Canceled) || err.Error() != "wait for other queries: context canceled" {
		t.Errorf("a query more than may run: got %v", err)
	}
}
