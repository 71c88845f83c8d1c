package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/view"
)

// bucketMarks is where what people said of findings is kept.
const bucketMarks = "marks"

// The bounds of what people say.
const (
	maxBy        = 100 // bytes
	maxNote      = 1000
	maxSubject   = 500
	longestQuiet = 366 * 24 * time.Hour
)

// marker is what people said of findings. What it acknowledges is stored.
type marker struct {
	belt    *pipeline.Belt
	db      *state.DB
	changed func(before, after []mta.Finding) // the open findings; nil: nobody is told

	// turn is had by who changes something and tells of it, so that all hear of
	// changes in their order; mu is taken within it.
	turn    sync.Mutex
	unsaved map[string][]byte // what no commit has stored yet, under turn; nil: to be deleted

	mu    sync.Mutex
	marks *alert.Marks
}

var _ view.Actor = (*marker)(nil)

func newMarker(ctx context.Context, belt *pipeline.Belt, db *state.DB) (*marker, error) {
	m := &marker{belt: belt, db: db, unsaved: make(map[string][]byte), marks: alert.NewMarks()}
	if err := db.Each(ctx, bucketMarks, m.marks.Load); err != nil {
		return nil, fmt.Errorf("restore what people said of findings: %w", err)
	}
	return m, nil
}

// mark writes on copies of findings what was said of them.
func (m *marker) mark(list []mta.Finding) []mta.Finding {
	if m == nil {
		return list
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.marks.Mark(list)
}

// findings are those of the belt, marked.
func (m *marker) findings() (open, past []mta.Finding) {
	open, past = m.belt.Findings()
	return m.mark(open), m.mark(past)
}

// change makes one change and stores it before it is answered.
func (m *marker) change(ctx context.Context, do func(open []mta.Finding) error) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	open, _ := m.belt.Findings()
	m.mu.Lock()
	before := m.marks.Mark(open)
	err := do(open)
	after := m.marks.Mark(open)
	m.marks.Flush(func(k string, v []byte) { m.unsaved[k] = v }, func(k string) { m.unsaved[k] = nil })
	m.mu.Unlock()
	if err == nil {
		err = m.save(ctx)
	}
	if m.changed != nil {
		m.changed(before, after)
	}
	return err
}

// saveWithin bounds a commit, which does not end with who asked for it: a page
// that is closed at that moment would lose what holds until then.
const saveWithin = 10 * time.Second

// save stores what was said. What a commit could not store is stored by the next.
func (m *marker) save(ctx context.Context) error {
	if len(m.unsaved) == 0 {
		return nil
	}
	b := batchOf(bucketMarks, m.unsaved)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	if err := m.db.Commit(ctx, b); err != nil {
		return fmt.Errorf("store what was said; it holds, and is tried again, until the next restart: %w", err)
	}
	clear(m.unsaved)
	return nil
}

// batchOf puts what is unsaved into a bucket, and deletes there what has no
// value any more.
func batchOf(bucket string, unsaved map[string][]byte) *state.Batch {
	b := new(state.Batch)
	for k, v := range unsaved {
		if v == nil {
			b.Delete(bucket, k)
		} else {
			b.Put(bucket, k, v)
		}
	}
	return b
}

// expire ends the silences whose time has come, and stores what could not be
// stored before.
func (m *marker) expire(ctx context.Context, now time.Time) error {
	over := false
	m.mu.Lock()
	for _, s := range m.marks.Silences() {
		over = over || !now.Before(s.Until)
	}
	m.mu.Unlock()
	if !over {
		m.turn.Lock()
		defer m.turn.Unlock()
		return m.save(ctx)
	}
	return m.change(ctx, func([]mta.Finding) error { m.marks.Expire(now); return nil })
}

