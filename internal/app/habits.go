package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/pipeline"
)

// habits keeps what charts found to be normal, for the next look at the same
// page. One chart is drawn at a time: that bounds what askers cost.
type habits struct {
	once sync.Once
	turn chan struct{}
	kept map[string]*judge.Habit
	last time.Time
}

const (
	maxHabits   = 64               // 40 KB each
	habitsStand = 10 * time.Minute // without an asker
)

// enter waits for the turn to draw a chart.
func (h *habits) enter(ctx context.Context, now time.Time) error {
	h.once.Do(func() { h.turn = make(chan struct{}, 1) })
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for other charts: %w", ctx.Err())
	}
	if h.kept == nil || len(h.kept) > maxHabits || now.Sub(h.last) > habitsStand {
		h.kept = make(map[string]*judge.Habit)
	}
	h.last = now
	return nil
}

func (h *habits) leave() { <-h.turn }

// of gives the habit of a series, for who has the turn.
func (h *habits) of(b *pipeline.Belt, series string) *judge.Habit {
	now := b.Habit(series)
	if now == nil {
		delete(h.kept, series)
		return nil
	}
	now.Recall(h.kept[series])
	h.kept[series] = now
	return now
}
