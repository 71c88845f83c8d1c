//go:build linux

package drill

import (
	"context"

	board "github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Row is one line of the scoreboard, the same as of the practice MTA's drills.
type Row = board.Row

// expect says what of the drill is right.
func (d *Drill) expect() board.Expect {
	return board.Expect{Name: d.Name, Codes: d.Codes, Reason: d.Reason, Also: d.Also, Limit: d.Limit}
}

// asked is a scene as the watch of a drill asks it.
type asked struct{ s *Scene }

func (a asked) Findings(context.Context) (open, past []mta.Finding, err error) { return a.s.findings() }

func (a asked) Failure() error { return a.s.failure() }
