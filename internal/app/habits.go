package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/view"
)

// habits keeps what charts found to be normal, for the next look at the same
// page. One chart is drawn at a time: that bounds what askers cost.
type habits struct {
	once sync.Once
	turn chan struct{}
	kept map[string]*judge.Habit
	last time.Time

	answers map[view.ChartQuery]answer // to questions about now
}

// answer is a chart as it was drawn at a moment.
type answer struct {
	at     time.Time
	charts view.Charts
}

const (
	maxHabits   = 64               // 40 KB each
	habitsStand = 10 * time.Minute // without an asker
	maxAnswers  = 8                // 300 KB each
	answerStand = time.Minute      // or a fifteenth of its step, if that is less
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
		clear(h.answers)
	}
	h.last = now
	return nil
}

// recall gives an answer that still stands, for who has the turn: a chart of
// two weeks does not change from one glance to the next, and several pages
// ask for the same.
func (h *habits) recall(q view.ChartQuery, now time.Time) (view.Charts, bool) {
	a, ok := h.answers[q]
	age := now.Sub(a.at)
	return a.charts, ok && age >= 0 && age < min(answerStand, time.Duration(a.charts.Step)*time.Second/15)
}

// remember keeps an answer.
func (h *habits) remember(q view.ChartQuery, now time.Time, c view.Charts) {
	if h.answers == nil || len(h.answers) >= maxAnswers {
		h.answers = make(map[view.ChartQuery]answer)
	}
	h.answers[q] = answer{now, c}
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
