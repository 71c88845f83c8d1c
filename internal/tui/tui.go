package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Config says what the view is of and where it is shown.
type Config struct {
	Ask      Asker
	Interval time.Duration // between an answer and the next question
	UTF8     bool          // the terminal shows more than ASCII
	In       io.Reader     // keys
	Out      io.Writer     // the terminal
	Environ  []string      // TERM, NO_COLOR and what else tells of the terminal
}

// framesASecond bounds how often the terminal is written to. A frame is only what changed.
const framesASecond = 20

// Run shows the view until it is left or ctx ends.
func Run(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a question that is under way ends with the view
	p := tea.NewProgram(newModel(ctx, cfg), tea.WithContext(ctx), tea.WithInput(cfg.In), tea.WithOutput(cfg.Out),
		tea.WithEnvironment(cfg.Environ), tea.WithFPS(framesASecond))
	_, err := p.Run()
	switch {
	case err == nil, errors.Is(err, tea.ErrInterrupted), ctx.Err() != nil && errors.Is(err, tea.ErrProgramKilled):
		return nil
	}
	return fmt.Errorf("show terminal view: %w", err)
}
