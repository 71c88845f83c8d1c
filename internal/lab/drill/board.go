package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Board runs drills and gives the scoreboard. Binary and Drills are required;
// zeros of the rest are as in Options.
type Board struct {
	Binary   string
	Drills   []Drill
	Parallel int // at once; 0 is 1
	Days     int
	WarmUp   time.Duration
	Settle   time.Duration
	Most     time.Duration
	Patience float64
	Keep     string
	Say      func(text string) // what happens, in lines; nil is nobody
	Done     func(Row)         // each row as it comes; nil is nobody
}

// dirMode keeps practice mail from other users.
const dirMode = 0o700

// Run does the drills and gives their rows in order. A drill that could not
// be done has a row that says so.
func (b *Board) Run(ctx context.Context) ([]Row, error) {
	dir, err := os.MkdirTemp("", "mtawatch-drill-")
	if err != nil {
		return nil, fmt.Errorf("make a place for drills: %w", err)
	}
	defer os.RemoveAll(dir)
	if b.Keep != "" {
		if err := os.MkdirAll(b.Keep, 0o755); err != nil {
			return nil, fmt.Errorf("keep logs: %w", err)
		}
	}
	rows := make([]Row, len(b.Drills))
	work := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex // of what is told
	for n := range max(1, b.Parallel) {
		own := filepath.Join(dir, fmt.Sprint(n))
		if err := os.Mkdir(own, dirMode); err != nil {
			return nil, err
		}
		wg.Go(func() {
			for i := range work {
				row := b.one(ctx, &b.Drills[i], own, &mu)
				mu.Lock()
				rows[i] = row
				if b.Done != nil {
					b.Done(row)
				}
				mu.Unlock()
			}
		})
	}
	for i := range b.Drills {
		select {
		case work <- i:
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
	return rows, ctx.Err()
}

func (b *Board) one(ctx context.Context, d *Drill, dir string, mu *sync.Mutex) Row {
	o := Options{Binary: b.Binary, Dir: dir, Days: b.Days, WarmUp: b.WarmUp, Settle: b.Settle, Most: b.Most, Patience: b.Patience, Keep: b.Keep,
		Say: func(format string, args ...any) {
			if b.Say != nil {
				mu.Lock()
				defer mu.Unlock()
				b.Say(fmt.Sprintf(format, args...))
			}
		}}
	row := Row{Drill: d.Name, Expected: d.Codes, Limit: d.Limit.Seconds(), Seconds: -1, False: []FalseFinding{}}
	got, err := runApart(ctx, *d, o)
	var lacks Lacks
	if errors.As(err, &lacks) && d.Needs == NeedsNothing {
		// Beside others it has the machine's counters in common with them.
		got, err = Run(ctx, *d, o)
	}
	switch {
	case errors.As(err, &lacks):
		row.NotRun = string(lacks)
		o.Say("%s: %s", d.Name, row.Line())
		return row
	case err == nil:
		return got
	case ctx.Err() != nil:
		row.NotRun = "stopped"
		o.Say("%s: %s", d.Name, row.Line())
		return row
	case got.Drill != "":
		row = got
	}
	row.Error, row.Passed = err.Error(), false
	o.Say("%s: %s", d.Name, row.Line())
	return row
}

// Lacks is an error that says what this machine or user lacks for a drill.
type Lacks string

// Error says so.
func (l Lacks) Error() string { return string(l) }