// Acknowledge implements view.Actor.
func (m *marker) Acknowledge(ctx context.Context, a view.Acknowledge) (view.Acknowledged, error) {
	var f view.Acknowledged
	err := errors.Join(tooLong("by", a.By, maxBy), tooLong("note", a.Note, maxNote))
	if err != nil {
		return f, err
	}
	err = m.change(ctx, func(open []mta.Finding) error {
		i := slices.IndexFunc(open, func(f mta.Finding) bool { return f.ID == a.ID })
		if i < 0 {
			return fmt.Errorf("acknowledge finding %q: %w among those that are open", a.ID, view.ErrNone)
		}
		ended := open[i]
		ended.End = time.Now() // of one that has ended what was said is told even if it became worse
		f.Before = m.marks.Mark([]mta.Finding{ended})[0].Acknowledged
		now := mta.Acknowledgement{At: time.Now(), By: notify.Clean(a.By, maxBy), Note: notify.Clean(a.Note, maxNote)}
		if f.Before != nil && now.Note == "" {
			now.Note = f.Before.Note
		}
		m.marks.Acknowledge(&open[i], now)
		f.Finding = m.marks.Mark(open[i : i+1])[0]
		return nil
	})
	f.Finding = view.Presentable([]mta.Finding{f.Finding})[0]
	return f, err
}

// Unacknowledge implements view.Actor.
func (m *marker) Unacknowledge(ctx context.Context, id string) error {
	return m.change(ctx, func([]mta.Finding) error {
		if !m.marks.Unacknowledge(id) {
			return fmt.Errorf("take back the acknowledgement of finding %q: %w", id, view.ErrNone)
		}
		return nil
	})
}

// Silence implements view.Actor.
func (m *marker) Silence(ctx context.Context, s mta.Silence) (mta.Silence, error) {
	now := time.Now()
	err := errors.Join(tooLong("by", s.By, maxBy), tooLong("note", s.Note, maxNote), tooLong("subject", s.Subject, maxSubject), tooLong("instance", s.Instance, maxSubject))
	switch {
	case err != nil:
	case s.Code == "" && s.Instance == "" && s.Subject == "":
		err = fmt.Errorf("%w: name a code, an instance or a subject: everything cannot be silenced", view.ErrQuestion)
	case s.Code != "" && s.Code.Sign() == "":
		err = fmt.Errorf("%w: no finding has the code %q", view.ErrQuestion, notify.Clean(string(s.Code), 40))
	case !s.Until.After(now) || s.Until.After(now.Add(longestQuiet)):
		err = fmt.Errorf("%w: until must be a time from now on, at most a year ahead", view.ErrQuestion)
	}
	if err != nil {
		return s, err
	}
	s.At, s.By, s.Note = now, notify.Clean(s.By, maxBy), notify.Clean(s.Note, maxNote)
	err = m.change(ctx, func(open []mta.Finding) (err error) {
		if s, err = m.marks.Silence(s, open); errors.Is(err, alert.ErrTooMany) {
			err = fmt.Errorf("%w: %w; end some of them", view.ErrQuestion, err)
		}
		return err
	})
	return s, err
}

func tooLong(what, text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are taken", view.ErrQuestion, what, len(text), most)
	}
	return nil
}

// Unsilence implements view.Actor.
func (m *marker) Unsilence(ctx context.Context, id string) error {
	return m.change(ctx, func([]mta.Finding) error {
		if !m.marks.Unsilence(id) {
			return fmt.Errorf("end silence %q: %w", id, view.ErrNone)
		}
		return nil
	})
}

// Silences implements view.Actor.
func (m *marker) Silences(context.Context) (view.Silences, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return view.Silences{Time: time.Now(), Silences: append([]mta.Silence{}, m.marks.Silences()...)}, nil
}

// marked tells channels and open pages of what people said.
func (t *teller) marked(before, after []mta.Finding) {
	t.out.Mark(after)
	for i := range after {
		if f := &after[i]; mark(f) != mark(&before[i]) {
			t.feed.Publish(view.Event{Change: &view.Change{Kind: view.ChangeMarked, Time: time.Now(), Finding: view.Presentable(after[i : i+1])[0]}})
		}
	}
	t.look()
}

// mark is a text that differs where what was said of a finding does.
func mark(f *mta.Finding) string {
	var b strings.Builder
	if a := f.Acknowledged; a != nil {
		fmt.Fprintf(&b, "%s\x00%s\x00%s", a.At, a.By, a.Note)
	}
	b.WriteString(f.SilencedUntil.String())
	return b.String()
}
